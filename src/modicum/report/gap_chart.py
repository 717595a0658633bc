"""Share of the gap against labelled problems: rungs with bands, controls hollow beside them."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from modicum.analysis.printed import control_name, data_text, method_name
from modicum.analysis.verdict import RungRow, Verdict
from modicum.plain import JsonValue
from modicum.report import words
from modicum.report.axes import (
    GAP_TICKS,
    Layer,
    Palette,
    clipped,
    drawn_gap,
    gap_domain,
    layered,
    marks,
    method_keys,
    tick_names,
)
from modicum.report.drawing import FAINT, QUIET, RULE, Chart, Key
from modicum.stats import Figure

__all__ = ["gap_chart"]

_DASHES = {"scrambled": [2, 2], "shuffled": [1, 3], "format": [4, 1, 1, 1], "twin": [6, 3]}
_FORMS = {
    "scrambled": "cross",
    "shuffled": "triangle-up",
    "format": "triangle-down",
    "twin": "diamond",
}


@dataclass(frozen=True)
class _Point:
    """One estimate."""

    series: str
    n_shots: int
    gap: Figure
    color: str
    shape: str
    control: str = ""
    """Kind of control; empty for a rung."""
    x: float = 0.0
    """Place on the axis: the logarithm of n_shots to base 2, or left of it."""
    note: str = ""
    """What else a pointer is told."""
    said: str = ""
    """Its share of the gap in words."""
    is_ceiling: bool = False
    counts: str = "labelled problems"
    """What its budget counts."""

    @property
    def name(self) -> str:
        """Name as the browser of answers lists it."""
        method = self.series.removesuffix(f" {self.control}") if self.control else self.series
        budget = f"{method} n={self.n_shots}" if self.n_shots else method
        return f"{budget}, {control_name(self.control)}" if self.control else budget


def gap_chart(verdict: Verdict, palette: Palette) -> Chart | None:
    """Return the chart, or None where no rung has a share of the gap."""
    points = _placed(_points(verdict, palette))
    rungs = [p for p in points if not p.control]
    if not rungs:
        return None
    kinds = {p.control: p for p in points if p.control}
    keys = [
        Key(control_name(kind), QUIET, p.shape, True, " ".join(map(str, _dash(kind))))
        for kind, p in sorted(kinds.items())
    ]
    is_cut = any(clipped(p.gap) != p.gap for p in points)
    cut = " Ends beyond −50 % and 150 % are drawn at the edge." if is_cut else ""
    best = max(rungs, key=lambda p: (p.is_ceiling, p.gap.value))
    what = _counted(verdict)
    most = "The ceiling is" if best.is_ceiling else "Nearest to the ceiling comes"
    return Chart(
        "gap",
        f"Share of the gap against {what}. Bands and bars are 95 % intervals; "
        f"controls are hollow.{cut}",
        f"{most} {best.series} with {best.n_shots} {best.counts}: {best.said}. The table of "
        "methods holds every figure.",
        layered(_layers(points, what)),
        (*method_keys(verdict.rungs, palette), *keys),
    )


def _counted(verdict: Verdict) -> str:
    """Say what the budgets count."""
    either = any(row.unlabelled for row in verdict.rungs)
    return "labelled problems, or questions without labels" if either else "labelled problems"


def _layers(points: Sequence[_Point], what: str) -> list[Layer]:
    """Return reference lines, bands, lines, intervals and points, in drawing order."""
    import altair as alt

    values = [_row(point) for point in points]
    y = alt.Y("gap:Q").title("share of the gap").axis(**GAP_TICKS)
    y = y.scale(domain=gap_domain(clipped(p.gap) for p in points), nice=False)
    base = alt.Chart(alt.InlineData(values)).encode(
        x=_axis(points, what), color=alt.Color("color:N").scale(None), detail="series:N"
    )
    lines = base.transform_filter("datum.n > 0")
    bars = {"y": alt.Y("low:Q"), "y2": "high:Q"}
    dash = alt.StrokeDash("dash:N").scale(None)
    ends = alt.Chart(alt.InlineData([{"y": 0}, {"y": 1}]))
    layers = [
        ends.mark_rule(color=RULE).encode(y="y:Q"),
        lines.transform_filter("!datum.control").mark_area(opacity=0.13).encode(**bars),
        lines.mark_line(strokeWidth=1.6).encode(y=y, strokeDash=dash),
        base.mark_rule(strokeWidth=1.1, opacity=0.75).encode(**bars),
        marks(base.transform_filter("!datum.control"), y),
        marks(base.transform_filter("datum.control"), y, filled=False),
    ]
    first = [p.n_shots for p in points if p.n_shots]
    if first and any(not p.n_shots for p in points):
        cut = alt.Chart(alt.InlineData([{"x": math.log2(min(first)) - 0.55}]))
        layers.insert(0, cut.mark_rule(color=FAINT, strokeDash=[3, 3]).encode(x="x:Q"))
    return layers


def _axis(points: Sequence[_Point], what: str) -> Layer:
    """Return the horizontal axis: a log scale, with no labels at all at its left."""
    import altair as alt

    budgets = sorted({p.n_shots for p in points if p.n_shots})
    free = [p.x for p in points if not p.n_shots]
    at = ([sum(free) / len(free)] if free else []) + [math.log2(n) for n in budgets]
    names = (["0"] if free else []) + [str(n) for n in budgets]
    ends = [p.x for p in points]
    x = alt.X("x:Q").scale(domain=[min(ends) - 0.4, max(ends) + 0.4], nice=False, zero=False)
    x = x.axis(values=at, labelExpr=tick_names(at, names))
    return x.title(f"{what} (log scale)" if budgets else f"{what}: none")


def _points(verdict: Verdict, palette: Palette) -> list[_Point]:
    """Return rungs and controls that have a share of the gap."""
    found: dict[tuple[str, int, str], _Point] = {}
    for row in verdict.rungs:
        color, gap = palette.color(row.method), drawn_gap(row)
        if gap is not None and math.isfinite(gap.value):
            shape = palette.shape(row.method)
            labels = data_text(row.labels, row.unlabelled)
            seeds = "1 seed" if row.seeds == 1 else f"{row.seeds} seeds"
            note = f"\ncorrect {words.score(row)}\n{labels}, {seeds}"
            found[row.method, row.n_shots, ""] = _Point(
                row.method, row.n_shots, gap, color, shape, note=note, said=_said(row),
                is_ceiling=row.is_ceiling,
                counts="questions without labels" if row.unlabelled else "labelled problems",
            )  # fmt: skip
        for name, twin in row.control_gaps.items():
            if not math.isfinite(twin.value):
                continue
            # a twin's name carries its own budget, which is not the row's
            match = re.fullmatch(r"(.*?) n=(\d+)", name)
            kind, n_shots = (match[1], int(match[2])) if match else (name, row.n_shots)
            series, form = f"{row.method} {kind}", _FORMS.get(kind, "square")
            found[row.method, n_shots, kind] = _Point(
                series, n_shots, twin, color, form, kind, said=words.percents(twin)
            )
    return sorted(found.values(), key=lambda p: (p.series, p.n_shots))


def _said(row: RungRow) -> str:
    return f"{words.gap(row)}, gain {words.gain(row)}" if row.is_ceiling else words.gap(row)


def _placed(points: Sequence[_Point]) -> list[_Point]:
    """Places points on the log axis, those without labels side by side at the left of it."""
    budgets = [p.n_shots for p in points if p.n_shots]
    start = math.log2(min(budgets)) if budgets else 1.0
    free = [p for p in points if not p.n_shots]
    left = {p: start - 1.0 - 0.3 * (len(free) - 1 - i) for i, p in enumerate(free)}
    # series that share a budget stand a little apart, or their bars hide each other
    order = {s: i for i, s in enumerate(dict.fromkeys(p.series for p in points if p.n_shots))}
    middle = (len(order) - 1) / 2
    return [
        replace(p, x=math.log2(p.n_shots) + 0.06 * (order[p.series] - middle))
        if p.n_shots
        else replace(p, x=left[p])
        for p in points
    ]


def _row(point: _Point) -> dict[str, JsonValue]:
    gap = clipped(point.gap)
    return {
        "series": point.series,
        "rung": point.name,
        "tip": f"{method_name(point.name)}\nshare of the gap {point.said}{point.note}",
        "x": point.x,
        "n": point.n_shots,
        "gap": gap.value,
        "low": gap.low,
        "high": gap.high,
        "color": point.color,
        "shape": point.shape,
        "control": point.control,
        "dash": _dash(point.control) if point.control else [1, 0],
    }


def _dash(kind: str) -> list[int]:
    return _DASHES.get(kind, [4, 2])
