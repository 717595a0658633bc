"""Nets that learn one task from nothing, beside each other: by labels, by FLOPs, and where they cross."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from modicum.analysis.crossing import Crossing, crossings, differences
from modicum.analysis.gather import stack
from modicum.analysis.pairing import level_of
from modicum.analysis.section import (
    Cell,
    Column,
    Plot,
    Point,
    SectionRow,
    SectionTable,
    Series,
    Value,
)
from modicum.analysis.section_part import SectionPart
from modicum.ledger import cost
from modicum.outcome import Outcome
from modicum.stats import Figure, Floats, Ints, Resamples
from modicum.stats.written import amount, count, duration, figure, flops, percent, percents

__all__ = ["NetCurve", "NetTrial", "compared"]

LOWER = 0.08
"""By how much of the chart's height an upright line ends below the one before it."""


@dataclass(frozen=True, eq=False)
class NetTrial:
    """What one training brought: all seeds at one budget and one setting."""

    scores: Floats
    """Scores of the test problems, `[seeds, problems]`."""
    labels: int
    """Labelled boards seen."""
    unlabelled: int
    """Boards seen without labels."""
    flops: float
    """FLOPs of the training, a mean over seeds."""
    seconds: float
    """Measured seconds of the training, a mean over seeds."""
    trials: tuple[str, ...]
    """Ids."""

    @staticmethod
    def of(outcomes: Sequence[Outcome]) -> "NetTrial":
        """Return what the seeds of one training brought; at least one, in the order of the seeds."""
        spent = [outcome.elicitation for outcome in outcomes]
        return NetTrial(
            stack(outcomes),
            int(spent[0].get("labels", 0)),
            int(spent[0].get("texts", 0)),
            float(np.mean([cost(one) for one in spent])),
            float(np.mean([one.get("seconds", 0.0) for one in spent])),
            tuple(str(outcome.trial.id) for outcome in outcomes),
        )


@dataclass(frozen=True, eq=False)
class NetCurve:
    """One net on one task."""

    name: str
    trained: Mapping[int, NetTrial]
    """By the number of labelled boards, rising; at least one."""
    controls: Mapping[int, Mapping[str, NetTrial]] = field(default_factory=dict)
    """By the number of labelled boards, then by the name that is printed."""
    variants: Mapping[str, NetTrial] = field(default_factory=dict)
    """At the greatest number of labelled boards with other settings, by what is set."""
    untrained: Floats | None = None
    """Scores of the net before it learns, `[problems]`."""

    @property
    def most(self) -> int:
        """The greatest number of labelled boards."""
        return max(self.trained)

    def by_flops(self, *, at_most: bool) -> tuple[tuple[str, NetTrial], ...]:
        """Return what is held against FLOPs, rising in them, each with what is said of it.

        Args:
            at_most: Every setting at the greatest number of boards, else every number of boards.
        """
        if at_most:
            own = [(f"n={self.most}", self.trained[self.most])]
            own += [(f"n={self.most}, {name}", one) for name, one in self.variants.items()]
        else:
            own = [(f"n={n}", one) for n, one in self.trained.items()]
        return tuple(sorted(own, key=lambda named: named[1].flops))


def compared(
    task: str, curves: Sequence[NetCurve], resamples: Resamples, clusters: Ints | None
) -> SectionPart:
    """Return nets beside each other on one task; empty where there are fewer than two.

    Args:
        task: Its reference.
        curves: All on the same test problems.
        resamples: Of these problems.
        clusters: Cluster code of each problem; None where each stands alone.
    """
    if len(curves) < 2:
        return SectionPart()
    pairs = [_Pair(*pair, resamples, clusters) for pair in combinations(curves, 2)]
    values: dict[str, Value] = {}
    for curve in curves:
        for n, one in curve.trained.items():
            values[f"{task}, {curve.name} n={n}"] = level_of(one.scores, clusters)
            values[f"{task}, {curve.name} n={n}, FLOPs"] = one.flops
    for pair in pairs:
        values |= {f"{task}, {pair.name}{which}": value for which, value in pair.values()}
    said = (_crossings_said(task, pairs), _controls_said(task, curves, clusters))
    return SectionPart(
        tuple(filter(None, said)),
        (_trials_table(task, curves, clusters), _pairs_table(task, pairs)),
        (_by_labels(task, curves, pairs, clusters), _by_flops(task, curves, clusters)),
        values=values,
    )


