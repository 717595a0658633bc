"""Finds the verbs without importing them, and turns errors into a sentence and an exit code."""

import contextlib
import os
import signal
import sqlite3
import sys
import traceback
from typing import NoReturn, TextIO

import click

from modicum import __version__
from modicum.catalog import Catalog
from modicum.cli.began import clear_first, say_first
from modicum.cli.help_layout import HelpContext
from modicum.cli.interrupt import INTERRUPTED, STOPPED, ended_by_interrupts, leave
from modicum.errors import ConfigError, ModicumError, StoreError, UnknownNameError
from modicum.report.untrusted import pieces
from modicum.secrecy import clean, learn_from
from modicum.training.launch import ranks

__all__ = ["main"]

FAILED, WRONG_USE, BROKEN, FAULT = 1, 2, 3, 4
"""Exit codes: trials or an answer failed, wrong use, folder or disk or memory failed, our own fault."""
_MOST_SHOWN = 4000
"""Characters of a line that is printed as an error."""
TRACEBACK = "MODICUM_TRACEBACK"
"""Environment variable that lets an unexpected error show where it arose."""

_VERBS = Catalog("cli.verbs")


class _Verbs(click.Group):
    """A group whose commands are the files of `cli/verbs`."""

    context_class = HelpContext

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's contract
        return sorted(_VERBS.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _VERBS.entries:
            raise UnknownNameError("verb", cmd_name, _VERBS.entries)
        say_first(cmd_name, sys.argv)
        command: click.Command = _VERBS.module(cmd_name).command
        for one in (command, *getattr(command, "commands", {}).values()):
            one.context_class = HelpContext
        clear_first()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs by their docstrings, importing none."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(e.name, e.summary) for e in _VERBS.entries.values()])


@click.group(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: modicum run --quick",
)
@click.version_option(__version__)
def _modicum() -> None:
    """Says whether an ability is latent in a model, and how little data unlocks it."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; the README names the exit codes.

    In a launch of several processes the first one does; the others follow it.
    """
    joined = ranks()
    if joined.number:
        # by the verb that the first process runs: what it needs is loaded where it is used
        _VERBS.module("run").follow()
        sys.exit(0)
    for stream in (sys.stdout, sys.stderr):
        _print_anything(stream)
    with ended_by_interrupts() as said:
        try:
            code = _code(arguments)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one finds everything ending
            _say(STOPPED)
            said.set()
            if arguments is None and joined.count == 1:
                leave()
            code = INTERRUPTED
        finally:
            joined.tell(None)
    sys.exit(code)


def _code(arguments: list[str] | None) -> int:
    """Run a command and return its exit code; every error is told here and nowhere else."""
    given = sys.argv[1:] if arguments is None else arguments
    for argument in given:
        learn_from(argument)
    try:
        code = _command(given)
        _flush()
    except BrokenPipeError:  # the reader has gone, as with `modicum show … | head`
        _hush()
        return 0
    except click.ClickException as error:
        _say(_usage(error))
        return WRONG_USE
    except ModicumError as error:
        _say(f"modicum: {error}")
        return _code_of(error)
    except (OSError, MemoryError, RecursionError, sqlite3.Error) as error:
        _say(f"modicum: {_words(error)}")
        return BROKEN
    except Exception as error:  # noqa: BLE001 - a fault of ours is told in a sentence as well
        _say(f"modicum: {_fault(error)}")
        return FAULT
    return code


def _command(arguments: list[str]) -> int:
    """Run a command; click's own handling of errors is left out."""
    try:
        with _modicum.make_context("modicum", list(arguments)) as context:
            code = _modicum.invoke(context)
    except click.exceptions.Exit as end:
        return int(end.exit_code)
    except click.Abort as error:
        raise KeyboardInterrupt from error
    return code if isinstance(code, int) else 0


def _usage(error: click.ClickException) -> str:
    """Return what click shows of a wrong option or argument."""
    context = getattr(error, "ctx", None)
    usage = f"{context.get_usage()}\n" if context is not None else ""
    hint = f"Try '{context.command_path} --help' for help.\n\n" if context is not None else ""
    return f"{usage}{hint}Error: {error.format_message()}"


def _code_of(error: ModicumError) -> int:
    if isinstance(error, StoreError):
        return BROKEN
    return WRONG_USE if isinstance(error, ConfigError) else FAILED


def _words(error: BaseException) -> str:
    """Say what the machine refused, and what to do."""
    if isinstance(error, MemoryError):
        return "found: not enough memory\nto do: lower --rows or --workers, or use a smaller model"
    if isinstance(error, RecursionError):
        return (
            "found: a value nested too deeply to be read\nto do: look at the files that you named"
        )
    place = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return (
        f"found: {type(error).__name__}: {text}{place}\n"
        "to do: free or mend the disk, then run the same command again: what is finished is kept"
    )


def _fault(error: Exception) -> str:
    """Say that this is a fault of ours; where it arose, if the user asks."""
    if os.environ.get(TRACEBACK):
        return "".join(traceback.format_exception(error))
    first = str(error).partition("\n")[0][:200]
    return (
        f"found: an unexpected {type(error).__name__}: {first}\n"
        f"to do: report it, with what {TRACEBACK}=1 prints; what is finished is kept"
    )


def _print_anything(stream: TextIO | None) -> None:
    """Let a stream of any encoding take any text: what it cannot write becomes a question mark."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")


def _say(text: str) -> None:
    """Print to standard error, which may have gone: no known secret, no hidden character, no flood.

    A file may hold a value of a megabyte, and an error quotes what it found.
    """
    lines = (
        "".join(piece for piece, _ in pieces(_short(line))) for line in clean(text).split("\n")
    )
    try:
        click.echo("\n".join(lines), err=True)
    except OSError:
        _hush()


def _short(line: str) -> str:
    return line if len(line) <= _MOST_SHOWN else f"{line[:_MOST_SHOWN]}… ({len(line):,} characters)"


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def _hush() -> None:
    """Let what the interpreter still holds for streams that have gone go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
