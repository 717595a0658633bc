"""Sections on the page: sentences, tables and charts of readings, all of it escaped."""

from collections.abc import Sequence

from modicum.analysis.section import (
    Cell,
    Column,
    Listing,
    Section,
    SectionRow,
    SectionTable,
    written,
)
from modicum.analysis.verdict import Verdict
from modicum.report.board_strip import drawn_strip
from modicum.report.drawing import Chart, draw
from modicum.report.evidence import cited
from modicum.report.markup import Markup, element, join
from modicum.report.tables import scrolled

__all__ = ["alone", "core", "others"]


def core(verdict: Verdict, name: str) -> Markup:
    """Give one of the verdict's own sections; nothing where there is none."""
    section = verdict.sections.get(name)
    return Markup("") if section is None else _section(section, "")


def others(verdict: Verdict, drawn: Sequence[Chart], anchor: str, subject: str) -> Markup:
    """Give what readings of their own trials, or of other packages, say.

    Args:
        verdict: What to show.
        drawn: Charts of all of its sections, as `plots.section_charts` names them.
        anchor: The subject's anchor.
        subject: Task and model as JSON.
    """
    said = []
    for name, section in verdict.sections.items():
        if not section.is_core:
            own = [draw(c, anchor, subject) for c in drawn if c.owner == name]
            figures = element("div", *own, class_="charts") if own else Markup("")
            said.append(_section(section, figures))
    return join(said)


def alone(section: Section, figures: str) -> Markup:
    """Give a section that belongs to no verdict, with its figures drawn."""
    return _section(section, figures)


def _section(section: Section, figures: str) -> Markup:
    """Give a section, or nothing where all that it says is for the terminal."""
    tables = [_table(table) for table in section.tables]
    lists = map(_listed, section.lists)
    strips = map(drawn_strip, section.strips)
    body = [part for part in (*_sentences(section), *lists, figures, *strips, *tables) if part]
    if not body:
        return Markup("")
    note = [element("p", section.note, class_="note")] if section.note else []
    return join([element("h3", section.title), *body, *note])


def _sentences(section: Section) -> list[Markup]:
    """Give the sentences, the last one with links to the trials that it rests on."""
    *first, last = section.sentences or ("",)
    links = cited(section.trials, "trial" if len(section.trials) == 1 else "trials")
    parts = [f"{last} ", links] if links else [last]
    return [element("p", sentence) for sentence in first] + [element("p", *parts)] * bool(last)


def _listed(listing: Listing) -> Markup:
    if listing.is_folded:
        summary = element("summary", f"{listing.title}: {len(listing.items)}")
        return element("details", summary, element("p", ", ".join(listing.items)), class_="small")
    links = cited(listing.trials, "trial" if len(listing.trials) == 1 else "trials")
    name = element("p", element("b", listing.title), " ", links)
    return element("div", name, element("ul", *(element("li", item) for item in listing.items)))


def _table(table: SectionTable) -> Markup:
    """Give a table, rows that belong to others below them; nothing where there are no rows."""
    rows = [row for row in table.rows if row.only != "terminal"]
    if not rows:
        return Markup("")
    groups: list[list[Markup]] = []
    is_grouped = any(row.is_below for row in rows)
    for row in rows:
        if not groups or (is_grouped and not row.is_below):
            groups.append([])
        groups[-1].append(_row(row, table.columns))
    bodies = [element("tbody", *group) for group in groups]
    whole = element("table", _head(table.columns), *bodies, class_="rungs" if is_grouped else None)
    lead = element("p", table.lead) if table.lead else ""
    note = element("p", table.note, class_="note") if table.note else ""
    return join([lead, scrolled(whole, table.name), note])


def _head(columns: Sequence[Column]) -> Markup:
    cells = (
        element("th", column.title, scope="col", class_="figure" if i else None)
        for i, column in enumerate(columns)
    )
    return element("thead", element("tr", *cells))


def _row(row: SectionRow, columns: Sequence[Column]) -> Markup:
    first, *rest = zip(row.cells, columns, strict=True)
    name = written(first[0], first[1].kind)
    return element(
        "tr",
        element("th", name, scope="row", class_=None if row.is_below else "id"),
        *(_cell(cell, column) for cell, column in rest),
        class_="control" if row.is_below else None,
    )


def _cell(cell: Cell, column: Column) -> Markup:
    is_words = column.kind == "text" and not isinstance(cell, str)
    said = cited(cell) if isinstance(cell, tuple) else written(cell, column.kind)
    return element("td", said, class_=None if is_words else "figure")
