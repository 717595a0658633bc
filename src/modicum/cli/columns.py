"""Plain text in columns: tables, and two texts side by side; nothing hidden in what models wrote."""

import re
import textwrap
from collections.abc import Sequence
from itertools import zip_longest

from modicum.report.untrusted import cut, pieces

__all__ = ["WIDTH", "beside", "columns", "wrapped"]

WIDTH = 80
"""Most columns of a line."""
NARROWEST = 8
"""Columns that a broken name keeps."""
MOST_LINES = 4
"""Lines of a broken name."""
_JOINT = re.compile(r"[ _/:,?&-]")
"""Where a name may be broken, if it must be."""


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

    Figures are never broken, only names, which go on below: then a row has several lines. A figure
    beside empty cells may spill over them.

    Args:
        rows: Cells, the head among them.
        right: Columns set to the right.
        elastic: Columns that may be broken.
        width: Most columns of a line.

    Returns:
        One text for each row.
    """
    widths = [
        max(len(row[i]) for row in rows if not (i in right and i and not row[i - 1]))
        for i in range(len(rows[0]))
    ]
    spare = width - 2 * (len(widths) - 1)
    if sum(widths) > spare:
        rows, widths = _heads_broken(rows, widths)
    while sum(widths) > spare:
        widest = max(elastic, key=lambda i: widths[i])
        if widths[widest] <= NARROWEST:
            break
        widths[widest] -= 1
    return ["\n".join(_row(row, widths, right)) for row in rows]


def _heads_broken(
    rows: Sequence[Sequence[str]], widths: Sequence[int]
) -> tuple[list[Sequence[str]], list[int]]:
    """Wrap heads of several words that are wider than what stands below, and return the widths then."""
    head, *others = rows
    broken, needed = [], []
    for i, (cell, width) in enumerate(zip(head, widths, strict=True)):
        room = max([*map(len, cell.split()), *(len(row[i]) for row in others)], default=width)
        is_wrapped = " " in cell.strip() and room < width
        broken.append("\n".join(textwrap.wrap(cell, room)) if is_wrapped else cell)
        needed.append(room if is_wrapped else width)
    return [broken, *others], needed


def _row(row: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> list[str]:
    """Return the lines of one row: the figures in the first, broken names in all."""
    parts = [
        [
            line
            for piece in cell.split("\n")
            for line in ([piece] if i in right else _broken(piece, room))
        ]
        for i, (cell, room) in enumerate(zip(row, widths, strict=True))
    ]
    lines = []
    for n in range(max(map(len, parts))):
        line = ""
        for i, (part, room) in enumerate(zip(parts, widths, strict=True)):
            cell = part[n] if n < len(part) else ""
            line += "  " if i else ""
            if i in right:
                free = len(line) - len(line.rstrip())
                line = line[: len(line) - min(free, max(0, len(cell) - room))]
                line += cell.rjust(room)
            else:
                line += cell.ljust(room)
        lines.append(line.rstrip())
    return lines


def _broken(cell: str, width: int) -> list[str]:
    """Break a name after a space or a sign between words, what goes on a little to the right.

    One that would take too many lines loses its middle first.

    >>> _broken("steering_vector n=2", 14)
    ['steering_', '  vector n=2']
    """
    if len(cell) <= width:
        return [cell]
    most = MOST_LINES * (width - 2) - width // 2
    if len(cell) > most:
        cell = f"{cell[: most // 2]}…{cell[-(most // 2) :]}"
    indent = min(len(cell) - len(cell.lstrip()) + 2, width // 2)
    lines, rest = [], cell
    while len(rest) > width:
        first = len(rest) - len(rest.lstrip()) + 1
        ends = [first - 1 + m.end() for m in _JOINT.finditer(rest[first - 1 : width])]
        spaces = [end for end in ends if rest[end - 1] == " "]
        cut = max(spaces or ends, default=width)
        lines.append(rest[:cut].rstrip())
        rest = " " * indent + rest[cut:].lstrip()
    return [*lines, rest]