class _Pair:
    """Two nets at the numbers of boards from which both have learned."""

    def __init__(
        self, one: NetCurve, other: NetCurve, resamples: Resamples, clusters: Ints | None
    ) -> None:
        self._one, self._other = one.name, other.name
        self.name = f"{one.name} and {other.name}"
        self.budgets = [n for n in one.trained if n in other.trained]
        first, second = ([curve.trained[n].scores for n in self.budgets] for curve in (one, other))
        self._found = differences(first, second, clusters)
        self.crossed: tuple[Crossing, ...] = ()
        if self.budgets:
            self.crossed = crossings(self.budgets, first, second, resamples, clusters)

    @property
    def shown(self) -> tuple[Crossing, ...]:
        """Crossings that the test boards show."""
        return tuple(one for one in self.crossed if one.is_shown)

    def said(self) -> Iterator[str]:
        """Say where they are shown to cross."""
        for one in self.shown:
            below, above = self._one, self._other
            if one.before.value < 0:
                below, above = above, below
            yield (
                f"{self.name} cross at {figure(one.at, amount)} labelled boards "
                f"({below} is ahead below, {above} above)"
            )

    def rows(self) -> Iterator[SectionRow]:
        """Give a row a change of order; one where there is none."""
        for one in self.crossed:
            at = f"{amount(one.at.value)}, not shown"
            at = figure(one.at, amount) if one.is_shown else at
            yield SectionRow(
                (self.name, at, self._within(one.last, one.next), one.before, one.after)
            )
        if self.budgets and not self.crossed:
            ends = (self._found[0], self._found[-1])
            yield SectionRow((self.name, "no crossing", self._within(0, -1), *ends))

    def _within(self, first: int, last: int) -> str:
        return f"{count(self.budgets[first])} to {count(self.budgets[last])}"

    def values(self) -> Iterator[tuple[str, Value]]:
        """Give differences by budget, and shown crossings, for machines."""
        for n, difference in zip(self.budgets, self._found, strict=True):
            yield f", difference at n={n}", difference
        for place, one in enumerate(self.shown):
            yield f", crossing {place + 1}", one.at
        if self.budgets and not self.shown:
            none = f"no crossing within {self._within(0, -1)}"
            yield ", crossing", "not shown" if self.crossed else none


def _trials_table(task: str, curves: Sequence[NetCurve], clusters: Ints | None) -> SectionTable:
    """Give a row a training, its controls and variants below it."""
    columns = (
        Column("net"),
        Column("n", "count"),
        Column("correct", "share"),
        Column("labels", "count"),
        Column("boards without labels", "count"),
        Column("FLOPs of training"),
        Column("time of training"),
        Column("trials", "trials"),
    )

    def row(name: str, n: int, one: NetTrial, *, is_below: bool = False) -> SectionRow:
        cells: tuple[Cell, ...] = (
            name,
            float(n),
            level_of(one.scores, clusters),
            float(one.labels),
            float(one.unlabelled),
            flops(one.flops),
            duration(one.seconds),
            one.trials,
        )
        return SectionRow(cells, is_below=is_below)

    rows = []
    for curve in curves:
        for n, one in curve.trained.items():
            below = {**curve.controls.get(n, {}), **(curve.variants if n == curve.most else {})}
            rows.append(row(curve.name, n, one))
            rows += [row(name, n, other, is_below=True) for name, other in below.items()]
    return SectionTable(f"Nets on {task}", columns, tuple(rows), lead=f"Trained on {task}:")


def _pairs_table(task: str, pairs: Sequence[_Pair]) -> SectionTable:
    columns = (
        Column("nets"),
        Column("cross at n"),
        Column("between n"),
        Column("first less second, before", "points"),
        Column("first less second, after", "points"),
    )
    rows = tuple(row for pair in pairs for row in pair.rows())
    return SectionTable(
        f"Crossings on {task}",
        columns,
        rows,
        lead=f"Where the curves on {task} cross:",
        brief={
            "nets": Column("nets"),
            "cross at n": Column("cross at n"),
            "first less second, before": Column("before", "points"),
            "first less second, after": Column("after", "points"),
        },
    )


