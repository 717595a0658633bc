"""Paired contrasts of two systems on the same problems, over problems and seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from modicum.stats.arrays import Floats, Ints
from modicum.stats.figure import Figure

__all__ = [
    "SeedSpread",
    "cluster_variance",
    "contrast",
    "disagree",
    "paired_difference",
    "seed_spread",
    "t_interval",
    "welch_degrees",
]

FEW_SEEDS = 5
"""Seeds below which their own points are said where they disagree."""
DISAGREE = 0.2
"""Range of the seeds' figures beyond which they do."""


def cluster_variance(scores: Floats, clusters: Ints | None = None) -> float:
    """Return the variance of a mean over problems, with whole clusters as the units.

    Args:
        scores: One number a problem.
        clusters: Cluster code of each problem; None where each problem stands alone.

    Returns:
        The squared standard error; infinite where there are fewer than two units.

    Source: Miller 2024, arXiv 2411.00640, section 2.2, with the factor C / (C - 1).
    """
    residual = scores - scores.mean()
    if clusters is not None:
        _, codes = np.unique(clusters, return_inverse=True)
        residual = np.bincount(codes, weights=residual)
    units = residual.size
    if units < 2:
        return math.inf
    return float(units / (units - 1) * (residual @ residual)) / scores.size**2


@dataclass(frozen=True)
class SeedSpread:
    """How much seeds contribute to the variance of a mean over seeds and problems."""

    total: float
    """Variance of the mean as the spread of the seeds' means shows it, noise included."""
    noise: float
    """The part of it that is noise of single answers, which problems' means hold as well."""
    degrees: int
    """Degrees of freedom of `total`: seeds - 1; 0 where there is one seed."""


def seed_spread(scores: Floats) -> SeedSpread:
    """Return the seeds' contribution to the variance of a mean.

    In the crossed design seeds x problems the variance of the mean is the sum of three parts:
    seeds, problems, single answers. The spread of the seeds' means estimates the first and
    third together, that of the problems' means the second and third.

    Args:
        scores: Scores `[seeds, problems]`, or `[problems]` for one seed, which gives 0.

    Source: Searle, Casella, McCulloch 1992, Variance Components, section 4.3 (two-way crossed).
    """
    if scores.ndim == 1 or scores.shape[0] < 2 or scores.shape[1] < 2:
        return SeedSpread(0.0, 0.0, 0)
    seeds, problems = scores.shape
    by_seed, by_problem = scores.mean(axis=1), scores.mean(axis=0)
    mean = float(by_seed.mean())
    squares = float((scores**2).sum()) - seeds * problems * mean**2
    between_seeds = problems * float(((by_seed - mean) ** 2).sum())
    between_problems = seeds * float(((by_problem - mean) ** 2).sum())
    rest = max(squares - between_seeds - between_problems, 0.0)
    cells = seeds * problems
    noise = rest / ((seeds - 1) * (problems - 1)) / cells
    return SeedSpread(between_seeds / (seeds - 1) / cells, noise, seeds - 1)


def welch_degrees(spreads: list[SeedSpread]) -> float:
    """Return the degrees of freedom of a sum of variances, each from its own set of seeds.

    Between the smallest set's and the sum of all; 1 where there is no spread at all.

    Source: Welch 1947, Biometrika 34, 28-35.
    """
    shared = sum(s.total**2 / s.degrees for s in spreads if s.degrees)
    return sum(s.total for s in spreads) ** 2 / shared if shared > 0 else 1.0


def disagree(points: Sequence[float]) -> bool:
    """Say whether so few seeds lie so far apart that their own points say more than an interval.

    Args:
        points: One figure a seed, as a share: a score, or a difference of scores.
    """
    return 1 < len(points) < FEW_SEEDS and max(points) - min(points) > DISAGREE


def paired_difference(
    first: Floats,
    second: Floats,
    *,
    clusters: Ints | None = None,
    level: float = 0.95,
) -> Figure:
    """Return the mean difference of two systems on the same problems with its interval.

    The reach adds, in squares, that of the problems (or clusters) and that of the seeds, each
    with its own Student's t, so that three seeds that disagree give an honestly wide interval
    (two t's of few and many degrees pooled by Satterthwaite's rule cover only 0.83 to 0.90 in
    simulation). Two pseudo-problems, one won and one lost, enter the variance: without
    them a dozen problems without any difference would give an interval of width 0.

    Args:
        first: Scores in [0, 1], `[problems]` or `[seeds, problems]`.
        second: The same for the other system; the number of seeds may differ.
        clusters: Cluster code of each problem; None where each problem stands alone.
        level: Nominal coverage, in (0, 1).

    Raises:
        ValueError: If the two cover different numbers of problems.

    Source: Bonett and Price 2012, J. Educ. Behav. Stat. 37, 479-488, equation 4 (the two
        pseudo-problems); Welch 1947 (several sets of seeds).
    """
    if first.shape[-1] != second.shape[-1]:
        raise ValueError(
            f"found {first.shape[-1]} and {second.shape[-1]} problems; expected the same problems"
        )
    difference = np.atleast_2d(first).mean(axis=0) - np.atleast_2d(second).mean(axis=0)
    return contrast(difference, parts=(first, second), clusters=clusters, level=level)


def contrast(
    per_problem: Floats,
    *,
    parts: tuple[Floats, ...] = (),
    clusters: Ints | None = None,
    level: float = 0.95,
    are_shares: bool = True,
) -> Figure:
    """Return the mean of a per-problem contrast, with the seeds' noise of its parts.

    Args:
        per_problem: The contrast of each problem, seeds averaged; mostly within [-1, 1].
        parts: The scores `[seeds, problems]` it was made of, each with weight 1 or -1.
        clusters: Cluster code of each problem; None where each problem stands alone.
        level: Nominal coverage, in (0, 1).
        are_shares: Whether scores lie in [0, 1], so that two pseudo-problems, one won and one lost, enter;
            losses have no such scale.
    """
    problems = per_problem.size
    units = problems if clusters is None else np.unique(clusters).size
    mean = float(per_problem.mean())
    if units < 2:
        return Figure(mean, -math.inf, math.inf, problems)
    size = problems / units
    spreads = [seed_spread(scores) for scores in parts]
    over_seeds = sum(s.total for s in spreads)
    over_problems = cluster_variance(per_problem, clusters) - sum(s.noise for s in spreads)
    over_problems = max(over_problems, 0.0)
    if are_shares:
        over_problems = (over_problems * problems**2 + 2 * size**2) / (problems + 2 * size) ** 2
    tail = (1 + level) / 2
    square = float(special.stdtrit(units - 1, tail)) ** 2 * over_problems
    if over_seeds > 0:
        square += float(special.stdtrit(welch_degrees(spreads), tail)) ** 2 * over_seeds
    reach = math.sqrt(square)
    return Figure(mean, mean - reach, mean + reach, problems)


def t_interval(points: Floats, *, level: float = 0.95) -> Figure:
    """Return the mean over seeds with Student's t interval; n is the number of seeds.

    Under five seeds this interval, and all points beside it, is what can honestly be printed.

    Args:
        points: One score a seed.
        level: Nominal coverage, in (0, 1).

    Raises:
        ValueError: If there is no point.
    """
    if points.size == 0:
        raise ValueError("found no seed; expected at least one point")
    mean = float(points.mean())
    if points.size == 1:
        return Figure(mean, -math.inf, math.inf, 1)
    reach = float(special.stdtrit(points.size - 1, (1 + level) / 2))
    reach *= float(points.std(ddof=1)) / math.sqrt(points.size)
    return Figure(mean, mean - reach, mean + reach, points.size)
