"""How training by reward went: reward, accuracy on watched problems, length, entropy, dead groups."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from modicum.report.axes import Palette, layered
from modicum.report.drawing import HUES, Chart, Key
from modicum.verdict import RungRow, Verdict

__all__ = ["learning_charts"]

HEIGHT = 130
"""Height of a plot in pixels."""
_FIGURES = {
    "reward": ("mean reward", "Reward of the rollouts"),
    "selection": ("share right", "Greedy accuracy on the watched problems"),
    "length": ("tokens", "Length of the rollouts"),
    "entropy": ("nats a token", "Entropy of the policy"),
    "constant_groups": (
        "share of groups",
        "Groups whose rewards are all equal, which teach nothing",
    ),
}
"""Figures that have a chart: title of the axis, and what the caption says."""
_DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2])
"""Of one method's budgets, the largest first."""


@dataclass(frozen=True)
class _Line:
    """One curve."""

    name: str
    color: str
    dash: Sequence[int]
    points: Sequence[float]


def learning_charts(verdict: Verdict, palette: Palette) -> list[Chart]:
    """Gives a chart for each figure that any rung kept while it trained.

    Of the arms only those that differ in one setting are drawn; the others stand in the table.
    """
    charts = []
    for name, (title, said) in _FIGURES.items():
        lines = [line for row in verdict.rungs for line in _lines(verdict, row, name, palette)]
        if lines:
            charts.append(_chart(name, title, said, lines))
    return charts


def _chart(name: str, title: str, said: str, lines: Sequence[_Line]) -> Chart:
    import altair as alt

    values = [
        {
            "step": step + 1,
            "value": value,
            "series": line.name,
            "color": line.color,
            "dash": list(line.dash),
            "tip": f"{line.name}\nstep {step + 1}\n{title} {value:.2f}",
        }
        for line in lines
        for step, value in enumerate(line.points)
        if math.isfinite(value)
    ]
    base = alt.Chart(alt.InlineData(values)).encode(
        x=alt.X("step:Q").title("step").axis(tickMinStep=1),
        y=alt.Y("value:Q").title(title).scale(zero=True).axis(tickCount=4),
        color=alt.Color("color:N").scale(None),
        detail="series:N",
    )
    dash = alt.StrokeDash("dash:N").scale(None)
    layers = [
        base.mark_line(strokeWidth=1.5).encode(strokeDash=dash),
        base.mark_point(filled=True, size=14, opacity=1).encode(tooltip="tip:N"),
    ]
    last = max(lines, key=lambda line: len(line.points))
    return Chart(
        f"learning-{name.replace('_', '-')}",
        f"{said}, step by step; a mean over seeds.",
        f"The longest run, {last.name}, took {len(last.points)} steps.",
        layered(layers, height=HEIGHT),
        tuple(Key(n.name, n.color, "none", dash=" ".join(map(str, n.dash))) for n in lines),
    )


def _lines(verdict: Verdict, row: RungRow, name: str, palette: Palette) -> Iterator[_Line]:
    """Gives the curves of a rung and of its arms that differ in one setting."""
    budgets = sorted((r.n_shots for r in verdict.rungs if r.method == row.method), reverse=True)
    dash = _DASHES[budgets.index(row.n_shots) % len(_DASHES)]
    if _has(row.learning, name):
        yield _Line(row.name, palette.color(row.method), dash, row.learning[name])
    first = palette.methods.index(row.method) + 1
    single = [arm for arm in row.arms if arm.name and "," not in arm.name]
    for place, arm in enumerate(single):
        if _has(arm.learning, name):
            color = f"var(--m{(first + place) % HUES})"
            yield _Line(f"{row.name} {arm.name}", color, [3, 3], arm.learning[name])


def _has(learning: Mapping[str, Sequence[float]], name: str) -> bool:
    return any(map(math.isfinite, learning.get(name, ())))
