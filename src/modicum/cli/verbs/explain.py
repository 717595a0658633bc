"""Explains the words that verdicts, tables and reports use."""

import json
import textwrap

import click

from modicum.analysis.glossary import GLOSSARY, GlossaryEntry, explained
from modicum.errors import ConfigError
from modicum.method import METHODS
from modicum.plain import plain

__all__ = ["command"]

INDENT = "  "
WIDTH = 80
"""Columns of a line: the glossary is read, not tabled."""


@click.command("explain")
@click.argument("term", nargs=-1)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
def command(term: tuple[str, ...], *, wants_json: bool) -> None:
    """Explains a word of the verdict or a method, such as latent, n90 or floor; lists all without one.

    Example: modicum explain n90
    """
    found = [_entry(" ".join(term))] if term else list(GLOSSARY.values())
    if wants_json:
        click.echo(json.dumps({"schema": 1, "terms": plain(found)}, indent=1))
    elif term:
        click.echo(_text(found[0]))
    else:
        width = max(len(entry.term) for entry in found)
        for entry in found:
            click.echo(f"{entry.term:<{width}}  {', '.join(entry.also)}".rstrip())


def _entry(term: str) -> GlossaryEntry:
    """Return the glossary's entry, or what a method says of itself.

    Raises:
        ConfigError: neither has the word.
    """
    method = METHODS.entries.get(term.partition(" n=")[0].replace("-", "_"))
    try:
        return explained(term)
    except ConfigError:
        if method is None:
            raise
        return GlossaryEntry(method.name, method.summary)


def _text(entry: GlossaryEntry) -> str:
    """Lay out an entry: the word, what it means, its other names."""
    said = [entry.text, *([f"Also: {', '.join(entry.also)}."] if entry.also else [])]
    lines = [
        textwrap.fill(
            line, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT, break_on_hyphens=False
        )
        for line in said
    ]
    return "\n".join([entry.term, *lines])
