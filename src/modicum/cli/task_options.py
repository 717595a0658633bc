"""The options that say what a user's file means; they become part of the task's reference."""

from collections.abc import Callable, MutableMapping
from typing import TypeVar

import click

from modicum.errors import ConfigError
from modicum.task import full_reference

__all__ = ["TASK_OPTIONS", "task_options", "task_reference"]

F = TypeVar("F", bound=Callable[..., object])

TASK_OPTIONS = (
    *("question", "answer", "solution", "context", "choices", "gold_is", "preset", "odd"),
    *("marker", "mark_with"),
)
"""Names of the options, as a verb gets them."""


def task_options(function: F) -> F:
    """Add the options that map a file's columns and choose its marker to a verb."""
    for option in reversed(
        (
            click.option("--question", help="Column of the question. [guessed]"),
            click.option("--answer", help="Column of the gold answer. [guessed]"),
            click.option("--solution", help="Column of a worked solution, or none. [guessed]"),
            click.option(
                "--context", help="Columns above the question, with commas, or none. [guessed]"
            ),
            click.option(
                "--choices", help="Column of the options, or several with commas; none. [guessed]"
            ),
            click.option(
                "--gold-is",
                type=click.Choice(["label", "text", "from_0", "from_1"]),
                help="How a gold names its option; from_0: by its place. [what fits every row]",
            ),
            click.option(
                "--preset",
                type=click.Choice(["gsm8k", "math"]),
                help="gsm8k: the answer after ####; math: the last box. [by sight]",
            ),
            click.option(
                "--odd",
                type=click.Choice(["refuse", "leave_out"]),
                help="Rows that cannot be read as the others are. [refuse]",
            ),
            click.option("--marker", help="How answers are marked; see list markers. [by golds]"),
            click.option("--mark-with", help="Your own marker, FILE.py:FUNCTION."),
        )
    ):
        function = option(function)
    return function


def task_reference(task: str | None, options: MutableMapping[str, object]) -> str | None:
    """Return the reference of a task with what the options say; takes them out of `options`.

    >>> task_reference("my.jsonl", {"answer": "a&b", "marker": "number", "seeds": 3})
    'jsonl:my.jsonl?answer=a%26b&marker=number'

    Raises:
        ConfigError: such an option without --task, or two markers.
    """
    given = {name: str(options.pop(name)) for name in TASK_OPTIONS if options.get(name)}
    for name in TASK_OPTIONS:
        options.pop(name, None)
    if "mark_with" in given:
        if "marker" in given:
            raise ConfigError("--marker and --mark-with", "one of them", "leave one out")
        given["marker"] = f"python:{given.pop('mark_with')}"
    if task is None:
        if given:
            named = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise ConfigError(f"{named} without --task", "a task", "add --task FILE")
        return None
    reference = full_reference(task)
    pairs = [f"{name}={_quoted(value)}" for name, value in given.items()]
    if not pairs:
        return reference
    return reference + ("&" if "?" in reference else "?") + "&".join(pairs)


def _quoted(value: str) -> str:
    """Hide the two characters that a reference reads as its own."""
    return value.replace("%", "%25").replace("&", "%26")
