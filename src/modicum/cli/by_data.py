"""A verb that learns boards or text, each with options of its own: what is given says which."""

from typing import final

import click

from modicum.errors import ConfigError

__all__ = ["ByData"]

_KINDS = {"--task": "Options with --task (boards)", "--corpus": "Options with --corpus (text)"}


@final
class ByData(click.Command):
    """Two commands of one name: with `--task` that of boards, with `--corpus` that of text."""

    def __init__(self, boards: click.Command, text: click.Command, said: str) -> None:
        """Take both commands.

        Args:
            boards: Takes `--task`; the pair has its name.
            text: Takes `--corpus`.
            said: Help of the pair, an example included.
        """
        super().__init__(boards.name, help=said)
        self._own = dict(zip(_KINDS, (boards, text), strict=True))

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: object,
    ) -> click.Context:
        """Return the context of the command that the options ask for.

        Raises:
            ConfigError: both of `--task` and `--corpus`, or neither where help is not asked for.
        """
        asked = [name for name in _KINDS if any(_is_named(name, one) for one in args)]
        if len(asked) == 1:
            return self._own[asked[0]].make_context(info_name, args, parent, **extra)
        if not asked and any(one in ("-h", "--help") for one in args):
            return super().make_context(info_name, args, parent, **extra)
        raise ConfigError(
            f"modicum pretrain {info_name} with {' and '.join(asked) or 'neither of them'}",
            "one of --task (boards) and --corpus (text)",
            f"such as modicum pretrain {info_name} --task sudoku",
        )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options of both."""
        for name, heading in _KINDS.items():
            records = [one.get_help_record(ctx) for one in self._own[name].get_params(ctx)]
            with formatter.section(heading):
                formatter.write_dl([record for record in records if record is not None])


def _is_named(option: str, argument: str) -> bool:
    return argument == option or argument.startswith(f"{option}=")
