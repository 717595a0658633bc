"""Finds the verbs without importing them, and turns errors into exit codes."""

import os
import sys
from typing import NoReturn

import click

from modicum import __version__
from modicum.catalog import Catalog
from modicum.errors import ConfigError, ModicumError, UnknownNameError
from modicum.ranks import ranks

__all__ = ["main"]

_VERBS = Catalog("cli.verbs")


class _Verbs(click.Group):
    """A group whose commands are the files of `cli/verbs`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's contract
        return sorted(_VERBS.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _VERBS.entries:
            raise UnknownNameError("verb", cmd_name, _VERBS.entries)
        command: click.Command = _VERBS.module(cmd_name).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the verbs by their docstrings, importing none."""
        del ctx
        with formatter.section("Verbs"):
            formatter.write_dl([(e.name, e.summary) for e in _VERBS.entries.values()])


@click.group(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: modicum run --model ./my-model --task gym:chain_sum --out runs/first",
)
@click.version_option(__version__)
def _modicum() -> None:
    """Says whether an ability is latent in a model, and how little data unlocks it."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Runs the command line; exits 0 done, 1 some trials failed, 2 wrong use.

    In a launch of several processes the first one does; the others follow it.
    """
    joined = ranks()
    if joined.number:
        # by the verb that the first process runs: what it needs is loaded where it is used
        _VERBS.module("run").follow()
        sys.exit(0)
    try:
        _command(arguments)
    finally:
        joined.tell(None)


def _command(arguments: list[str] | None) -> NoReturn:
    try:
        code = _modicum.main(arguments, prog_name="modicum", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except ConfigError as error:
        click.echo(f"modicum: {error}", err=True)
        sys.exit(2)
    except ModicumError as error:
        click.echo(f"modicum: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:  # the reader has gone, `modicum show … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (KeyboardInterrupt, click.Abort):
        click.echo("modicum: stopped; the same command goes on where it was", err=True)
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)
