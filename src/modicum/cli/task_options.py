"""The options that say what a user's file means; they become part of the task's reference."""

from collections.abc import Callable, MutableMapping
from typing import TypeVar

import click

from modicum.cli.help_layout import in_group, option
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
    return in_group(
        "Your file",
        option("--question", metavar="COLUMN", help="Column of the question. [detected]"),
        option("--answer", metavar="COLUMN", help="Column of the correct answer. [detected]"),
        option(
            "--solution",
            metavar="COLUMN",
            help="Column of a worked solution, or `none`. [detected]",
        ),
        option(
            "--context",
            metavar="COLUMNS",
            help="Columns to show above the question, separated by commas, or `none`. [detected]",
        ),
        option(
            "--choices",
            metavar="COLUMNS",
            help="Column of the answer options, or several separated by commas, or `none`. [detected]",
        ),
        option(
            "--gold-is",
            type=click.Choice(["label", "text", "from_0", "from_1"]),
            help="How the answer column names an option: by label, by text, or by its place counted "
            "from 0 or 1. [what fits every row]",
        ),
        option(
            "--preset",
            type=click.Choice(["gsm8k", "math"]),
            help="Take the answer after #### (gsm8k) or from the last \\boxed{} (math). [detected]",
        ),
        option(
            "--odd",
            type=click.Choice(["refuse", "leave_out"]),
            help="What to do with rows that do not look like the others. [refuse]",
        ),
        option(
            "--marker",
            metavar="NAME",
            help="How answers are marked; `modicum list markers` shows all. [chosen by the answers]",
        ),
        option(
            "--mark-with",
            metavar="FILE.py:FUNCTION",
            help="Mark with your own Python function.",
        ),
    )(function)


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
