"""Pictures of a study of scale: loss by text, loss by FLOPs of training, gain from thinking by shift."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from modicum.analysis.scale_groups import Group
from modicum.analysis.scale_section import ScaleFindings
from modicum.plain import JsonValue
from modicum.report.axes import Layer, layered, marks
from modicum.report.drawing import HUES, RULE, SHAPES, Chart, Key
from modicum.report.untrusted import visible
from modicum.stats import Figure
from modicum.stats.written import count, figure, flops, nats

__all__ = ["scale_charts"]

_MOST_SERIES = 16
"""Series of a picture at most; more are left to the table."""
_MARGIN = 0.06


@dataclass(frozen=True)
class _Dot:
    """A point of a series."""

    series: str
    x: float
    at: str
    """Its place in words."""
    y: Figure


def scale_charts(found: ScaleFindings) -> list[Chart]:
    """Return the pictures for which there are at least two places."""
    losses = [
        (group, figures[0])
        for group, figures in zip(found.fits.groups, found.fits.losses, strict=True)
        if 0 in figures
    ]
    by_text = [
        _Dot(group.net, group.first.cell.tokens, count(group.first.cell.tokens), y)
        for group, y in losses
    ]
    by_flops = [
        _Dot(group.net, group.first.training_flops, flops(group.first.training_flops), y)
        for group, y in losses
    ]
    charts = [
        _losses("data", "Loss by different characters that were learned from.", by_text),
        _losses("flops", "Loss by operations of training.", by_flops, "FLOPs of training"),
        _gains(found),
    ]
    return [chart for chart in charts if chart is not None]


def _losses(
    name: str, caption: str, dots: Sequence[_Dot], x: str = "characters learned from"
) -> Chart | None:
    """Return losses on two logarithmic axes, where a power law without an offset is a line."""
    import altair as alt

    places = [dot.x for dot in dots]
    if len(set(places)) < 2:
        return None
    across = alt.X("x:Q").title(x).scale(type="log", domain=_ends(places), nice=False)
    ticks = sorted(set(places))
    # text comes in few amounts, which are worth a tick each; costs do not
    across = across.axis(format="~s", **({"values": ticks} if name == "data" else {"tickCount": 4}))
    ends = [end for dot in dots for end in (dot.y.low, dot.y.value, dot.y.high)]
    known = [end for end in ends if 0 < end < math.inf]
    up = alt.Y("y:Q").title("nats a character")
    up = up.scale(type="log", domain=_ends(known), nice=False).axis(tickCount=5)
    low, high = _ends(known)
    return _chart((f"loss-{name}", caption), dots, across, up, (low, high))


def _gains(found: ScaleFindings) -> Chart | None:
    """Return gains over the fewest trained steps by distance: one candidate, most text, largest nets."""
    import altair as alt

    largest = _largest(found)
    most = max((one.tokens for one in found.gains), default=0)
    dots = [
        _Dot(
            f"{one.net}, {count(one.steps, 'step')}",
            one.distance,
            f"distance {one.distance}",
            one.gain,
        )
        for one in found.gains
        if (one.tokens, one.over, one.candidates) == (most, "fewest trained", 1)
        and one.net in largest
    ]
    if not dots:
        return None
    across = alt.X("x:Q").title("distance of the shift").axis(tickMinStep=1)
    across = across.scale(domain=[-0.2, max(dot.x for dot in dots) + 0.2], nice=False)
    up = alt.Y("y:Q").title("nats a character saved").axis(tickCount=5)
    said = (
        "gain",
        "What other numbers of steps save over the fewest trained, by distance: the largest net of each "
        "kind, one candidate. The tables hold every figure.",
    )
    zero = alt.Chart(alt.InlineData([{"y": 0}])).mark_rule(color=RULE).encode(y="y:Q")
    return _chart(said, dots, across, up, (-math.inf, math.inf), before=[zero])


def _largest(found: ScaleFindings) -> set[str]:
    """Return of each kind and recipe the net with most parameters."""
    largest: dict[str, Group] = {}
    for group in found.fits.groups:
        known = largest.setdefault(group.first.cell.family, group)
        if group.first.parameters > known.first.parameters:
            largest[group.first.cell.family] = group
    return {group.net for group in largest.values()}


def _chart(
    said: tuple[str, str],
    dots: Sequence[_Dot],
    across: Layer,
    up: Layer,
    ends: tuple[float, float],
    before: Iterable[Layer] = (),
) -> Chart:
    """Return series as lines with marks and intervals.

    Args:
        said: Name and caption.
        dots: What is drawn.
        across: The horizontal channel.
        up: The vertical one.
        ends: Between which intervals are cut off, as the axis has them.
        before: Layers below all others.
    """
    import altair as alt

    names = list(dict.fromkeys(dot.series for dot in dots))[:_MOST_SERIES]
    values = [_value(dot, names.index(dot.series), ends) for dot in dots if dot.series in names]
    base = alt.Chart(alt.InlineData(values)).encode(
        x=across, color=alt.Color("color:N").scale(None), detail="series:N"
    )
    bounded = base.transform_filter("isValid(datum.low)")
    layers = [
        *before,
        base.mark_line(strokeWidth=1.2, opacity=0.6).encode(y=up),
        bounded.mark_rule(strokeWidth=1.4).encode(y=alt.Y("low:Q"), y2="high:Q"),
        marks(base, up),
    ]
    keys = tuple(Key(visible(name), _hue(i), _shape(i)) for i, name in enumerate(names))
    left = len({dot.series for dot in dots}) - len(names)
    more = f" {count(left, 'further series', 'further series')} in the table." if left else ""
    return Chart(said[0], said[1], f"A table of every figure follows.{more}", layered(layers), keys)


def _value(dot: _Dot, place: int, ends: tuple[float, float]) -> dict[str, JsonValue]:
    low, high = max(dot.y.low, ends[0]), min(dot.y.high, ends[1])
    bounds: dict[str, JsonValue] = {"low": low, "high": high} if math.isfinite(low + high) else {}
    return {
        "x": dot.x,
        "y": dot.y.value,
        "series": visible(dot.series),
        "color": _hue(place),
        "shape": _shape(place),
        "tip": visible(f"{dot.series}, {dot.at}: {figure(dot.y, nats)}"),
        **bounds,
    }


def _hue(place: int) -> str:
    return f"var(--m{place % HUES})"


def _shape(place: int) -> str:
    return SHAPES[(place // HUES + place) % len(SHAPES)]


def _ends(values: Sequence[float]) -> list[float]:
    """Return the ends of a logarithmic axis with a margin.

    >>> [round(end, 2) for end in _ends([1.0, 100.0])]
    [0.76, 131.83]
    """
    low, high = min(values), max(values)
    reach = (high / low) ** _MARGIN if high > low else 1.1
    return [low / reach, high * reach]
