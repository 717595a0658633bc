"""Charts of readings: plain data drawn in the page's own hues, every text in it made safe."""

import math
from collections.abc import Sequence

from modicum.analysis.section import Plot, Point, Section, Series
from modicum.analysis.verdict import Verdict
from modicum.plain import JsonValue
from modicum.report.axes import SHARE_TICKS, SIZE, Layer, Palette, layered, marks
from modicum.report.drawing import HUES, INK, RULE, SHAPES, Chart, Key
from modicum.report.evidence import anchor
from modicum.report.untrusted import visible
from modicum.stats import Figure
from modicum.stats.written import percent, percents

__all__ = ["core_charts", "section_charts"]

ROW = 26
"""Height of a row in pixels."""
CURVE = 130
"""Height of a curve's plot."""
MARGIN = 0.06
"""Share of a logarithmic axis that is left free at either end."""
MOST_TICKS = 8
"""Ticks that have room on a logarithmic axis."""


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
    if plot.is_log:
        x = _logarithmic(
            x, [point.x for one in plot.series if not one.is_bound for point in one.points]
        )
    elif not is_named and all(float(str(value["x"])).is_integer() for value in values):
        x = x.axis(tickMinStep=1)
    y = _vertical(plot, 5)
    held, bounds = _parted(values)
    base = alt.Chart(alt.InlineData(held)).encode(x=x, color=alt.Color("color:N").scale(None))
    if is_named and _share_places(held):
        aside = alt.XOffset("series:N").sort(None)
        # marks of a line stand close to their place, lest its slope be another's
        aside = aside.scale(paddingOuter=2) if plot.mark == "line" else aside
        base = base.encode(xOffset=aside)
    layers = _bounded(bounds, x, y)
    if plot.mark == "bars":
        y = y if plot.are_shares else y.scale(zero=True)
        layers.append(base.mark_bar(opacity=0.8).encode(y=y, tooltip="tip:N"))
    if plot.mark == "line":
        layers.append(base.mark_line(strokeWidth=1.2, opacity=0.6).encode(y=y, detail="series:N"))
    if any("low" in value for value in held):
        bounded = base.transform_filter("isValid(datum.low)")
        rule = bounded.mark_rule(strokeWidth=1.4).encode(y=alt.Y("low:Q"), y2="high:Q")
        # on a bar of its own hue it would not be seen
        layers.append(rule.encode(color=alt.value(INK)) if plot.mark == "bars" else rule)
    return layers if plot.mark == "bars" else [*layers, marks(base, y)]


def _logarithmic(x: Layer, places: Sequence[str | float]) -> Layer:
    """Give a logarithmic axis: with the places themselves as ticks where they are few whole numbers."""
    found = sorted({float(place) for place in places})
    reach = (found[-1] / found[0]) ** MARGIN if found[-1] > found[0] else 2.0
    x = x.scale(type="log", domain=[found[0] / reach, found[-1] * reach], nice=False)
    is_count = all(place.is_integer() and place < 1e6 for place in found)
    if len(found) <= MOST_TICKS and is_count:
        return x.axis(values=found, format=",d")
    return x.axis(format="~s", tickCount=4)


def _vertical(plot: Plot, ticks: int) -> Layer:
    """Give the vertical axis: from 0 to 100 % where its values are shares."""
    import altair as alt

    y = alt.Y("y:Q").title(visible(plot.y))
    return (
        y.scale(domain=[0, 1]).axis(**SHARE_TICKS) if plot.are_shares else y.axis(tickCount=ticks)
    )


def _parted(
    values: Sequence[dict[str, JsonValue]],
) -> tuple[list[dict[str, JsonValue]], list[dict[str, JsonValue]]]:
    """Part the points of series from those of what they are held against."""
    bounds = [value for value in values if "end" in value]
    return [value for value in values if "end" not in value], bounds


def _share_places(values: Sequence[dict[str, JsonValue]]) -> bool:
    """Whether two series have a point at one place, and must stand beside each other there."""
    places = {(str(value["x"]), str(value["series"])) for value in values}
    return len({place for place, _ in places}) < len(places)


def _bounded(bounds: Sequence[dict[str, JsonValue]], x: Layer, y: Layer) -> list[Layer]:
    """Draw what series are held against as lines, each with its name at its end."""
    import altair as alt

    if not bounds:
        return []
    base = alt.Chart(alt.InlineData(list(bounds))).encode(
        x=x, y=y, color=alt.Color("color:N").scale(None)
    )
    dash = alt.StrokeDash("dash:N").scale(None)
    named = base.transform_filter("datum.end").encode(text="series:N")
    return [
        base.mark_line(strokeWidth=1.3).encode(strokeDash=dash, detail="series:N"),
        named.mark_text(align="right", baseline="bottom", dy=-4),
    ]


def _is_named(values: Sequence[dict[str, JsonValue]]) -> bool:
    return any(isinstance(value["x"], str) for value in values)


def _curve(plot: Plot, values: Sequence[dict[str, JsonValue]]) -> list[Layer]:
    import altair as alt

    x = alt.X("x:N").sort(None) if _is_named(values) else _steps(values)
    x, y = x.title(visible(plot.x)), _vertical(plot, 4)
    y = y if plot.are_shares else y.scale(zero=True)
    held, bounds = _parted(values)
    base = alt.Chart(alt.InlineData(held)).encode(
        x=x,
        y=y,
        color=alt.Color("color:N").scale(None),
        detail="series:N",
    )
    dash = alt.StrokeDash("dash:N").scale(None)
    return [
        *_bounded(bounds, x, y),
        base.mark_line(strokeWidth=1.5).encode(strokeDash=dash),
        base.mark_point(filled=True, size=14, opacity=1).encode(tooltip="tip:N"),
    ]


def _steps(values: Sequence[dict[str, JsonValue]]) -> Layer:
    """Give the axis of a curve's steps, with few ticks where their numbers are long."""
    import altair as alt

    longest = max(float(str(value["x"])) for value in values)
    x = alt.X("x:Q")
    return x.axis(tickMinStep=1, tickCount=4) if longest >= 1000 else x.axis(tickMinStep=1)


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
        is_bare = self._plot.mark == "curve" or self._series.is_bound
        shape = "none" if is_bare else self._shape
        return Key(
            name, self._hue, shape, dash=" ".join(map(str, self._dash)) if is_line else "none"
        )

    def values(self) -> list[dict[str, JsonValue]]:
        """Give the points that can be drawn."""
        drawn = [p for p in self._series.points if math.isfinite(p.y)]
        if not self._series.is_bound:
            return [self._value(point) for point in drawn]
        return [{**self._value(point), "end": point is drawn[-1]} for point in drawn]

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
