"""Comparisons on the problems that all sides cover: measures may cover the first ones only.

Sampling and branching are dear, and a plan may ask for them on the first problems of the test split.
Whatever is compared is then compared on the problems that every side answered, and on no others.
"""

import numpy as np

from modicum.stats import Figure, Floats, Ints, contrast, paired_difference, proportion

__all__ = ["first", "level_of", "over_problems", "paired", "possible", "shared"]


def first(n: int, *scores: Floats) -> tuple[Floats, ...]:
    """Return scores `[..., problems]` on the first n problems."""
    return tuple(each[..., :n] for each in scores)


def shared(*scores: Floats) -> tuple[Floats, ...]:
    """Return scores `[..., problems]` on the problems that all of them cover."""
    return first(min(each.shape[-1] for each in scores), *scores)


def paired(
    one: Floats, other: Floats, *, clusters: Ints | None = None, level: float = 0.95
) -> Figure:
    """Return the mean difference of two systems on the problems that both cover.

    Args:
        one: Scores in [0, 1], `[problems]` or `[seeds, problems]`.
        other: The same for the other system.
        clusters: Cluster code of every problem of the split; None where each stands alone.
        level: Nominal coverage, in (0, 1).
    """
    one, other = shared(one, other)
    return paired_difference(one, other, clusters=_cut(clusters, one), level=level)


def possible(difference: Figure, base: Floats) -> Figure:
    """Return a difference of two scores with its interval cut to what the second one leaves open.

    Three seeds that disagree give an interval beyond any score; that it is wide stays to be seen.

    Args:
        difference: Of a score in [0, 1] and the base.
        base: Scores of the second system, in [0, 1].
    """
    mean = float(base.mean())
    low, high = max(difference.low, -mean), min(difference.high, 1 - mean)
    return Figure(
        difference.value, min(low, difference.value), max(high, difference.value), difference.n
    )


def over_problems(
    per_problem: Floats,
    *,
    parts: tuple[Floats, ...] = (),
    clusters: Ints | None = None,
    level: float = 0.95,
) -> Figure:
    """Return the mean of a per-problem contrast, its parts cut to the problems it covers.

    Args:
        per_problem: The contrast of each problem, seeds averaged.
        parts: The scores `[seeds, problems]` it was made of; they may cover more problems.
        clusters: Cluster code of every problem of the split; None where each stands alone.
        level: Nominal coverage, in (0, 1).
    """
    parts = first(per_problem.size, *parts)
    return contrast(per_problem, parts=parts, clusters=_cut(clusters, per_problem), level=level)


def level_of(scores: Floats, clusters: Ints | None, *, level: float = 0.95) -> Figure:
    """Return a mean over seeds and problems; one seed is a proportion, several a paired t.

    Args:
        scores: Scores in [0, 1], `[problems]` or `[seeds, problems]`.
        clusters: Cluster code of every problem of the split; None where each stands alone.
        level: Nominal coverage, in (0, 1).
    """
    rows = np.atleast_2d(scores)
    if rows.shape[0] == 1:
        return proportion(rows[0], clusters=_cut(clusters, rows), level=level)
    figure = paired(rows, np.zeros(rows.shape[1]), clusters=clusters, level=level)
    return Figure(figure.value, max(figure.low, 0.0), min(figure.high, 1.0), figure.n)


def _cut(clusters: Ints | None, scores: Floats) -> Ints | None:
    return None if clusters is None else clusters[: scores.shape[-1]]
