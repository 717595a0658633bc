"""How well a score tells two groups apart, within strata and over clusters."""

import numpy as np

from modicum.stats.arrays import Bools, Floats, Ints
from modicum.stats.figure import Figure
from modicum.stats.resampling import percentile_figure, resample

__all__ = ["cohens_d", "separation"]


def separation(
    scores: Floats,
    positive: Bools,
    rng: np.random.Generator,
    *,
    strata: Ints | None = None,
    clusters: Ints | None = None,
) -> Figure | None:
    """Return the chance that a positive one scores above a negative one, ties half (AUC).

    Args:
        scores: One number a case.
        positive: Which cases are positive.
        rng: Stream of the bootstrap.
        strata: Codes; only pairs within one stratum count. One stratum where None.
        clusters: Codes of cases that belong together; each alone where None.

    Returns:
        The area with a percentile interval over clusters, n the number of cases in some pair; None
        where no stratum holds both kinds.

    Source: Hanley and McNeil 1982, the area under the ROC curve as a probability.
    """
    n = len(scores)
    codes = np.zeros(n, dtype=np.int64) if strata is None else strata
    pairs = (positive[:, None] & ~positive[None, :] & (codes[:, None] == codes[None, :])).astype(
        np.float64
    )
    if not pairs.any():
        return None
    above = np.sign(scores[:, None] - scores[None, :]) * 0.5 + 0.5
    weights = resample(rng, n, clusters=clusters).weights
    whole = np.einsum("bi,bi->b", weights @ pairs, weights)
    right = np.einsum("bi,bi->b", weights @ (pairs * above), weights)
    drawn = right[whole > 0] / whole[whole > 0]
    used = int((pairs.any(0) | pairs.any(1)).sum())
    return percentile_figure(float((pairs * above).sum() / pairs.sum()), drawn, used)


def cohens_d(first: Floats, second: Floats) -> float:
    """Return the difference of means, first less second, in pooled standard deviations.

    0 where the means are equal; infinite where they differ and nothing varies.

    Source: Cohen 1988, section 2.2.
    """
    gap = float(first.mean() - second.mean())
    spread = first.var(ddof=1) * (len(first) - 1) + second.var(ddof=1) * (len(second) - 1)
    pooled = float(np.sqrt(spread / (len(first) + len(second) - 2)))
    if gap == 0.0:
        return 0.0
    return gap / pooled if pooled > 0 else float(np.copysign(np.inf, gap))