def _crossings_said(task: str, pairs: Sequence[_Pair]) -> str:
    """Say which crossings are shown, and within which numbers of boards no other one is."""
    found = [said for pair in pairs for said in pair.said()]
    numbers = [n for pair in pairs for n in pair.budgets]
    if all(pair.shown for pair in pairs) or not numbers:
        return f"{task}: {'; '.join(found)}." if found else ""
    within = f"is shown within {count(min(numbers))} to {count(max(numbers))} labelled boards."
    if not found:
        return f"{task}: no crossing {within}"
    return f"{task}: {'; '.join(found)}. No other crossing {within}"


def _controls_said(task: str, curves: Sequence[NetCurve], clusters: Ints | None) -> str:
    """Say the best that a control scored; empty where none was run."""
    found = [
        (level_of(one.scores, clusters), name, n, curve.name)
        for curve in curves
        for n, own in curve.controls.items()
        for name, one in own.items()
    ]
    if not found:
        return ""
    best, name, n, net = max(found, key=lambda one: one[0].value)
    return f"The best control on {task} ({net}, {name}, n={count(n)}) scores {percents(best)}."


def _by_labels(
    task: str, curves: Sequence[NetCurve], pairs: Sequence[_Pair], clusters: Ints | None
) -> Plot:
    series = [
        Series(
            curve.name,
            tuple(
                _point(float(n), level_of(one.scores, clusters), f"{curve.name}, n={count(n)}")
                for n, one in curve.trained.items()
            ),
        )
        for curve in curves
    ]
    budgets = sorted({n for curve in curves for n in curve.trained})
    floors = [float(c.untrained.mean()) for c in curves if c.untrained is not None]
    if floors:
        level = [(float(n), max(floors)) for n in (budgets[0], budgets[-1])]
        series.append(_bound("untrained, at most", level, (2, 2)))
    shown = [(pair.name, one.at.value) for pair in pairs for one in pair.shown]
    for place, (name, at) in enumerate(shown):
        # of different heights, lest their names lie on each other
        height = 1.0 - LOWER * (place % 6)
        series.append(_bound(f"{name} cross", [(at, 0.0), (at, height)], (6, 3)))
    return Plot(
        f"labels {task}",
        f"{task}: test boards answered rightly by the number of labelled boards that a net learned "
        "from, with 95 % intervals; upright lines stand where a crossing is shown.",
        "The table holds every figure.",
        "labelled boards",
        "boards answered rightly",
        tuple(series),
        "line",
        are_shares=True,
        is_log=True,
    )


def _by_flops(task: str, curves: Sequence[NetCurve], clusters: Ints | None) -> Plot:
    has_variants = any(curve.variants for curve in curves)
    series = tuple(
        Series(
            curve.name,
            tuple(
                _point(
                    one.flops,
                    level_of(one.scores, clusters),
                    f"{curve.name}, {said}\n{flops(one.flops)}",
                )
                for said, one in curve.by_flops(at_most=has_variants)
                if one.flops > 0
            ),
        )
        for curve in curves
    )
    what = "the same trials"
    if has_variants:
        most = max(curve.most for curve in curves)
        what = f"nets with n={count(most)}, trained more briefly or longer,"
    return Plot(
        f"flops {task}",
        f"{task}: {what} by the FLOPs of their training, with 95 % intervals.",
        "The table holds every figure.",
        "FLOPs of training",
        "boards answered rightly",
        series,
        "line",
        are_shares=True,
        is_log=True,
    )


def _point(x: float, level: Figure, said: str) -> Point:
    return Point(x, level.value, level.low, level.high, f"{said}\n{percents(level)}")


def _bound(name: str, places: Sequence[tuple[float, float]], dash: tuple[int, ...]) -> Series:
    points = tuple(Point(x, y, said=f"{name}\n{percent(y)}") for x, y in places)
    return Series(name, points, dash=dash, is_bound=True)
