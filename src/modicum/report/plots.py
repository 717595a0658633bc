"""Charts of readings: plain data drawn in the page's own hues, every text in it made safe."""

import math
from collections.abc import Sequence

from modicum.analysis.section import Plot, Point, Section, Series
from modicum.analysis.verdict import Verdict
from modicum.plain import JsonValue
from modicum.report.axes import SIZE, Layer, Palette, layered, marks
from modicum.report.drawing import HUES, RULE, SHAPES, Chart, Key
from modicum.report.evidence import anchor
from modicum.report.untrusted import visible
from modicum.stats import Figure
from modicum.stats.written import percent, percents

__all__ = ["core_charts", "section_charts"]

ROW = 26
"""Height of a row in pixels."""
CURVE = 130
"""Height of a curve's plot."""


def core_charts(verdict: Verdict, name: str, palette: Palette) -> list[Chart]:
    """Give the charts of one of the verdict's own sections; they stand among its figures."""
    section = verdict.sections.get(name)
    return [] if section is None else _charts(section, "", palette)


def section_charts(verdict: Verdict, palette: Palette) -> list[Chart]:
    """Give the charts of all other sections, each with the name of its reading."""
    return [
        chart
        for name, section in verdict.sections.items()
        if not section.is_core
        for chart in _charts(section, name, palette)
    ]


def _charts(section: Section, owner: str, palette: Palette) -> list[Chart]:
    """Give the charts that have a point; texts are data of their specs, and never expressions."""
    charts = []
    for plot in section.charts:
        looks = [_Look(plot, series, place, palette) for place, series in enumerate(plot.series)]
        values = [value for look in looks for value in look.values()]
        if values:
            name = f"{anchor(owner)}-{anchor(plot.name)}" if owner else anchor(plot.name)
            keys = () if plot.mark == "rows" else tuple(look.key() for look in looks)
            spec = layered(_layers(plot, values), height=_height(plot, len(values)))
            charts.append(Chart(name, plot.caption, plot.description, spec, keys, owner))
    return charts


def _height(plot: Plot, n: int) -> int:
    if plot.mark == "rows":
        return max(2, n) * ROW
    return CURVE if plot.mark == "curve" else SIZE[1]


def _layers(plot: Plot, values: Sequence[dict[str, JsonValue]]) -> list[Layer]:
    if plot.mark == "rows":
        return _rows(plot, values)
    if plot.mark == "curve":
        return _curve(plot, values)
    return _points(plot, values)


def _points(plot: Plot, values: Sequence[dict[str, JsonValue]]) -> list[Layer]:
    import altair as alt

    is_named = plot.mark == "bars" or _is_named(values)
    x = alt.X("x:N" if is_named else "x:Q").title(visible(plot.x))
    x = x.sort(None).axis(labelAngle=0) if is_named else x
    y = alt.Y("y:Q").title(visible(plot.y)).axis(tickCount=5)
    base = alt.Chart(alt.InlineData(values)).encode(x=x, color=alt.Color("color:N").scale(None))
    if is_named and len(plot.series) > 1:
        base = base.encode(xOffset=alt.XOffset("series:N").sort(None))
    layers = []
    if plot.mark == "bars":
        layers.append(base.mark_bar(opacity=0.8).encode(y=y.scale(zero=True), tooltip="tip:N"))
    if plot.mark == "line":
        layers.append(base.mark_line(strokeWidth=1.2, opacity=0.6).encode(y=y, detail="series:N"))
    if any("low" in value for value in values):
        bounded = base.transform_filter("isValid(datum.low)")
        layers.append(bounded.mark_rule(strokeWidth=1.4).encode(y=alt.Y("low:Q"), y2="high:Q"))
    return layers if plot.mark == "bars" else [*layers, marks(base, y)]


def _is_named(values: Sequence[dict[str, JsonValue]]) -> bool:
    return any(isinstance(value["x"], str) for value in values)


