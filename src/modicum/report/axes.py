"""Parts that every chart is built from: hues of methods, marks, ticks, the layered spec."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from modicum.analysis.printed import method_name
from modicum.analysis.verdict import RungRow, Verdict
from modicum.plain import JsonValue
from modicum.report.drawing import HUES, SHAPES, Key
from modicum.stats import Figure

__all__ = [
    "GAP_TICKS",
    "SHARE_TICKS",
    "SIZE",
    "Layer",
    "Palette",
    "clipped",
    "drawn_gap",
    "gap_domain",
    "layered",
    "marks",
    "method_keys",
    "tick_names",
]

Layer: TypeAlias = Any
"""A chart or channel of altair, whose own types are not exact."""
SIZE = (384, 232)
"""Width and height of a plot in pixels; the page shrinks it where its column is narrower."""
SHOWN = (-0.5, 1.5)
"""Shares of the gap beyond these are drawn at the edge; the tables are never clipped."""
GAP_TICKS: Mapping[str, Any] = {
    "values": [-0.5, 0, 0.25, 0.5, 0.75, 1, 1.5],
    "labelExpr": "datum.value == 0 ? 'floor 0 %' : datum.value == 1 ? 'ceiling 100 %'"
    " : format(100 * datum.value, '.0f') + ' %'",
}
"""Vertical axis of the share of the gap, with names for its two ends."""
SHARE_TICKS: Mapping[str, Any] = {
    "values": [0, 0.25, 0.5, 0.75, 1],
    "labelExpr": "format(100 * datum.value, '.0f') + ' %'",
}
"""Vertical axis of an accuracy."""


@dataclass(frozen=True)
class Palette:
    """One hue and one shape a method, the same on the whole page."""

    methods: tuple[str, ...]
    """In order of appearance."""

    @staticmethod
    def of(verdicts: Iterable[Verdict]) -> "Palette":
        """Return the palette of a report's methods in order of appearance."""
        return Palette(tuple(dict.fromkeys(r.method for v in verdicts for r in v.rungs)))

    def color(self, method: str) -> str:
        """Name the hue of a method, as a variable of the style sheet."""
        return f"var(--m{self.methods.index(method) % HUES})"

    def shape(self, method: str) -> str:
        """Name the shape of a method."""
        return SHAPES[self.methods.index(method) % len(SHAPES)]


def drawn_gap(row: RungRow) -> Figure | None:
    """Place a rung on the axis of the gap: the ceiling itself at its end, without an interval."""
    if row.is_ceiling:
        return Figure(1.0, 1.0, 1.0, row.score.n)
    return row.gap_recovered


def clipped(figure: Figure) -> Figure:
    """Return a figure whose ends stay within what a chart of the gap shows."""
    low, high = SHOWN
    ends = (figure.value, figure.low, figure.high)
    # a NaN would make every coordinate of the picture NaN
    value, bottom, top = (low if math.isnan(e) else min(max(e, low), high) for e in ends)
    return Figure(value, bottom, top, figure.n)


def gap_domain(figures: Iterable[Figure], *, edge: float = 0.08) -> list[float]:
    """Return the vertical domain that shows 0, 1 and every interval."""
    ends = [end for figure in figures for end in (figure.low, figure.high)]
    return [min(-edge, *ends), max(1 + edge, *ends)]


def layered(layers: Sequence[Layer], *, height: int = SIZE[1]) -> dict[str, JsonValue]:
    """Return the Vega-Lite spec of layers.

    The schema is not checked, for that takes longer than the drawing.
    """
    import altair as alt

    spec: dict[str, JsonValue] = (
        alt.layer(*layers).properties(width=SIZE[0], height=height).to_dict(validate=False)
    )
    return spec


def marks(base: Layer, y: Layer, *, filled: bool = True, size: Layer = None) -> Layer:
    """Return points shaped by the field `shape` that say the field `tip` under a pointer."""
    import altair as alt

    mark = base.mark_point(filled=filled, size=46, opacity=1, strokeWidth=1.3)
    given = {"size": size} if size is not None else {}
    return mark.encode(y=y, shape=alt.Shape("shape:N").scale(None), tooltip="tip:N", **given)


def method_keys(rows: Iterable[RungRow], palette: Palette, *, dash: str = "") -> tuple[Key, ...]:
    """Return the legend of the methods of some rungs."""
    methods = dict.fromkeys(row.method for row in rows)
    return tuple(
        Key(method_name(m), palette.color(m), palette.shape(m), dash=dash) for m in methods
    )


def tick_names(at: Sequence[float], names: Sequence[str]) -> str:
    """Return an expression that names ticks by their place.

    Args:
        at: Places on the axis.
        names: Digits only; they stand inside of an expression.
    """
    pairs = [
        f"abs(datum.value - {place}) < 1e-6 ? '{name}'"
        for place, name in zip(at, names, strict=True)
    ]
    return " : ".join([*pairs, "''"])
