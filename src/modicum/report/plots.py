"""Charts of readings: plain data drawn in the page's own hues, every text in it made safe."""

import math

from modicum.report.axes import Layer, layered
from modicum.report.drawing import HUES, SHAPES, Chart, Key
from modicum.report.evidence import anchor
from modicum.report.untrusted import visible
from modicum.section import Plot, Series
from modicum.stats import Figure
from modicum.stats.written import figure, share
from modicum.verdict import Verdict

__all__ = ["section_charts"]


def section_charts(verdict: Verdict) -> list[Chart]:
    """Give the charts of all sections, each with the name of its reading; those without points left out."""
    import altair

    # altair's own checks cost more than the drawing; the specs are constant but for data
    with altair.utils.schemapi.debug_mode(False):
        return [
            _chart(name, plot)
            for name, section in verdict.sections.items()
            for plot in section.charts
            if any(math.isfinite(point.y) for each in plot.series for point in each.points)
        ]


def _chart(owner: str, plot: Plot) -> Chart:
    """Give one chart; texts are data of the spec, and never its expressions."""
    return Chart(
        f"{anchor(owner)}-{anchor(plot.name)}",
        plot.caption,
        plot.description,
        layered(_layers(plot)),
        tuple(
            Key(
                visible(each.name),
                _hue(i),
                _shape(plot, i),
                dash="" if plot.mark == "line" else "none",
            )
            for i, each in enumerate(plot.series)
        ),
        owner,
    )


def _layers(plot: Plot) -> list[Layer]:
    import altair as alt

    values = [value for i, each in enumerate(plot.series) for value in _values(plot, each, i)]
    is_named = plot.mark == "bars" or any(isinstance(value["x"], str) for value in values)
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
    if plot.mark != "bars":
        points = base.mark_point(filled=True, size=46, opacity=1)
        shape = alt.Shape("shape:N").scale(None)
        layers.append(points.encode(y=y, shape=shape, tooltip="tip:N"))
    return layers


def _values(plot: Plot, series: Series, place: int) -> list[dict[str, str | float]]:
    found = []
    for point in series.points:
        if not math.isfinite(point.y):
            continue
        where = visible(point.x) if isinstance(point.x, str) else point.x
        low, high = point.low, point.high
        ends: dict[str, float] = {}
        if low is not None and high is not None and math.isfinite(low) and math.isfinite(high):
            ends = {"low": low, "high": high}
        said = figure(Figure(point.y, ends["low"], ends["high"], 0)) if ends else share(point.y)
        value: dict[str, str | float] = {
            "x": where,
            "y": point.y,
            "series": visible(series.name),
            "color": _hue(place),
            "shape": _shape(plot, place),
            "tip": f"{visible(series.name)}\n{where}: {said}",
        }
        found.append({**value, **ends})
    return found


def _hue(place: int) -> str:
    return f"var(--m{place % HUES})"


def _shape(plot: Plot, place: int) -> str:
    return "square" if plot.mark == "bars" else SHAPES[place % len(SHAPES)]
