"""Retention: the change on abilities that a nudge did not target, in points."""

import math

from modicum.report import words
from modicum.report.axes import Palette, layered, marks
from modicum.report.drawing import RULE, Chart
from modicum.verdict import Verdict

__all__ = ["retention_chart"]

ROW = 26
"""Height of a line in pixels."""


def retention_chart(verdict: Verdict, palette: Palette) -> Chart | None:
    """Gives the chart, a line a rung and retained task; None where no task was retained."""
    import altair as alt

    tasks = {kept.task for row in verdict.rungs for kept in row.retention}
    values = [
        {
            "rung": row.name if len(tasks) == 1 else f"{row.name}, {kept.task}",
            "tip": f"{row.name}\n{kept.task} {words.damage_figure(kept.damage)} points",
            "points": 100 * kept.damage.value,
            "low": 100 * kept.damage.low,
            "high": 100 * kept.damage.high,
            "color": palette.color(row.method),
            "shape": palette.shape(row.method),
        }
        for row in verdict.rungs
        for kept in row.retention
        if all(map(math.isfinite, (kept.damage.low, kept.damage.high)))
    ]
    if not values:
        return None
    reach = 1.08 * max(1.0, *(abs(float(str(v[end]))) for v in values for end in ("low", "high")))
    y = alt.Y("rung:N").sort(None).title(None).axis(grid=True)
    x = alt.X("points:Q").title("change in points of accuracy")
    x = x.scale(domain=[-reach, reach], nice=False).axis(tickCount=5)
    base = alt.Chart(alt.InlineData(values)).encode(y=y, color=alt.Color("color:N").scale(None))
    zero = alt.Chart(alt.InlineData([{"points": 0}]))
    layers = [
        zero.mark_rule(color=RULE).encode(x="points:Q"),
        base.mark_rule(strokeWidth=1.4).encode(x=alt.X("low:Q"), x2="high:Q"),
        marks(base.encode(x=x), y),
    ]
    worst = min(values, key=lambda v: float(str(v["points"])))
    return Chart(
        "retention",
        "Retention: change on abilities that the nudge did not target, with 95 % intervals.",
        f"The largest loss stands at {worst['rung']}. The rungs table holds every figure.",
        layered(layers, height=max(2, len(values)) * ROW),
    )
