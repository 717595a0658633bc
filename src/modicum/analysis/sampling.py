"""What sampling says by itself: above both nulls, contested, ruled out, open or silent."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from modicum.analysis.evidence import Samples
from modicum.analysis.nulls import luck, near_miss
from modicum.stats import Figure, Floats, Ints, contrast, pass_curve, powers_of_two, proportion

__all__ = [
    "DOUBT_LEVEL",
    "NEAR_FACTOR",
    "NULL_LIMIT",
    "SMALLEST_ABILITY",
    "SampledEvidence",
    "State",
    "sampled",
]

NULL_LIMIT = 0.2
"""Largest mean of either null at which pass@k still says something."""
NEAR_FACTOR = 2.0
"""How many times the near-miss rate the gold must be hit. A model that knows only the size
centers its guesses on the gold, which is then hit up to twice as often as the average wrong
answer that shows up (1.6 to 2.0 for normal spreads of 2 to 10 values); a sampled ability is
hit far more often."""
SMALLEST_ABILITY = 0.03
"""Sampled pass@1 that must not be overlooked, on half of the problems at least."""
DOUBT_LEVEL = 0.5
"""Level at which a gold singled out among rarer wrong answers forbids *absent*: low, since the
doubt must be cheap to raise, and it can only lead to *undecided*."""

State: TypeAlias = Literal["above", "contested", "ruled_out", "open", "silent"]
"""`above` both nulls; `contested`: above luck, not above near miss; `ruled_out`: so low that
an ability of the smallest size is excluded; `open`: too few samples or problems to say;
`silent`: luck at 1 is above the limit, so that pass@k says nothing (yes/no, four choices)."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SampledEvidence:
    """Pass@k and its nulls at the ceiling's k, and what follows."""

    state: State
    """What sampling says by itself."""
    is_singled_out: bool
    """Where contested or open: whether the gold is still hit far more often than wrong answers once
    each problem's most frequent one is left out. Then absent cannot be said."""
    k: int
    """Largest power of two within half of the samples with both nulls within the limit; 1
    where none is."""
    pass_k: Figure
    """Mean unbiased pass@k, not corrected for guessing."""
    luck: Figure
    """Mean luck null at the same k."""
    near_miss: Figure
    """Mean near-miss null at the same k."""
    hits: Floats
    """Pass@k of each problem."""
    luck_k: Floats
    """Luck null at k of each problem."""
    luck_1: Floats
    """Luck null at 1 of each problem: the guessing level of every single answer."""
    near_1: Floats
    """Near-miss null at 1 of each problem."""
    ks: tuple[int, ...]
    """All powers of two up to the number of samples."""
    pass_curve: tuple[float, ...]
    """Mean pass@k at each of `ks`."""
    luck_curve: tuple[float, ...]
    """Mean luck null at each of `ks`."""
    near_curve: tuple[float, ...]
    """Mean near-miss null at each of `ks` up to half of the samples."""


def sampled(
    samples: Samples, *, clusters: Ints | None = None, level: float = 0.95
) -> SampledEvidence:
    """Read what the samples say by themselves.

    Args:
        samples: The sampled answers, at least two a problem.
        clusters: Cluster code of each problem; None where each problem stands alone.
        level: Level of the intervals; `above` needs both lower ends above 0.

    Raises:
        ValueError: If there is only one sample a problem.
    """
    n = samples.n_samples
    if n < 2:
        raise ValueError(f"found {n} sample a problem; expected at least 2")
    ks = powers_of_two(n)
    inner = powers_of_two(n // 2)
    passes = pass_curve(samples.hits, n, ks)
    lucks, nears = luck(samples, ks), near_miss(samples, inner)
    luck_means, near_means = lucks.mean(axis=0), nears.mean(axis=0)
    usable = [i for i in range(len(inner)) if max(luck_means[i], near_means[i]) <= NULL_LIMIT]
    at = usable[-1] if usable else 0
    hits, luck_k, near_k = passes[:, at], lucks[:, at], nears[:, at]
    over_luck = contrast(hits - luck_k, clusters=clusters, level=level)
    over_near = contrast(hits - NEAR_FACTOR * near_k, clusters=clusters, level=level)
    state = _state(over_luck, over_near, ks[at])
    # Only guessing hides what sampling reaches; too few samples for the near-miss null do not.
    if luck_means[0] > NULL_LIMIT:
        state = "silent"
    is_singled_out = False
    if state in ("contested", "open"):
        typical = near_miss(samples, (ks[at],), is_mode_left_out=True)[:, 0]
        over_typical = contrast(hits - NEAR_FACTOR * typical, clusters=clusters, level=DOUBT_LEVEL)
        is_singled_out = over_typical.low > 0
    return SampledEvidence(
        state=state,
        is_singled_out=is_singled_out,
        k=ks[at],
        pass_k=proportion(hits, clusters=clusters, level=level),
        luck=proportion(luck_k, clusters=clusters, level=level),
        near_miss=proportion(near_k, clusters=clusters, level=level),
        hits=hits,
        luck_k=luck_k,
        luck_1=lucks[:, 0],
        near_1=nears[:, 0],
        ks=ks,
        pass_curve=_means(passes),
        luck_curve=_means(lucks),
        near_curve=_means(nears),
    )


def _state(over_luck: Figure, over_near: Figure, k: int) -> State:
    """Name the state from the two differences at k."""
    if over_luck.low > 0 and over_near.low > 0:
        return "above"
    if over_luck.high < 0.5 * (1 - (1 - SMALLEST_ABILITY) ** k):
        return "ruled_out"
    return "contested" if over_luck.low > 0 else "open"


def _means(curves: Floats) -> tuple[float, ...]:
    """Return the mean over problems at each k."""
    return tuple(float(mean) for mean in np.mean(curves, axis=0))
