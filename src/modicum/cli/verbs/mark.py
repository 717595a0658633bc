"""Shows how an answer is read, and whether it counts."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import click

from modicum.answers import FORMS, Form
from modicum.errors import ConfigError, JudgeError
from modicum.marker import Marker, resolve_marker
from modicum.plain import JsonObject
from modicum.report.untrusted import visible
from modicum.types import Grade, Problem

__all__ = ["command"]

_LABEL = 9
"""Columns before a fact."""


@click.command(
    "mark",
    # an answer may begin with a minus sign, so that `-$300` and `- 3 hours` are no options
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
)
@click.argument("marker", required=False)
@click.argument("gold", required=False)
@click.argument("text", required=False)
@click.option(
    "--form",
    type=click.Choice(sorted(FORMS)),
    default="line",
    show_default=True,
    help="The exact format that is asked for.",
)
@click.option(
    "--batch",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Read JSON lines [marker, gold, text]; print one JSON object a line.",
)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
def command(
    marker: str | None,
    gold: str | None,
    text: str | None,
    form: str,
    batch: Path | None,
    *,
    wants_json: bool,
) -> None:
    """Shows how a MARKER reads a TEXT, and whether that counts as the correct answer GOLD.

    Example: modicum mark number 300 "Answer: -$300"
    """
    given = [marker, gold, text]
    if batch is not None:
        if any(part is not None for part in given):
            raise ConfigError("--batch beside a marker", "one of both", "leave one out")
        for line in _batch(batch, FORMS[form]):
            click.echo(json.dumps(line))
        return
    known = [part for part in given if part is not None]
    if len(known) < len(given):
        raise ConfigError(
            f"{len(known)} of MARKER, GOLD and TEXT",
            "all three, or --batch FILE",
            'write them apart: modicum mark number 12 "Answer: 12"',
        )
    name, wanted, said = known
    found = _marked(name, wanted, said, FORMS[form])
    click.echo(json.dumps(found) if wants_json else _text(found, form))


def _batch(path: Path, form: Form) -> Iterator[JsonObject]:
    """Mark the lines of a file.

    Raises:
        ConfigError: a line that cannot be read or marked, by its number.
    """
    try:
        with click.open_file(str(path), encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _line(line, f"line {number} of {path}", form)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}", "a readable text file", "check the path") from error


def _line(line: str, where: str, form: Form) -> JsonObject:
    try:
        given = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: {error}", _WANTED, "correct the line") from error
    if not isinstance(given, list) or [type(part) for part in given] != [str] * 3:
        raise ConfigError(f"{where}: {visible(line.strip()[:80])}", _WANTED, "correct the line")
    name, gold, text = given
    try:
        return _marked(name, gold, text, form)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error.found}", error.expected, error.action) from error
    except JudgeError as error:
        raise JudgeError(f"{where}: {error}") from error


_WANTED = 'a JSON array of three texts, ["number", "12", "Answer: 12"]'


def _marked(name: str, gold: str, text: str, form: Form) -> JsonObject:
    """Mark one text.

    Raises:
        ConfigError: no such marker, or a gold that it could never accept.
    """
    marker = _marker(name)
    canonical = marker.gold(gold)
    if canonical is None:
        raise ConfigError(
            f"the gold {visible(gold)[:80]!r}, which the marker {name!r} cannot read",
            "a gold that it accepts",
            "correct the gold, or choose another marker",
        )
    mark = marker.mark(Problem("mark", "", canonical), text, form)
    strict = mark.answer if mark.strict != Grade.UNREADABLE else None
    return {
        "marker": name,
        "gold": gold,
        "lenient": {"read": mark.answer, "correct": mark.lenient == Grade.CORRECT},
        "strict": {"read": strict, "correct": mark.strict == Grade.CORRECT},
    }


@lru_cache(maxsize=64)
def _marker(name: str) -> Marker:
    return resolve_marker(name)


def _text(found: JsonObject, form: str) -> str:
    """Return a mark for a terminal; what was said there cannot act."""
    lines: list[tuple[str, Sequence[str]]] = [
        ("marker", [str(found["marker"])]),
        ("gold", [str(found["gold"])]),
    ]
    for name, note in (("lenient", ""), ("strict", f"form {form}")):
        reading = found[name]
        assert isinstance(reading, Mapping)  # noqa: S101 - made above
        read = reading["read"]
        verdict = "correct" if reading["correct"] else "incorrect" if read is not None else ""
        said = "no answer read" if read is None else f"read {read!r}"
        lines.append((name, [", ".join(filter(None, (said, verdict, note)))]))
    return "\n".join(f"{label:{_LABEL}}{visible(part)}" for label, parts in lines for part in parts)
