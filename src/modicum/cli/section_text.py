"""Sections as plain text: sentences wrapped, tables in columns."""

import textwrap
from collections.abc import Sequence

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
    return "\n".join(filter(None, [visible(section.title), *said, *tables]))


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
