"""Two scored systems side by side: accuracy of both, the paired difference, what changed, what each cost.

Pure: from marks and costs that are given to frozen values.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np

from modicum.analysis.pairing import level_of
from modicum.analysis.shown import Shown
from modicum.stats import Figure, Floats, Ints, paired_difference

__all__ = ["Changed", "Comparison", "Comparisons", "Costs", "Side", "compare"]

FEW = 10
"""Problems in common below which a part of two sets of problems is not compared in pairs."""


@dataclass(frozen=True)
class Costs:
    """What a system took: to make it, and for each answer."""

    labels: int = 0
    """Labelled problems that it was made with."""
    tokens: float = 0.0
    """Tokens sampled and trained to make it, reused ones among them."""
    seconds: float = 0.0
    """Seconds that making it took."""
    tokens_per_answer: float = 0.0
    """Tokens sampled for an answer."""
    flops_per_answer: float = 0.0
    """Floating-point operations of an answer."""


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two: right or wrong on every problem, once a seed."""

    name: str
    """How a reader knows it, such as `fine_tune n=1`."""
    model: str
    task: str
    problems: tuple[str, ...]
    """Ids of its test problems."""
    scores: Floats
    """1 where right, else 0; `[seeds, problems]`."""
    clusters: tuple[str, ...] = ()
    """Name of each problem's cluster; empty where each stands alone."""
    costs: Costs = field(default_factory=Costs)
    questions: Mapping[str, str] = field(default_factory=dict)
    """Question of each problem, by id."""


@dataclass(frozen=True)
class Changed:
    """A problem that one of the two solves more often."""

    problem: str
    """Its id."""
    first: float
    """Share of the first side's seeds that solve it."""
    second: float
    """The same of the second side."""
    question: str = ""
    """What it asks; empty where that is not known."""


@dataclass(frozen=True, repr=False)
class Comparison(Shown):
    """What comparing two sides gives."""

    names: tuple[str, str]
    models: tuple[str, str]
    tasks: tuple[str, str]
    accuracies: tuple[Figure, Figure]
    """On the problems that are compared; intervals at 95 %."""
    difference: Figure
    """Accuracy of the second minus that of the first, as a share."""
    is_paired: bool
    """Whether both answered the same problems; else the two sets are independent."""
    left_out: tuple[int, int]
    """Problems of each side that the other has not answered."""
    costs: tuple[Costs, Costs]
    gained: tuple[Changed, ...]
    """Problems that the second solves more often, the clearest first; empty where unpaired."""
    lost: tuple[Changed, ...]
    """Problems that the first solves more often."""

    @property
    def brief(self) -> str:
        """Both names, and the difference in points."""
        low, value, high = (
            f"{100 * one:+.1f}"
            for one in (self.difference.low, self.difference.value, self.difference.high)
        )
        return f"{self.names[1]} minus {self.names[0]}: {value} points [{low}, {high}]"

    @property
    def is_told_apart(self) -> bool:
        """Whether the difference's interval excludes 0."""
        return self.difference.low > 0 or self.difference.high < 0


@final
class Comparisons(Shown, tuple[Comparison, ...]):
    """Several comparisons: of each task or model that both studies have."""

    __slots__ = ()

    @property
    def brief(self) -> str:
        """The differences."""
        return f"{len(self)}: " + "; ".join(one.brief for one in self)


def compare(first: Side, second: Side, *, level: float = 0.95) -> Comparison:
    """Return the comparison of two sides, in pairs where they answered the same problems.

    Args:
        first: The one that stands first; the difference is the second's accuracy minus its.
        second: The other.
        level: Nominal coverage, in (0, 1).

    Raises:
        ValueError: If a side has no problem.

    Source: Bonett and Price 2012, J. Educ. Behav. Stat. 37, 479-488 (pairs; see
        `modicum.stats.paired_difference`); Newcombe 1998, Statistics in Medicine 17, 873-890,
        method 10 (two independent proportions, here with Beta intervals).
    """
    if not (first.problems and second.problems):
        raise ValueError("found a side without problems; expected at least one")
    common = _common(first.problems, second.problems)
    is_paired = bool(common)
    one, other = (_cut(side, common) for side in (first, second)) if is_paired else (first, second)
    figures = (_accuracy(one, level), _accuracy(other, level))
    if is_paired:
        difference = paired_difference(other.scores, one.scores, clusters=_codes(one), level=level)
        difference = _possible(difference)
        changed = _changed(one, other)
    else:
        difference, changed = _independent(*figures), ()
    return Comparison(
        names=(first.name, second.name),
        models=(first.model, second.model),
        tasks=(first.task, second.task),
        accuracies=figures,
        difference=difference,
        is_paired=is_paired,
        left_out=(
            len(first.problems) - len(common) if is_paired else 0,
            len(second.problems) - len(common) if is_paired else 0,
        ),
        costs=(first.costs, second.costs),
        gained=tuple(c for c in changed if c.second > c.first),
        lost=tuple(c for c in changed if c.second < c.first),
    )


def _common(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    """Return the problems of both in the first one's order; none where they are too few to pair."""
    known = set(second)
    both = tuple(name for name in first if name in known)
    return both if len(both) >= min(FEW, len(first), len(second)) else ()


def _cut(side: Side, problems: Sequence[str]) -> Side:
    """Return a side on these problems, in this order."""
    places = {name: place for place, name in enumerate(side.problems)}
    order = [places[name] for name in problems]
    clusters = tuple(side.clusters[i] for i in order) if side.clusters else ()
    scores = np.atleast_2d(side.scores)[:, order]
    return replace(side, problems=tuple(problems), scores=scores, clusters=clusters)


def _codes(side: Side) -> Ints | None:
    """Return a code for each problem's cluster; a problem without one stands alone."""
    if not any(side.clusters):
        return None
    names = [c or p for c, p in zip(side.clusters, side.problems, strict=True)]
    order = {name: code for code, name in enumerate(dict.fromkeys(names))}
    return np.array([order[name] for name in names])


def _accuracy(side: Side, level: float) -> Figure:
    return level_of(side.scores, _codes(side), level=level)


def _possible(difference: Figure) -> Figure:
    """Return a difference with its interval within what differences of shares can be."""
    low, high = max(difference.low, -1.0), min(difference.high, 1.0)
    return Figure(difference.value, low, high, difference.n)


def _independent(first: Figure, second: Figure) -> Figure:
    """Return the difference of two independent accuracies."""
    below = math.hypot(second.value - second.low, first.high - first.value)
    above = math.hypot(second.high - second.value, first.value - first.low)
    value = second.value - first.value
    return _possible(Figure(value, value - below, value + above, first.n + second.n))


def _changed(first: Side, second: Side) -> tuple[Changed, ...]:
    """Return the problems that one side solves more often, the largest changes first."""
    before, after = (np.atleast_2d(side.scores).mean(axis=0) for side in (first, second))
    asked = {**second.questions, **first.questions}
    rows = [
        Changed(problem, float(one), float(other), asked.get(problem, ""))
        for problem, one, other in zip(first.problems, before, after, strict=True)
        if one != other
    ]
    return tuple(sorted(rows, key=lambda row: -abs(row.second - row.first)))
