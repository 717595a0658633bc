"""Where two curves over the same budgets cross, and whether the problems show that they do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from modicum.analysis.pairing import paired
from modicum.stats import (
    STREAMS,
    Figure,
    Floats,
    Ints,
    Resamples,
    percentile_figure,
    resampled_mean,
)

__all__ = ["Crossing", "crossings", "differences", "first_reached"]


@dataclass(frozen=True)
class Crossing:
    """A change of order of two curves between two budgets at which both were measured."""

    at: Figure
    """The budget at which they cross, interpolated over the logarithm of the budget; its interval is
    infinite where the change of order is not shown."""
    last: int
    """Place of the last budget before it, among those that were given."""
    next: int
    """Place of the first budget behind it."""
    before: Figure
    """First curve less the second one at `last`, on the same problems."""
    after: Figure
    """The same at `next`."""
    is_shown: bool
    """Whether the intervals of both differences leave out 0, on opposite sides."""


def differences(
    one: Sequence[Floats], other: Sequence[Floats], clusters: Ints | None = None
) -> tuple[Figure, ...]:
    """Return the first curve less the second one at each budget, with 95 % intervals.

    Args:
        one: Scores in [0, 1] at each budget, `[problems]` or `[seeds, problems]`.
        other: The same of the other curve, on the same problems.
        clusters: Cluster code of every problem; None where each stands alone.
    """
    return tuple(paired(a, b, clusters=clusters) for a, b in zip(one, other, strict=True))


def crossings(
    budgets: Sequence[float],
    one: Sequence[Floats],
    other: Sequence[Floats],
    resamples: Resamples,
    clusters: Ints | None = None,
) -> tuple[Crossing, ...]:
    """Return every change of order of two curves, in the order of the budgets.

    A change is shown between two budgets whose differences have intervals clear of 0 on opposite
    sides, with none that is clear between them; its interval is that of the place in each resample of
    the problems. Where the means change their order and this does not hold, the change is not shown.

    Args:
        budgets: Rising numbers above 0, at least one.
        one: Scores in [0, 1] at each budget, `[problems]` or `[seeds, problems]`.
        other: The same of the other curve, on the same problems.
        resamples: Of these problems.
        clusters: Cluster code of every problem; None where each stands alone.
    """
    levels, places = np.log(np.asarray(budgets, dtype=np.float64)), range(len(budgets))
    found = differences(one, other, clusters)
    values = np.array([figure.value for figure in found])
    sides = [int(figure.low > 0) - int(figure.high < 0) for figure in found]
    shown = list(_changes(places, sides))
    seeming = _changes(places, np.sign(values).astype(int).tolist())
    hidden = [(i, j) for i, j in seeming if not any(a <= i and j <= b for a, b in shown)]
    drawn = _resampled(one, other, resamples) if shown else None
    crossed = []
    for i, j in sorted([*shown, *hidden]):
        rising, part = np.sign(values[j]), slice(i, j + 1)
        at = _budget(first_reached(levels[part], rising * values[None, part]))
        replicates = np.array([np.nan])
        if drawn is not None and (i, j) in shown:
            replicates = _budget(first_reached(levels[part], rising * drawn[:, part]))
        figure = percentile_figure(float(at[0]), replicates, resamples.n_problems)
        crossed.append(Crossing(figure, i, j, found[i], found[j], (i, j) in shown))
    return tuple(crossed)


def _changes(places: Sequence[int], sides: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Give the neighbours on opposite sides, among those that are on any."""
    sided = [i for i in places if sides[i]]
    return ((i, j) for i, j in pairwise(sided) if sides[i] != sides[j])


def _resampled(one: Sequence[Floats], other: Sequence[Floats], resamples: Resamples) -> Floats:
    """Return the difference at each budget in each resample, `[resamples, budgets]`."""
    means = [
        resampled_mean(scores, resamples, stream=i % STREAMS)
        for i, scores in enumerate([*one, *other])
    ]
    return np.asarray(np.stack(means[: len(one)], axis=1) - np.stack(means[len(one) :], axis=1))


def first_reached(levels: Floats, rising: Floats) -> Floats:
    """Return where broken lines first reach 0 from below, one place a line.

    Args:
        levels: Rising places of the corners, `[corners]`.
        rising: Heights of the lines there, `[lines, corners]`.

    Returns:
        Places `[lines]`: the first corner of a line that begins at 0 or above, the last one of a line
        that stays below.

    >>> first_reached(np.array([0.0, 1.0, 2.0]), np.array([[-1.0, -0.5, 0.5], [1.0, 1.0, 1.0]]))
    array([1.5, 0. ])
    """
    is_up = rising >= 0
    end = np.where(is_up.any(axis=1), is_up.argmax(axis=1), levels.size - 1)
    start, lines = np.maximum(end - 1, 0), np.arange(len(rising))
    low, high = rising[lines, start], rising[lines, end]
    is_between = (low < 0) & (high >= 0)
    share = np.where(is_between, low / np.where(is_between, low - high, 1.0), 1.0)
    return np.asarray(levels[start] + share * (levels[end] - levels[start]))


def _budget(levels: Floats) -> Floats:
    return np.asarray(np.exp(levels))
