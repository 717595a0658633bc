"""How training by reward went: reward, accuracy on watched problems, length, entropy, dead groups."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import final

from modicum.analysis.section import Plot, Point, Section, Series
from modicum.analysis.verdict import RungRow, Verdict
from modicum.reading import Material, Reading

__all__ = ["LearningCurves", "learning_section"]

FIGURES = {
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
DASHES = ((1, 0), (6, 3), (2, 2), (8, 2, 2, 2))
"""Of one method's budgets, the largest first."""


@final
@dataclass(frozen=True)
class LearningCurves(Reading):
    """A chart a figure that any rung kept while it trained."""

    def read(self, found: Material) -> Section | None:
        """Return the charts; None where nothing was trained by reward."""
        return learning_section(found.verdict)


def learning_section(verdict: Verdict) -> Section | None:
    """Return the curves of a verdict's rungs; None where there are none.

    Of the arms only those that differ in one setting are drawn; the others stand in the table.
    """
    charts = []
    for name, (title, said) in FIGURES.items():
        series = tuple(each for row in verdict.rungs for each in _series(verdict, row, name))
        if series:
            longest = max(series, key=lambda each: len(each.points))
            charts.append(_plot(name, title, said, series, longest))
    return Section("How training went", charts=tuple(charts), is_core=True) if charts else None


def _plot(name: str, title: str, said: str, series: tuple[Series, ...], longest: Series) -> Plot:
    return Plot(
        name=f"learning-{name.replace('_', '-')}",
        caption=f"{said}, step by step; a mean over seeds.",
        description=f"The longest run, {longest.name}, took {len(longest.points)} steps.",
        x="step",
        y=title,
        series=series,
        mark="curve",
    )


def _series(verdict: Verdict, row: RungRow, name: str) -> Iterator[Series]:
    """Give the curves of a rung and of its arms that differ in one setting."""
    budgets = sorted((r.n_shots for r in verdict.rungs if r.method == row.method), reverse=True)
    dash = DASHES[budgets.index(row.n_shots) % len(DASHES)]
    if _has(row.learning, name):
        yield Series(row.name, _points(row.learning[name]), row.method, dash=dash)
    single = [arm for arm in row.arms if arm.name and "," not in arm.name]
    for place, arm in enumerate(single):
        if _has(arm.learning, name):
            drawn = _points(arm.learning[name])
            yield Series(f"{row.name} {arm.name}", drawn, row.method, 1 + place, (3, 3))


def _points(values: Sequence[float]) -> tuple[Point, ...]:
    return tuple(Point(step + 1, value) for step, value in enumerate(values))


def _has(learning: Mapping[str, Sequence[float]], name: str) -> bool:
    return any(map(math.isfinite, learning.get(name, ())))
