"""What an accuracy is worth in samples of the plain model: by majority vote, and by pass@k."""

import numpy as np

from modicum.analysis.evidence import Samples
from modicum.analysis.gap import opened
from modicum.analysis.pairing import first
from modicum.analysis.verdict import Worth
from modicum.stats import (
    Figure,
    Floats,
    Resamples,
    pass_curve,
    percentile_figure,
    powers_of_two,
    resampled_mean,
)

__all__ = ["PlainCurves", "plain_curves", "samples_worth"]

BLOCKS = 8
"""Most blocks of k samples, none in two of them, whose votes are averaged."""

PlainCurves = tuple[tuple[int, ...], Floats, Floats]
"""Numbers of samples k, and accuracy of the vote and pass@k, each `[problems, ks]`."""


def plain_curves(samples: Samples) -> PlainCurves:
    """Return what voting over k plain samples scores on each problem, and their pass@k."""
    n = samples.n_samples
    ks = powers_of_two(n)
    votes = []
    for k in ks:
        starts = range(0, k * min(n // k, BLOCKS), k)
        each = [samples.voted(start, k) for start in starts]
        votes.append(np.mean(each, axis=0))
    return ks, np.stack(votes, axis=1), pass_curve(samples.hits, n, ks)


def samples_worth(scores: Floats, curves: PlainCurves, resamples: Resamples) -> Worth:
    """Return the k at which voting, and pass@k, reach the accuracy of a rung.

    Both on the problems that were sampled on, neither corrected for guessing. Between powers of
    two the curves are joined on the log scale; the vote's is made monotone, for the first k that
    reaches it is asked for.

    Args:
        scores: Scores of the rung, `[seeds, problems]` or `[problems]`.
        curves: What the plain samples give.
        resamples: Shared resamples of the problems.
    """
    ks, votes, passes = curves
    scores = first(resamples.n_problems, scores)[0]
    reached = resampled_mean(scores, resamples, stream=2)

    def at(curve: Floats) -> Figure:
        means = np.stack([resampled_mean(c, resamples) for c in curve.T], axis=1)
        line, level = curve.mean(axis=0)[None], float(scores.mean())
        value = _crossing(line, np.array([level]), ks)[0]
        found = percentile_figure(float(value), _crossing(means, reached, ks), resamples.n_problems)
        if found.high > found.low or not 1 < found.value < np.inf:
            return found  # "at most 1" and "more than all" are bounds already
        open_by = opened(Figure(level, level, level, found.n))
        ends = np.clip([open_by.low, open_by.high], 0.0, 1.0)
        low, high = (float(_crossing(line, end[None], ks)[0]) for end in ends)
        return Figure(found.value, min(low, found.low), max(high, found.high), found.n)

    return Worth(at(votes), at(passes), ks[-1])


def _crossing(means: Floats, levels: Floats, ks: tuple[int, ...]) -> Floats:
    """Return the first k at which each row's rising curve reaches its level; `inf` if never."""
    rising = np.maximum.accumulate(means, axis=1)
    is_reached = rising >= levels[:, None] - 1e-9
    place = is_reached.argmax(axis=1)
    rows, before = np.arange(len(means)), np.maximum(place - 1, 0)
    low, high = rising[rows, before], rising[rows, place]
    step = np.where(high > low, high - low, 1.0)
    part = np.where(place > 0, np.clip((levels - low) / step, 0.0, 1.0), 0.0)
    log_k = np.log2(np.asarray(ks, dtype=np.float64))
    found = log_k[before] + part * (log_k[place] - log_k[before])
    return np.where(is_reached.any(axis=1), 2.0**found, np.inf)
