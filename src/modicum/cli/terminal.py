"""What the terminal is: its width, whether it takes colour and links, and signs that it can print."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import click

__all__ = ["NARROWEST", "WIDEST", "Paint", "link", "paint_for", "sign", "terminal_width"]

NARROWEST, WIDEST = 60, 120
"""Fewest and most columns that a page is laid out in."""
_COLOURS = {
    "shown": "green",
    "latent": "green",
    "sealed": "cyan",
    "learned": "cyan",
    "taught": "cyan",
    "absent": "red",
    "undecided": "yellow",
}


def terminal_width() -> int:
    """Return the columns to print in: the terminal's or `COLUMNS`, at least 60 and at most 120."""
    return min(max(shutil.get_terminal_size((80, 24)).columns, NARROWEST), WIDEST)


@dataclass(frozen=True)
class Paint:
    """Colours what carries meaning, or nothing."""

    is_on: bool = False

    def ability(self, word: str, text: str) -> str:
        """Colour a word of ability, whatever its case."""
        return self._styled(text, fg=_COLOURS.get(word), bold=True)

    def pick(self, text: str) -> str:
        """Make the line of what is shipped stand out."""
        return self._styled(text, bold=True)

    def warning(self, text: str) -> str:
        """Colour a warning."""
        return self._styled(text, fg="yellow")

    def _styled(self, text: str, *, fg: str | None = None, bold: bool = False) -> str:
        return click.style(text, fg=fg, bold=bold) if self.is_on else text


def paint_for(stream: TextIO | None = None) -> Paint:
    """Return the paint for a stream: `NO_COLOR` takes colour away, `FORCE_COLOR` gives it anywhere."""
    if os.environ.get("NO_COLOR"):
        return Paint()
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return Paint(is_on=True)
    return Paint(_is_terminal(stream or sys.stdout) and os.environ.get("TERM") != "dumb")


def sign(wanted: str, plain: str, stream: TextIO | None = None) -> str:
    """Return a sign, or its plain form where the stream's encoding has no such sign."""
    encoding = getattr(stream or sys.stdout, "encoding", None) or "ascii"
    try:
        wanted.encode(encoding)
    except (LookupError, UnicodeError):
        return plain
    return wanted


def link(path: Path, stream: TextIO | None = None) -> str:
    """Return a file's path, as a link (OSC 8) where it is printed on a terminal.

    Source: the hyperlink escape sequence as egmontkob describes it (OSC 8 ; params ; URI ST).
    """
    if not _is_terminal(stream or sys.stdout) or os.environ.get("TERM") == "dumb":
        return str(path)
    return f"\x1b]8;;{path.resolve().as_uri()}\x1b\\{path}\x1b]8;;\x1b\\"


def _is_terminal(stream: TextIO) -> bool:
    return bool(getattr(stream, "isatty", bool)())
