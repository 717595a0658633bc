"""Help pages: options in groups, names of verbs under one heading, no word broken at a line's end."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import click

from modicum.cli.terminal import terminal_width

__all__ = ["GroupedCommand", "GroupedOption", "HelpContext", "HelpGroup", "in_group", "option"]

F = TypeVar("F", bound=Callable[..., object])

_HYPHEN = "\u2011"
"""Stands for a hyphen while lines are broken: click breaks at hyphens."""
OTHER = "Other options"
"""Heading of the options that belong to no group, where there are groups; else `Options`."""


class _WholeWords(click.HelpFormatter):
    """Breaks lines between words alone: an option or a folder's name with hyphens stays whole."""

    def write_text(self, text: str) -> None:
        """Write a paragraph."""
        super().write_text(text.replace("-", _HYPHEN))

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write how the command is called."""
        super().write_usage(prog, args.replace("-", _HYPHEN), prefix)

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write a list of names and what they mean."""
        kept = [(name, text.replace("-", _HYPHEN)) for name, text in rows]
        super().write_dl(kept, col_max, col_spacing)

    def getvalue(self) -> str:
        """Return the page."""
        return super().getvalue().replace(_HYPHEN, "-")


class HelpContext(click.Context):
    """The context of every command, for its help."""

    formatter_class = _WholeWords

    def make_formatter(self) -> click.HelpFormatter:
        """Return a formatter of the terminal's width."""
        width = terminal_width()
        return self.formatter_class(width=width, max_width=width)


class GroupedOption(click.Option):
    """An option that stands under a heading of its own in help."""

    def __init__(self, *names: Any, group: str = "", **attributes: Any) -> None:  # noqa: ANN401
        """Take click's own arguments, and the heading."""
        super().__init__(*names, **attributes)
        self.group = group


class GroupedCommand(click.Command):
    """A command whose options stand in groups, in the order in which the groups first come."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, each group under its heading."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for option in self.get_params(ctx):
            if isinstance(option, click.Argument):
                continue
            record = option.get_help_record(ctx)
            if record is not None:
                groups.setdefault(getattr(option, "group", ""), []).append(record)
        rest = groups.pop("", [])
        for heading, records in groups.items():
            with formatter.section(heading):
                formatter.write_dl(records)
        with formatter.section(OTHER if groups else "Options"):
            formatter.write_dl(rest)


class HelpGroup(click.Group):
    """A command with commands of its own, each listed with its whole first sentence."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands."""
        del ctx
        rows = [(name, _first(command)) for name, command in sorted(self.commands.items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _first(command: click.Command) -> str:
    """Return the first paragraph of a command's help in one line."""
    return " ".join((command.help or "").split("\n\n")[0].split())


def option(*names: str, **attributes: Any) -> Callable[[F], F]:  # noqa: ANN401 - click's own
    """Return a decorator that adds an option which can stand in a group; click's own arguments."""
    return click.option(*names, cls=GroupedOption, **attributes)


def in_group(group: str, *options: Callable[[F], F]) -> Callable[[F], F]:
    """Return a decorator that adds options under one heading, in the order given.

    Args:
        group: The heading.
        options: Decorators that `click.option(..., cls=GroupedOption)` gives.
    """

    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        for made in _made(function, len(options)):
            made.group = group
        return function

    return add


def _made(function: Callable[..., object], n: int) -> Iterator[GroupedOption]:
    """Yield the options that were added last to a function."""
    added = getattr(function, "__click_params__", [])
    yield from (option for option in added[-n:] if isinstance(option, GroupedOption))
