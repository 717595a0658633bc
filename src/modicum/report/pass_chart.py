"""Pass@k of plain sampling, with the curves of its two nulls."""

import math

from modicum.report import words
from modicum.report.axes import Layer, layered, tick_names
from modicum.report.drawing import INK, QUIET, RULE, Chart, Key
from modicum.verdict import Ceiling, Verdict

__all__ = ["pass_chart"]

_LUCK, _NEAR_MISS = "var(--m1)", "var(--m3)"
_DASHES: dict[str, list[float]] = {"pass@k": [1, 0], "luck": [5, 3], "near miss": [1.5, 3]}


def pass_chart(verdict: Verdict) -> Chart | None:
    """Gives the chart, or None where nothing was sampled."""
    curve = verdict.curve
    if not curve.ks:
        return None
    ceiling = verdict.ceiling
    is_read = ceiling is not None and ceiling.source == "sampling"
    said = f" The ceiling is read at k = {ceiling.k}." if ceiling is not None and is_read else ""
    keys = (
        Key("pass@k", INK),
        Key("luck: another problem's gold", _LUCK, "none", dash="5 3"),
        Key("near miss: a wrong answer", _NEAR_MISS, "none", dash="1.5 3"),
    )
    return Chart(
        "pass",
        f"Pass@k of plain sampling, with both ways of guessing.{said}",
        f"At k = {curve.ks[-1]} pass@k is {words.share(curve.pass_k[-1])} and luck "
        f"{words.share(curve.luck[-1])}. A table of these figures follows.",
        layered([*(_ceiling(ceiling) if ceiling and is_read else []), *_layers(verdict)]),
        keys,
    )


def _layers(verdict: Verdict) -> list[Layer]:
    import altair as alt

    curve = verdict.curve
    series = (
        ("pass@k", INK, curve.pass_k),
        ("luck", _LUCK, curve.luck),
        ("near miss", _NEAR_MISS, curve.near_miss),
    )
    values = [
        {"k": math.log2(k), "share": v, "series": name, "color": color, "dash": _DASHES[name]}
        for name, color, shares in series
        # the near-miss null is shorter: it needs half of the samples
        for k, v in zip(curve.ks, shares, strict=False)
        if math.isfinite(v)
    ]
    at = [math.log2(k) for k in curve.ks]
    x = alt.X("k:Q").scale(domain=[at[0], max(at[-1], at[0] + 1)], nice=False)
    x = x.title("samples a problem, k (log scale)")
    x = x.axis(values=at, labelExpr=tick_names(at, [str(k) for k in curve.ks]))
    y = alt.Y("share:Q").scale(domain=[0, 1]).title("share of problems solved")
    y = y.axis(values=[0, 0.25, 0.5, 0.75, 1], format=".2~f")
    base = alt.Chart(alt.InlineData(values)).encode(
        x=x, y=y, color=alt.Color("color:N").scale(None), detail="series:N"
    )
    dash = alt.StrokeDash("dash:N").scale(None)
    return [
        base.mark_line(strokeWidth=1.8).encode(strokeDash=dash),
        base.mark_point(filled=True, size=22, opacity=1),
    ]


def _ceiling(ceiling: Ceiling) -> list[Layer]:
    """Marks the k at which the ceiling is read, above the plot, where no curve can be."""
    import altair as alt

    there = alt.Chart(alt.InlineData([{"k": math.log2(ceiling.k), "t": f"k = {ceiling.k}"}]))
    text = there.mark_text(baseline="bottom", color=QUIET)
    return [
        there.mark_rule(color=RULE).encode(x="k:Q"),
        text.encode(x="k:Q", y=alt.value(-4), text="t:N"),
    ]
