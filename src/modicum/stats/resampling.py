"""Paired, clustered bootstrap: one set of resampled problems serves every statistic."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from modicum.stats.arrays import Floats, Ints
from modicum.stats.contrasts import seed_spread
from modicum.stats.figure import Figure

__all__ = [
    "STREAMS",
    "Resamples",
    "bootstrap",
    "percentile_figure",
    "resample",
    "resampled_mean",
]

STREAMS = 16
"""Columns of uniforms: how many scores of one statistic can have seed noise of their own."""


@dataclass(frozen=True, eq=False)
class Resamples:
    """Resampled problems, shared by all statistics of a study so that they stay paired."""

    weights: Floats
    """Weight of each problem in each resample, `[resamples, problems]`; rows sum to 1."""
    uniforms: Floats
    """Uniform draws `[resamples, STREAMS]` for the seeds' noise of the scores in a statistic."""

    @property
    def n_problems(self) -> int:
        """Count of problems."""
        return int(self.weights.shape[1])


def resample(
    rng: np.random.Generator,
    n_problems: int,
    *,
    clusters: Ints | None = None,
    n_resamples: int = 2000,
) -> Resamples:
    """Draws problems, or whole clusters, with replacement.

    Args:
        rng: Stream of the draws; the caller names it, there is no default.
        n_problems: Count of problems, at least 1.
        clusters: Cluster code of each problem; None where each problem stands alone.
        n_resamples: How many resamples; 2,000 give a 95 % interval to about 0.1 of its width.

    Raises:
        ValueError: If there is no problem.

    Source: Davison and Hinkley 1997, Bootstrap Methods, section 3.8 (whole clusters).
    """
    if n_problems < 1:
        raise ValueError("found no problem; expected at least one")
    codes = np.arange(n_problems)
    if clusters is not None:
        codes = np.unique(clusters, return_inverse=True)[1]
    units = int(codes.max()) + 1
    draws = rng.integers(0, units, size=(n_resamples, units))
    draws += units * np.arange(n_resamples)[:, None]
    counts = np.bincount(draws.ravel(), minlength=n_resamples * units)
    weights = counts.reshape(n_resamples, units)[:, codes].astype(np.float64)
    weights /= weights.sum(axis=1, keepdims=True)
    return Resamples(weights, rng.random((n_resamples, STREAMS)))


def resampled_mean(
    scores: Floats, resamples: Resamples, *, stream: int = 0, degrees: float | None = None
) -> Floats:
    """Return the mean of scores in each resample, with the seeds' own noise added.

    Resampling three seeds would understate their spread, so their part of the variance enters
    as Student's t with one degree of freedom less than seeds. It holds the noise of single
    answers, which is therefore taken out of the resampled problems.

    Args:
        scores: Scores `[problems]` or `[seeds, problems]`.
        resamples: The shared resamples.
        stream: Column of uniforms for the seeds' noise: two scores with the same column share
            their noise, which is right only where they are the same runs.
        degrees: Degrees of freedom of the seeds' noise where several sets of seeds enter one
            statistic (`welch_degrees`); None takes this set's own.
    """
    if scores.ndim == 1:
        return np.asarray(resamples.weights @ scores)
    by_problem = scores.mean(axis=0)
    means: Floats = resamples.weights @ by_problem
    spread = seed_spread(scores)
    if spread.total == 0:
        return means
    mean, variance = by_problem.mean(), means.var()
    kept = math.sqrt(max(1 - spread.noise / variance, 0.0)) if variance > 0 else 1.0
    noise = special.stdtrit(degrees or spread.degrees, resamples.uniforms[:, stream])
    return np.asarray(mean + kept * (means - mean) + math.sqrt(spread.total) * noise)


def percentile_figure(value: float, replicates: Floats, n: int, *, level: float = 0.95) -> Figure:
    """Return an estimate with the percentile interval of its resampled values.

    Args:
        value: The estimate on all problems.
        replicates: Its value in each resample; NaN where undefined, which is left out.
        n: Count of problems.
        level: Nominal coverage, in (0, 1).
    """
    kept = replicates[~np.isnan(replicates)]
    if kept.size == 0:
        return Figure(value, -np.inf, np.inf, n)
    tail = (1 - level) / 2
    # A sorted pick, not an interpolation: values may be infinite where a threshold is censored.
    low, high = np.quantile(kept, [tail, 1 - tail], method="inverted_cdf")
    return Figure(value, float(low), float(high), n)


def bootstrap(
    columns: tuple[Floats, ...],
    statistic: Callable[..., Floats],
    resamples: Resamples,
    *,
    level: float = 0.95,
) -> Figure:
    """Return a statistic of several means over the same problems with its interval.

    Args:
        columns: Scores `[problems]` or `[seeds, problems]`, one array a mean.
        statistic: Function of the means, vectorised: takes and gives arrays `[resamples]`.
        resamples: The shared resamples.
        level: Nominal coverage, in (0, 1).

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, section 13.3.
    """
    means = [resampled_mean(c, resamples, stream=i % STREAMS) for i, c in enumerate(columns)]
    value = statistic(*(np.asarray([c.mean()]) for c in columns))
    return percentile_figure(float(value[0]), statistic(*means), resamples.n_problems, level=level)
