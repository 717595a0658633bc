"""Plain text in columns: tables, and two texts side by side; nothing hidden in what models wrote."""

import textwrap
from collections.abc import Sequence
from itertools import zip_longest

from modicum.report.untrusted import cut, pieces

__all__ = ["WIDTH", "beside", "columns", "wrapped"]

WIDTH = 80
"""Most columns of a line."""
NARROWEST = 8
"""Columns that a shortened name keeps."""


def wrapped(text: str, width: int = WIDTH, *, whole: bool = False) -> list[str]:
    """Return a text of a model or a task as lines: hidden characters spelled out, line feeds kept.

    Args:
        text: Any text; what is too long is cut in its middle.
        width: Most columns of a line.
        whole: Cut nothing.
    """
    head, left_out, tail = (text, 0, "") if whole else cut(text)
    joined = f"{head}\n… {left_out:,} characters left out …\n{tail}" if left_out else head
    plain = "".join(piece for piece, _ in pieces(joined)).expandtabs(4)
    lines: list[str] = []
    for line in plain.split("\n"):
        lines += textwrap.wrap(line, width, break_on_hyphens=False, replace_whitespace=False) or [
            ""
        ]
    return lines


def beside(left: Sequence[str], right: Sequence[str], width: int = WIDTH) -> list[str]:
    """Set two columns of lines side by side, each within half of the width."""
    half = (width - 3) // 2
    return [
        f"{one.ljust(half)} │ {two}".rstrip() for one, two in zip_longest(left, right, fillvalue="")
    ]


def columns(
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[int],
    elastic: Sequence[int],
    width: int = WIDTH,
) -> list[str]:
    """Align columns; where they are too wide together, the elastic ones give way.

    Figures are never shortened, only names. One beside empty cells may spill over them.

    Args:
        rows: Cells, the head among them.
        right: Columns set to the right.
        elastic: Columns that may be shortened.
        width: Most columns of a line.
    """
    widths = [
        max(len(row[i]) for row in rows if not (i in right and i and not row[i - 1]))
        for i in range(len(rows[0]))
    ]
    spare = width - 2 * (len(widths) - 1)
    while sum(widths) > spare:
        widest = max(elastic, key=lambda i: widths[i])
        if widths[widest] <= NARROWEST:
            break
        widths[widest] -= 1
    lines = []
    for row in rows:
        line = ""
        for i, (cell, room) in enumerate(zip(row, widths, strict=True)):
            line += "  " if i else ""
            if i in right:
                free = len(line) - len(line.rstrip())
                line = line[: len(line) - min(free, max(0, len(cell) - room))]
                line += cell.rjust(room)
            else:
                line += _short(cell, room).ljust(room)
        lines.append(line.rstrip())
    return lines


def _short(cell: str, width: int) -> str:
    if len(cell) <= width:
        return cell
    half = (width - 1) // 2
    return f"{cell[: width - 1 - half]}…{cell[-half:]}"
