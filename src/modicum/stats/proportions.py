"""Beta intervals for single proportions, of plain, shared and clustered problems."""

import numpy as np
from scipy import special

from modicum.stats.arrays import Floats, Ints
from modicum.stats.contrasts import cluster_variance
from modicum.stats.figure import Figure

__all__ = [
    "beta_interval",
    "proportion",
]

_FEW = 3
"""Successes or failures below which the exact bound widens the interval."""


def beta_interval(successes: float, trials: int, *, level: float = 0.95) -> Figure:
    """Return a single proportion with its Beta interval.

    The interval holds the middle `level` of Beta(1 + c, 1 + n - c); with fewer than three successes or
    failures the exact bound on that side as well: the first alone covers a rate of one in a thousand
    in four studies of five. With no success it starts at 0, with no failure it ends at 1,
    since a bound inside would exclude what was seen.

    Args:
        successes: Count c of successes, 0 to `trials`; fractions are allowed.
        trials: Count n of trials, at least 1.
        level: Share of the posterior inside the interval, in (0, 1).

    Raises:
        ValueError: If there is no trial or more successes than trials.

    Source: Bowyer, Aitchison, Ivanova 2025, arXiv 2503.01747, section 3; Clopper and
        Pearson 1934, Biometrika 26, 404-413 (the exact bound).
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"found {successes} of {trials}; expected 0 <= successes <= trials >= 1")
    low, high = _beta(successes, trials - successes, level)
    return Figure(successes / trials, low, high, trials)


def _beta(right: float, wrong: float, level: float) -> tuple[float, float]:
    """Return the ends of the Beta interval; where hardly any was right or wrong, the exact one's too."""
    tail = (1 - level) / 2
    low = float(special.betaincinv(1 + right, 1 + wrong, tail))
    high = float(special.betaincinv(1 + right, 1 + wrong, 1 - tail))
    if 0 < right < _FEW:
        low = min(low, float(special.betaincinv(right, 1 + wrong, tail)))
    if 0 < wrong < _FEW:
        high = max(high, float(special.betaincinv(1 + right, wrong, 1 - tail)))
    return (0.0 if right == 0 else low), (1.0 if wrong == 0 else high)


def proportion(scores: Floats, *, clusters: Ints | None = None, level: float = 0.95) -> Figure:
    """Return the mean of scores in [0, 1] over problems with its interval.

    Whole problems without clusters get the Beta interval. Where scores are shares or problems
    hang together in clusters the interval is still a Beta one, with the count of problems that
    independent draws would have needed for the same variance.

    Args:
        scores: One score a problem, in [0, 1].
        clusters: Cluster code of each problem; None where each stands alone.
        level: Nominal coverage, in (0, 1).

    Source: effective sample size as in Korn and Graubard 1998, Survey Methodology 24, 193-201.
    """
    scores = np.asarray(scores, dtype=np.float64)
    n = scores.size
    mean = float(scores.mean())
    if clusters is None and np.all((scores == 0) | (scores == 1)):
        return beta_interval(float(scores.sum()), n, level=level)
    variance = cluster_variance(scores, clusters)
    groups = n if clusters is None else np.unique(clusters).size
    plain = max(mean * (1 - mean), 1 / (n + 2) ** 2)
    # Shares such as pass@k vary less than yes/no answers do, and may count for more than n.
    most = 50.0 * n if clusters is None else float(n)
    effective = float(np.clip(plain / variance if variance > 0 else groups, 1.0, most))
    low, high = _beta(mean * effective, (1 - mean) * effective, level)
    return Figure(mean, low, high, n)
