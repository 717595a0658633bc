"""What one answer costs against the gap it recovers, labels beside each point."""

import math

from modicum.analysis.printed import data_text, method_name
from modicum.analysis.verdict import RungRow, Verdict
from modicum.plain import JsonValue
from modicum.report import words
from modicum.report.axes import (
    GAP_TICKS,
    SHARE_TICKS,
    Layer,
    Palette,
    clipped,
    drawn_gap,
    gap_domain,
    layered,
    marks,
    method_keys,
)
from modicum.report.drawing import INK, RULE, Chart
from modicum.stats import Figure

__all__ = ["cost_chart"]


def cost_chart(verdict: Verdict, palette: Palette, floor_serving: float | None) -> Chart | None:
    """Return the chart, or None where no rung has a cost; accuracy where no gap is defined.

    Args:
        verdict: What to show.
        palette: Hues of the methods.
        floor_serving: FLOPs a query of the floor; None where not known.
    """
    has_gap = any(row.gap_recovered is not None or row.is_ceiling for row in verdict.rungs)
    read = [(row, drawn_gap(row) if has_gap else row.score) for row in verdict.rungs]
    shown = [
        (row, clipped(figure))
        for row, figure in read
        if figure is not None
        and row.serving_flops > 0
        and math.isfinite(figure.value)
        # a prompt is the floor, which is drawn by itself
        and not (row.is_prompt and floor_serving is not None)
    ]
    if not shown:
        return None
    floor = None
    if floor_serving is not None:
        floor = (floor_serving, 0.0 if has_gap else verdict.floor.value)
    what = "the share of the gap" if has_gap else "accuracy, for there is no gap to close"
    return Chart(
        "cost",
        f"Cost of one answer against {what}. The size of a point, and the number beside it, is its "
        "labels; methods on the stepped line are the best for their cost; bars are 95 % intervals.",
        "The table of methods holds each method's cost per answer, labels and share of the gap.",
        layered(_layers(shown, palette, floor, has_gap=has_gap)),
        method_keys([row for row, _ in shown], palette, dash="none"),
    )


def _layers(
    shown: list[tuple[RungRow, Figure]],
    palette: Palette,
    floor: tuple[float, float] | None,
    *,
    has_gap: bool,
) -> list[Layer]:
    import altair as alt

    values = _joined([_row(row, figure, palette) for row, figure in shown])
    flops = [row.serving_flops for row, _ in shown] + ([floor[0]] if floor else [])
    x = alt.X("flops:Q").title("cost per answer in FLOP (log scale)")
    x = x.scale(type="log", domain=[min(flops) / 1.6, max(flops) * 1.6], nice=False)
    x = x.axis(format="~s", tickCount=4)
    y = alt.Y("gap:Q").title("share of the gap" if has_gap else "correct")
    y = y.axis(**(GAP_TICKS if has_gap else SHARE_TICKS))
    domain = gap_domain((figure for _, figure in shown), edge=0.08 if has_gap else 0.02)
    y = y.scale(domain=domain, nice=False)
    base = alt.Chart(alt.InlineData(values)).encode(x=x, color=alt.Color("color:N").scale(None))
    best = alt.Chart(alt.InlineData(_front(shown, floor))).encode(x=x, y=y)
    layers = [
        best.mark_line(interpolate="step-after", color=RULE, strokeWidth=1.2),
        base.mark_rule(strokeWidth=1.1, opacity=0.75).encode(y=alt.Y("low:Q"), y2="high:Q"),
        marks(base, y, size=alt.Size("size:Q").scale(None)),
        base.transform_filter("!datum.is_crowded")
        .mark_text(align="left", dx=9, dy=1)
        .encode(y=y, text="labels:N"),
        base.transform_filter("datum.is_crowded")
        .mark_text(align="right", dx=-9, dy=1)
        .encode(y=y, text="labels:N"),
    ]
    if floor is not None:
        there = alt.Chart(alt.InlineData([{"flops": floor[0], "gap": floor[1], "t": "floor"}]))
        there = there.encode(x=x, y=y)
        layers.append(there.mark_point(size=60, color=INK, strokeWidth=1.4, opacity=1))
        layers.append(there.mark_text(align="left", dx=9, dy=-8).encode(text="t:N"))
    return layers


def _front(
    shown: list[tuple[RungRow, Figure]], floor: tuple[float, float] | None
) -> list[dict[str, float]]:
    """Return the points that nothing cheaper, or as cheap, is above."""
    points = [(row.serving_flops, figure.value) for row, figure in shown]
    points += [floor] if floor is not None else []
    front: list[dict[str, float]] = []
    for flops, gap in sorted(points, key=lambda p: (p[0], -p[1])):
        if not front or gap > front[-1]["gap"]:
            front.append({"flops": flops, "gap": gap})
    return front


def _joined(values: list[dict[str, JsonValue]]) -> list[dict[str, JsonValue]]:
    """Keep numbers apart: those of one method's points that lie on each other stand in a row."""
    for i, value in enumerate(values):
        for other in values[:i]:
            is_near = abs(math.log(_number(other, "flops") / _number(value, "flops"))) < 0.03
            is_level = abs(_number(other, "gap") - _number(value, "gap")) < 0.05
            if is_near and is_level and other["color"] == value["color"] and other["labels"]:
                other["labels"] = f"{other['labels']}, {value['labels']}"
                value["labels"] = ""
                break
    # where a mark stands close at the right, the number goes to the left
    for value in values:
        value["is_crowded"] = any(
            0 < math.log(_number(other, "flops") / _number(value, "flops")) < 0.3
            and abs(_number(other, "gap") - _number(value, "gap")) < 0.1
            for other in values
            if other["color"] != value["color"]
        )
    return values


def _number(value: dict[str, JsonValue], name: str) -> float:
    return float(str(value[name]))


def _row(row: RungRow, figure: Figure, palette: Palette) -> dict[str, JsonValue]:
    labels = data_text(row.labels, row.unlabelled)
    said = f"is the ceiling, gain {words.gain(row)}" if row.is_ceiling else words.percents(figure)
    return {
        "rung": row.name,
        "tip": f"{method_name(row.name)}\n{said}\n{labels}\n{words.flops(row.serving_flops)} per answer",
        "flops": row.serving_flops,
        "gap": figure.value,
        "low": figure.low,
        "high": figure.high,
        "color": palette.color(row.method),
        "shape": palette.shape(row.method),
        "labels": str(row.labels),
        "size": 40 + 25 * math.log2(1 + row.labels),
    }