def _curve(plot: Plot, values: Sequence[dict[str, JsonValue]]) -> list[Layer]:
    import altair as alt

    x = alt.X("x:N").sort(None) if _is_named(values) else alt.X("x:Q").axis(tickMinStep=1)
    base = alt.Chart(alt.InlineData(values)).encode(
        x=x.title(visible(plot.x)),
        y=alt.Y("y:Q").title(visible(plot.y)).scale(zero=True).axis(tickCount=4),
        color=alt.Color("color:N").scale(None),
        detail="series:N",
    )
    dash = alt.StrokeDash("dash:N").scale(None)
    return [
        base.mark_line(strokeWidth=1.5).encode(strokeDash=dash),
        base.mark_point(filled=True, size=14, opacity=1).encode(tooltip="tip:N"),
    ]


def _rows(plot: Plot, values: Sequence[dict[str, JsonValue]]) -> list[Layer]:
    import altair as alt

    ends = [float(str(v[end])) for v in values for end in ("low", "y", "high") if end in v]
    reach = 1.08 * max(1.0, *map(abs, ends))
    y = alt.Y("x:N").sort(None).title(visible(plot.x) or None).axis(grid=True)
    x = alt.X("y:Q").title(visible(plot.y))
    x = x.scale(domain=[-reach, reach], nice=False).axis(tickCount=5)
    base = alt.Chart(alt.InlineData(values)).encode(y=y, color=alt.Color("color:N").scale(None))
    zero = alt.Chart(alt.InlineData([{"y": 0}]))
    bounded = base.transform_filter("isValid(datum.low)")
    return [
        zero.mark_rule(color=RULE).encode(x="y:Q"),
        bounded.mark_rule(strokeWidth=1.4).encode(x=alt.X("low:Q"), x2="high:Q"),
        marks(base.encode(x=x), y),
    ]


class _Look:
    """How one series looks, and its points as values of a spec."""

    def __init__(self, plot: Plot, series: Series, place: int, palette: Palette) -> None:
        self._plot, self._series = plot, series
        is_method = series.of in palette.methods
        at = palette.methods.index(series.of) if is_method else place
        self._hue = f"var(--m{(at + series.shift) % HUES})"
        self._shape = "square" if plot.mark == "bars" else SHAPES[at % len(SHAPES)]
        self._dash = series.dash or (1, 0)

    def key(self) -> Key:
        """Give its entry of the legend."""
        name, is_line = visible(self._series.name), self._plot.mark in ("line", "curve")
        shape = "none" if self._plot.mark == "curve" else self._shape
        return Key(
            name, self._hue, shape, dash=" ".join(map(str, self._dash)) if is_line else "none"
        )

    def values(self) -> list[dict[str, JsonValue]]:
        """Give the points that can be drawn."""
        return [self._value(p) for p in self._series.points if math.isfinite(p.y)]

    def _value(self, point: Point) -> dict[str, JsonValue]:
        name, low, high = visible(self._series.name), point.low, point.high
        x = visible(point.x) if isinstance(point.x, str) else point.x
        is_bounded = low is not None and high is not None and math.isfinite(low + high)
        interval: dict[str, JsonValue] = {"low": low, "high": high} if is_bounded else {}
        rung: dict[str, JsonValue] = {"rung": name} if self._series.of else {}
        return {
            "x": x,
            "y": point.y,
            "series": name,
            "color": self._hue,
            "shape": self._shape,
            "dash": list(self._dash),
            "tip": "\n".join(map(visible, self._said(point).split("\n"))),
            **interval,
            **rung,
        }

    def _said(self, point: Point) -> str:
        if point.said:
            return point.said
        if self._plot.mark == "curve":
            where = f"{self._plot.x} {point.x}\n{self._plot.y}"
            return f"{self._series.name}\n{where} {point.y:.2f}"
        if point.low is None or point.high is None:
            return f"{self._series.name}\n{point.x}: {percent(point.y)}"
        return (
            f"{self._series.name}\n{point.x}: {percents(Figure(point.y, point.low, point.high, 0))}"
        )
