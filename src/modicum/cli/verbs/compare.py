"""Compares two methods, models or studies: accuracy, paired difference, cost, what changed."""

import json
import shutil
from collections.abc import Sequence

import click

from modicum.analysis.comparison import Comparison, Side
from modicum.analysis.sides import FLOOR, PICK
from modicum.cli.compare_text import (
    comparison_csv,
    comparison_json,
    comparison_markdown,
    comparison_text,
)
from modicum.cli.compared import compared, read_sides, reference
from modicum.errors import ConfigError

__all__ = ["command"]

SCHEMA = 1
"""Version of the JSON form."""
NARROW, WIDE = 60, 120
"""Fewest and most columns of a line."""


@click.command("compare")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--task", metavar="TASK", help="Compare on this task, where a study has several.")
@click.option("--model", metavar="MODEL", help="Compare on this model, where a study has several.")
@click.option(
    "--limit", type=click.IntRange(0), default=5, metavar="N",
    help="List this many changed problems each way. [5]",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(["text", "md", "csv", "json"]), default="text",
    help="How to print the comparison. [text]",
)  # fmt: skip
@click.option("--json", "wants_json", is_flag=True, help="Print JSON; the same as --format json.")
@click.option("--trust", is_flag=True, help="Let the studies' plans start code, servers and keys.")
def command(first: str, second: str, **options: object) -> None:
    """Compares two methods, models or studies: accuracy, paired difference, cost, what changed.

    A and B are study folders, or FOLDER:NAME, where NAME is a method (`floor` for the model as asked
    plainly, `pick` for what the study recommends), a task or a model of that study; join several
    with +. Without a method both floors and both picks are compared. Problems that both answered
    are compared in pairs; nothing is drawn.

    Example: modicum compare runs/organism:floor runs/organism:fine_tune
    """
    form = "json" if options["wants_json"] else str(options["form"])
    found = _found((first, second), options)
    if form == "json":
        plain = [comparison_json(one) for one in found]
        click.echo(json.dumps({"schema": SCHEMA, "comparisons": plain}, indent=1))
    elif form == "csv":
        click.echo(comparison_csv(found))
    elif form == "md":
        click.echo(comparison_markdown(found))
    else:
        width = min(max(shutil.get_terminal_size((80, 24)).columns, NARROW), WIDE)
        most = int(str(options["limit"]))
        texts = [comparison_text(one, width=width, most=most, option="--limit") for one in found]
        click.echo("\n\n".join(texts))


def _found(typed: Sequence[str], options: dict[str, object]) -> list[Comparison]:
    """Read both sides and compare them: as named, or floors and picks."""
    references = [reference(text) for text in typed]
    read: dict[str, list[tuple[Side, ...]]] = {}
    for default in (FLOOR, PICK):
        read[default] = [
            read_sides(
                one,
                task=str(options["task"]) if options["task"] else None,
                model=str(options["model"]) if options["model"] else None,
                trusted=bool(options["trust"]),
                default=default,
            )
            for one in references
        ]
    found: list[Comparison] = []
    for a, b in read.values():
        found += [one for one in compared(a, b) if not _is_same(one) and one not in found]
    if not found:
        raise ConfigError(
            f"{typed[0]} and {typed[1]} are the same",
            "two different methods, models, tasks or studies",
            f"name a method of each, such as {typed[0]}:{FLOOR} and {typed[1]}:{PICK}",
        )
    return found


def _is_same(one: Comparison) -> bool:
    """Whether both sides are one and the same outcome."""
    return (
        one.names[0] == one.names[1]
        and one.models[0] == one.models[1]
        and one.costs[0] == one.costs[1]
        and not (one.gained or one.lost)
        and one.is_paired
    )
