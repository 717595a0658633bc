"""Sections as plain text: sentences wrapped, tables in columns."""

import textwrap
from collections.abc import Sequence

from modicum.analysis.board_strip import BoardCell, BoardStrip, Still
from modicum.analysis.section import Column, Listing, Section, SectionRow, SectionTable, written
from modicum.cli.columns import WIDTH, columns
from modicum.report.untrusted import visible
from modicum.stats.written import MISSING

__all__ = ["core_text", "section_text"]

RIGHT = ("count", "point", "amount")
"""Kinds of columns that are set to the right."""


def core_text(section: Section, width: int = WIDTH) -> list[str]:
    """Give the tables of one of the verdict's own sections, each as one text."""
    return list(filter(None, (_table(table, width) for table in section.tables)))


def section_text(section: Section, width: int = WIDTH) -> str:
    """Give a section with its title; its charts are for the report."""
    lines = [*section.sentences, *map(_listed, section.lists)]
    tables = [
        part
        for table in section.tables
        for part in (_filled(table.lead, width), _table(table, width))
    ]
    said = [_filled(line, width) for line in lines]
    strips = [_strip(strip, width) for strip in section.strips]
    return "\n".join(filter(None, [visible(section.title), *said, *tables, *strips]))


def _listed(listing: Listing) -> str:
    items = "; ".join(listing.items)
    return (
        f"{listing.title}: {len(listing.items)}"
        if listing.is_folded
        else f"{listing.title}: {items}"
    )


def _filled(line: str, width: int) -> str:
    return textwrap.fill(visible(line), width, break_on_hyphens=False)


def _table(table: SectionTable, width: int) -> str:
    """Set rows below their head, columns that say nothing left out; empty where there are no rows."""
    places = {column.title: i for i, column in enumerate(table.columns)}
    shown = [(places[title], column) for title, column in table.brief.items()]
    shown = shown or [(i, c) for i, c in enumerate(table.columns) if c.kind != "trials"]
    lines = [_line(row, shown) for row in table.rows if row.only != "report"]
    if not lines:
        return ""
    kept = [n for n in range(len(shown)) if any(line[n] not in ("", MISSING) for line in lines)]
    head = [visible(column.title) for _, column in shown]
    rows = [tuple(line[n] for n in kept) for line in (head, *lines)]
    right = [place for place, n in enumerate(kept) if shown[n][1].kind in RIGHT]
    elastic = [place for place, n in enumerate(kept) if shown[n][1].kind == "text"]
    return "\n".join(
        columns(rows, right=right, elastic=elastic[:1] if table.brief else elastic, width=width)
    )


def _line(row: SectionRow, shown: Sequence[tuple[int, Column]]) -> tuple[str, ...]:
    cells = [visible(written(row.cells[i], column.kind)) for i, column in shown]
    name = visible(row.brief) if row.brief else cells[0]
    return (f"  {name}" if row.is_below else name, *cells[1:])


def _strip(strip: BoardStrip, width: int) -> str:
    """Set boards side by side, as many as a line has room for: `[1]` is given, `1*` is wrong."""
    blocks = [_board(still, strip.across) for still in strip.stills]
    wide = max((len(line) for block in blocks for line in block), default=0)
    each = max(1, (width + 3) // (wide + 3))
    lines = [
        "   ".join(line.ljust(wide) for line in row).rstrip()
        for i in range(0, len(blocks), each)
        for row in zip(*blocks[i : i + each], strict=True)
    ]
    key = "Givens are written [1], wrong cells 1*."
    return "\n".join([_filled(f"{strip.caption} {key}", width), *lines])


def _board(still: Still, across: int) -> list[str]:
    cells = [_cell(cell) for cell in still.cells]
    wide = max(map(len, cells), default=0)
    rows = [cells[i : i + across] for i in range(0, len(cells), across)]
    return [visible(still.title), *("".join(cell.ljust(wide) for cell in row) for row in rows)]


def _cell(cell: BoardCell) -> str:
    """Write a cell; a given that was changed has a bracket and the star.

    >>> _cell(BoardCell("1", is_given=True)), _cell(BoardCell("1", is_given=True, is_wrong=True))
    ('[1]', '[1*')
    """
    end = "*" if cell.is_wrong else "]" if cell.is_given else " "
    return f"{'[' if cell.is_given else ' '}{visible(cell.text)}{end}"
