"""Abilities that a method did not target: what it changed on them, in points."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from modicum.analysis.section import Plot, Point, Section, Series
from modicum.analysis.short_names import short_names
from modicum.analysis.verdict import Retention, RungRow, Verdict
from modicum.reading import Material, Reading
from modicum.stats.written import figure, points

__all__ = ["Retained", "retention_section"]


@final
@dataclass(frozen=True)
class Retained(Reading):
    """One chart, a line a rung and retained task; its figures stand in the table of rungs."""

    def read(self, found: Material) -> Section | None:
        """Return the chart of all rungs; None where no task was retained."""
        return retention_section(found.verdict)


def retention_section(verdict: Verdict) -> Section | None:
    """Return what the rungs of a verdict changed elsewhere; None where no task was retained."""
    names = short_names(kept.task for row in verdict.rungs for kept in row.retention)
    series = tuple(
        Series(row.name, tuple(drawn), of=row.method)
        for row in verdict.rungs
        if (drawn := [_point(row, kept, names) for kept in row.retention if _is_known(kept)])
    )
    if not series:
        return None
    worst = min((point for each in series for point in each.points), key=lambda point: point.y)
    chart = Plot(
        name="retention",
        caption="Effect elsewhere: change on tasks that the method did not target, with 95 % intervals.",
        description=f"The largest loss stands at {worst.x}. The table of methods holds every figure.",
        x="",
        y="change in points of accuracy",
        series=series,
        mark="rows",
    )
    return Section("Effect elsewhere", charts=(chart,), is_core=True)


def _is_known(kept: Retention) -> bool:
    return all(map(math.isfinite, (kept.damage.low, kept.damage.high)))


def _point(row: RungRow, kept: Retention, names: Mapping[str, str]) -> Point:
    change, task = kept.damage, names[kept.task]
    return Point(
        row.name if len(names) == 1 else f"{row.name}, {task}",
        100 * change.value,
        100 * change.low,
        100 * change.high,
        f"{row.name}\n{task} {figure(change, points)} points",
    )
