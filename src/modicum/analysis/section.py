"""A section: what a reading says, as plain values that terminal, report and JSON share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from modicum.analysis.board_strip import BoardStrip
from modicum.stats import Figure
from modicum.stats.written import (
    MISSING,
    amount,
    count,
    effect,
    figure,
    percent,
    percents,
    points,
)

__all__ = [
    "Cell",
    "Column",
    "Kind",
    "Listing",
    "Plot",
    "Point",
    "Section",
    "SectionRow",
    "SectionTable",
    "Series",
    "Value",
    "written",
]

Value: TypeAlias = str | float | Figure | None
"""A text, a number, a figure with its interval, or nothing."""
Cell: TypeAlias = str | float | Figure | tuple[str, ...] | None
"""A value, or ids of trials."""
Kind: TypeAlias = Literal["text", "share", "points", "point", "amount", "count", "effect", "trials"]
"""How the cells of a column are written: shares (`41 % [22, 63]`), differences of shares in points
(`12.0 [8.5, 15.5]`), the same without their interval, small numbers (`2.7`), counts (`1,200`), what a
gain amounts to (`helps`), links to trials. A text is written as it is in each of them."""


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    title: str
    kind: Kind = "text"
    """How its cells are written."""


@dataclass(frozen=True)
class SectionRow:
    """A row of a table."""

    cells: tuple[Cell, ...]
    """One for each column, the first one the row's name."""
    is_below: bool = False
    """Whether it belongs to the row above it, as a control does."""
    brief: str = ""
    """Its shorter name, for the terminal; the first cell where empty."""
    only: Literal["", "terminal", "report"] = ""
    """Where alone it stands; everywhere where empty."""


@dataclass(frozen=True)
class SectionTable:
    """A table; the terminal leaves out columns that say nothing, and links to trials."""

    name: str
    """What it is called where it is not seen."""
    columns: tuple[Column, ...]
    rows: tuple[SectionRow, ...]
    lead: str = ""
    """A sentence that stands above it."""
    note: str = ""
    """What a reader must know of its columns; stands below it in the report."""
    brief: Mapping[str, Column] = field(default_factory=dict)
    """The columns that the terminal shows, by their titles, in its order and with its own titles and
    ways of writing; all as they stand where empty."""

    def __post_init__(self) -> None:
        """Refuse rows of other lengths, and brief columns that there are none of.

        Raises:
            ValueError: found such.
        """
        odd = {len(row.cells) for row in self.rows} - {len(self.columns)}
        unknown = set(self.brief) - {column.title for column in self.columns}
        if odd or unknown or not self.columns:
            raise ValueError(
                f"table {self.name!r}: {len(self.columns)} columns, rows of {sorted(odd)}, "
                f"brief {sorted(unknown)}; expected a cell a column, and brief titles among theirs"
            )


@dataclass(frozen=True)
class Listing:
    """A titled list."""

    title: str
    items: tuple[str, ...]
    trials: tuple[str, ...] = ()
    """Ids of the trials that it speaks of."""
    is_folded: bool = False
    """Whether the report shows it only where it is asked for, the title with the number of items."""


@dataclass(frozen=True)
class Point:
    """A point of a series."""

    x: str | float
    """Its place: a name, or a number. All of a plot are of one kind."""
    y: float
    low: float | None = None
    """Lower end of its interval; None where it has none."""
    high: float | None = None
    said: str = ""
    """What stands beside it under a pointer; made of its figures where empty."""


@dataclass(frozen=True)
class Series:
    """Points of one colour."""

    name: str
    points: tuple[Point, ...]
    of: str = ""
    """The method of the study whose hue and shape they have; those of their place where empty."""
    shift: int = 0
    """Hues further on from that method's."""
    dash: tuple[int, ...] = ()
    """Of its line: pixels drawn, pixels left out; whole where empty."""
    is_bound: bool = False
    """Whether it is what others are held against, as a ceiling is: a line without marks, with its
    name at its end."""


@dataclass(frozen=True)
class Plot:
    """A chart as plain data; the report draws it, in its own colours and type."""

    name: str
    """Part of its anchor."""
    caption: str
    """What it shows, as a sentence."""
    description: str
    """What a reader who cannot see it should know."""
    x: str
    """Title of the horizontal axis."""
    y: str
    series: tuple[Series, ...]
    mark: Literal["points", "line", "bars", "curve", "rows"] = "points"
    """How points are drawn; a curve is a low line of many steps, rows lie one below the other with
    the numbers to the right, as changes about 0."""
    are_shares: bool = False
    """Whether the vertical axis reaches from 0 to 100 %, its values being shares."""
    is_log: bool = False
    """Whether the horizontal axis is logarithmic: places are numbers above 0."""

    def __post_init__(self) -> None:
        """Refuse places of both kinds, and those that a logarithmic axis does not have.

        Raises:
            ValueError: found such.
        """
        if len({isinstance(p.x, str) for s in self.series for p in s.points}) > 1:
            raise ValueError(f"plot {self.name!r}: names and numbers as places; expected one kind")
        places = [p.x for s in self.series for p in s.points]
        if self.is_log and any(isinstance(x, str) or not x > 0 for x in places):
            raise ValueError(f"plot {self.name!r}: logarithmic; expected numbers above 0 as places")


@dataclass(frozen=True)
class Section:
    """What a reading says of one subject."""

    title: str
    sentences: tuple[str, ...] = ()
    """Plain text; what a model wrote is escaped where it is shown."""
    trials: tuple[str, ...] = ()
    """Ids of the trials that the last sentence rests on."""
    lists: tuple[Listing, ...] = ()
    tables: tuple[SectionTable, ...] = ()
    charts: tuple[Plot, ...] = ()
    note: str = ""
    """What a reader must know; stands at its end in the report."""
    brief: str = ""
    """All of it in one line, for where the terminal has room for no more; empty where it has."""
    values: Mapping[str, Value] = field(default_factory=dict)
    """Figures for machines, by name."""
    is_core: bool = False
    """Whether its figures stand under keys of the verdict's own: JSON does not repeat them, and the
    terminal prints its tables alone, among the rungs."""
    strips: tuple[BoardStrip, ...] = ()
    """Boards side by side."""


_WAYS: Mapping[Kind, Callable[[float], str]] = {
    "points": points,
    "point": points,
    "amount": amount,
    "count": count,
}

_FIGURES: Mapping[Kind, Callable[[Figure], str]] = {
    "share": percents,
    "text": percents,
    "effect": effect,
    "point": lambda change: points(change.value),
}
"""Ways of those kinds whose figures are not written as their numbers are, with an interval."""


def written(cell: Cell, kind: Kind) -> str:
    """Write a cell as its column says.

    >>> written(Figure(0.5, 0.4, 0.6, 100), "share"), written(3, "count"), written(None, "share")
    ('50 % [40, 60]', '3', '–')
    """
    if cell is None:
        return MISSING
    if isinstance(cell, str):
        return cell
    if isinstance(cell, tuple):
        return " ".join(trial[:4] for trial in cell)
    way = _WAYS.get(kind, percent)
    if isinstance(cell, Figure):
        return _FIGURES[kind](cell) if kind in _FIGURES else figure(cell, way)
    return way(cell)
