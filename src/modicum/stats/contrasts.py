"""Paired contrasts of two systems on the same problems, over problems and seeds."""

import math

import numpy as np
from scipy import special

from modicum.stats.arrays import Floats, Ints
from modicum.stats.figure import Figure


def cluster_variance(scores: Floats, clusters: Ints | None = None) -> float:
    """Gives the variance of a mean over problems, with whole clusters as the units.

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


def seed_variance(scores: Floats) -> float:
    """Gives the part of a mean's variance that only further seeds can reduce.

    In the crossed design seeds x problems, the variance of the seeds' means holds sampling
    noise too; what is left after taking that off (never below 0) is due to seeds.

    Args:
        scores: Scores `[seeds, problems]`, or `[problems]` for one seed, which gives 0.

    Source: Searle, Casella, McCulloch 1992, Variance Components, section 4.3 (two-way crossed).
    """
    if scores.ndim == 1 or scores.shape[0] < 2 or scores.shape[1] < 2:
        return 0.0
    seeds, problems = scores.shape
    by_seed, by_problem = scores.mean(axis=1), scores.mean(axis=0)
    total = float((scores**2).sum()) - seeds * problems * float(by_seed.mean()) ** 2
    between_seeds = problems * float(((by_seed - by_seed.mean()) ** 2).sum())
    between_problems = seeds * float(((by_problem - by_seed.mean()) ** 2).sum())
    noise = (total - between_seeds - between_problems) / ((seeds - 1) * (problems - 1))
    excess = between_seeds / (seeds - 1) - max(noise, 0.0)
    return float(max(excess, 0.0) / (seeds * problems))


def paired_difference(
    first: Floats,
    second: Floats,
    *,
    clusters: Ints | None = None,
    level: float = 0.95,
) -> Figure:
    """Gives the mean difference of two systems on the same problems with its interval.

    The variance adds problems (or clusters) and the seeds of each side; the interval is
    Student's t with Satterthwaite's degrees of freedom, so that three seeds that disagree give
    an honestly wide one. Two pseudo-problems, one won and one lost, enter the variance: without
    them a dozen problems without any difference would give an interval of width 0.

    Args:
        first: Scores in [0, 1], `[problems]` or `[seeds, problems]`.
        second: The same for the other system; the number of seeds may differ.
        clusters: Cluster code of each problem; None where each problem stands alone.
        level: Nominal coverage, in (0, 1).

    Raises:
        ValueError: If the two cover different numbers of problems.

    Source: Bonett and Price 2012, J. Educ. Behav. Stat. 37, 479-488, equation 4 (the two
        pseudo-problems); Satterthwaite 1946.
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
) -> Figure:
    """Gives the mean of a per-problem contrast, with the seeds' noise of its parts.

    Args:
        per_problem: The contrast of each problem, seeds averaged; mostly within [-1, 1].
        parts: The scores `[seeds, problems]` it was made of, each with weight 1 or -1.
        clusters: Cluster code of each problem; None where each problem stands alone.
        level: Nominal coverage, in (0, 1).
    """
    problems = per_problem.size
    units = problems if clusters is None else np.unique(clusters).size
    mean = float(per_problem.mean())
    if units < 2:
        return Figure(mean, -math.inf, math.inf, problems)
    over_problems = cluster_variance(per_problem, clusters)
    size = problems / units
    over_problems = over_problems * problems**2 + 2 * size**2
    over_problems /= (problems + 2 * size) ** 2
    variance, shared = over_problems, over_problems**2 / (units - 1)
    for scores in parts:
        extra = seed_variance(scores)
        if extra > 0:
            variance += extra
            shared += extra**2 / (scores.shape[0] - 1)
    reach = float(special.stdtrit(variance**2 / shared, (1 + level) / 2)) * math.sqrt(variance)
    return Figure(mean, mean - reach, mean + reach, problems)


def t_interval(points: Floats, *, level: float = 0.95) -> Figure:
    """Gives the mean over seeds with Student's t interval; n is the number of seeds.

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
