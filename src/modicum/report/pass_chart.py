"""Pass@k before and after a nudge, with the curves of guessing."""

import math
from collections.abc import Iterator

from modicum.analysis.printed import printed
from modicum.analysis.verdict import Ceiling, Curve, RungRow, Verdict
from modicum.plain import JsonValue
from modicum.report import words
from modicum.report.axes import SHARE_TICKS, Layer, Palette, layered, tick_names
from modicum.report.drawing import INK, QUIET, RULE, Chart, Key

__all__ = ["pass_chart"]

_DASHES: dict[str, list[float]] = {
    "pass@k": [1, 0],
    printed("luck"): [5, 3],
    printed("near miss"): [1.5, 3],
}


def pass_chart(verdict: Verdict, palette: Palette) -> Chart | None:
    """Return the chart, or None where nothing was sampled.

    A rung that was sampled after its nudge has a curve and null curves of its own. One that
    answered once a problem has no pass@k: its accuracy is a level line. The branches of a decoding
    rule are not independent samples and make no curve either.
    """
    curve = verdict.curve
    if not curve.ks:
        return None
    ceiling = verdict.ceiling
    is_read = ceiling is not None and ceiling.source == "sampling"
    level, sampled = _best(verdict, is_sampled=False), _best(verdict, is_sampled=True)
    caption = "Pass@k of plain sampling, with both levels of chance."
    if sampled:
        caption += " Methods that were sampled have curves of their own."
    if level:
        caption += (
            " Level lines: accuracy of each method's one answer, with its best number of labels."
        )
    if ceiling is not None and is_read:
        caption += f" The ceiling is read at k = {ceiling.k}."
    keys = (
        Key("pass@k", INK),
        *(
            Key(f"{r.name}, pass@k", palette.color(r.method), palette.shape(r.method))
            for r in sampled
        ),
        *(Key(r.name, palette.color(r.method), palette.shape(r.method), dash="0") for r in level),
        Key("chance: another problem's answer", QUIET, "none", dash="5 3"),
        Key(printed("near miss"), QUIET, "none", dash="1.5 3"),
    )
    layers = [
        *(_ceiling(ceiling) if ceiling is not None and is_read else []),
        *_levels(level, curve, palette),
        *_curves(verdict, sampled, palette),
    ]
    return Chart(
        "pass",
        caption,
        f"At k = {curve.ks[-1]} pass@k is {words.percent(curve.pass_k[-1])} and chance "
        f"{words.percent(curve.luck[-1])}. A table of these figures follows.",
        layered(layers),
        keys,
    )


def _best(verdict: Verdict, *, is_sampled: bool) -> list[RungRow]:
    """Return each method's rung of the highest score; prompts are the floor and left out."""
    found: dict[str, RungRow] = {}
    for row in verdict.rungs:
        if row.is_prompt or (row.curve is not None) != is_sampled:
            continue
        if not math.isfinite(row.score.value):
            continue
        known = found.get(row.method)
        if known is None or row.score.value > known.score.value:
            found[row.method] = row
    return list(found.values())


def _curves(verdict: Verdict, sampled: list[RungRow], palette: Palette) -> list[Layer]:
    import altair as alt

    curve = verdict.curve
    values = list(_values("", curve, INK, QUIET))
    for row in sampled:
        color = palette.color(row.method)
        values += _values(row.name, row.curve or Curve((), (), (), ()), color, color)
    ks = sorted({int(str(v["n"])) for v in values} | set(curve.ks))
    at = [math.log2(k) for k in ks]
    x = alt.X("k:Q").scale(domain=[at[0], max(at[-1], at[0] + 1)], nice=False)
    x = x.title("samples a problem, k (log scale)")
    x = x.axis(values=at, labelExpr=tick_names(at, [str(k) for k in ks]))
    y = alt.Y("share:Q").scale(domain=[0, 1]).title("share of problems solved")
    y = y.axis(**SHARE_TICKS)
    base = alt.Chart(alt.InlineData(values)).encode(
        x=x, y=y, color=alt.Color("color:N").scale(None), detail="series:N"
    )
    dash = alt.StrokeDash("dash:N").scale(None)
    return [
        base.mark_line(strokeWidth=1.8).encode(strokeDash=dash),
        base.mark_point(filled=True, size=22, opacity=1).encode(tooltip="tip:N"),
    ]


def _values(name: str, curve: Curve, color: str, null: str) -> Iterator[dict[str, JsonValue]]:
    """Yield the points of one model's three curves."""
    series = (("pass@k", color, curve.pass_k), (printed("luck"), null, curve.luck),
              (printed("near miss"), null, curve.near_miss))  # fmt: skip
    for kind, ink, shares in series:
        # the near-miss null is shorter: it needs half of the samples
        for k, share in zip(curve.ks, shares, strict=False):
            if math.isfinite(share):
                yield {
                    "k": math.log2(k),
                    "n": k,
                    "share": share,
                    "series": f"{name} {kind}",
                    "color": ink,
                    "dash": _DASHES[kind],
                    "tip": f"{name or 'plain sampling'}\nk = {k}\n{kind} {words.percent(share)}",
                }


def _levels(rows: list[RungRow], curve: Curve, palette: Palette) -> list[Layer]:
    """Draws accuracies as level lines with their intervals; the mark stands at the right end."""
    import altair as alt

    if not rows:
        return []
    ends = math.log2(curve.ks[0]), max(math.log2(curve.ks[-1]), math.log2(curve.ks[0]) + 1)
    values = [
        {
            "start": ends[0],
            "k": ends[1],
            "share": row.score.value,
            "low": row.score.low,
            "high": row.score.high,
            "color": palette.color(row.method),
            "shape": palette.shape(row.method),
            "rung": row.name,
            "tip": f"{row.name}\ncorrect {words.score(row)}",
        }
        for row in rows
    ]
    base = alt.Chart(alt.InlineData(values)).encode(color=alt.Color("color:N").scale(None))
    across = {"x": alt.X("start:Q"), "x2": "k:Q"}
    shape = alt.Shape("shape:N").scale(None)
    return [
        base.mark_rect(opacity=0.12).encode(**across, y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_rule(strokeWidth=1.4).encode(**across, y="share:Q", tooltip="tip:N"),
        base.mark_point(filled=True, size=46, opacity=1).encode(
            x="k:Q", y="share:Q", shape=shape, tooltip="tip:N"
        ),
    ]


def _ceiling(ceiling: Ceiling) -> list[Layer]:
    """Mark the k at which the ceiling is read, above the plot, where no curve can be."""
    import altair as alt

    there = alt.Chart(alt.InlineData([{"k": math.log2(ceiling.k), "t": f"k = {ceiling.k}"}]))
    text = there.mark_text(baseline="bottom", color=QUIET)
    return [
        there.mark_rule(color=RULE).encode(x="k:Q"),
        text.encode(x="k:Q", y=alt.value(-4), text="t:N"),
    ]
