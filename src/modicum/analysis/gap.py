"""The gap between floor and ceiling, and the share of it that a rung recovers."""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from modicum.analysis.pairing import first, level_of
from modicum.stats import (
    Figure,
    Floats,
    Resamples,
    contrast,
    percentile_figure,
    resampled_mean,
)

__all__ = [
    "NOISE_LIMIT",
    "GapTop",
    "ceiling_figure",
    "correct_guessing",
    "gap_recovered",
    "opened",
    "share_of_ceiling",
]

NOISE_LIMIT = 3.0
"""Standard errors by which a gap must exceed 0 to be divided by."""
_NO_WIDTH = 1e-9
"""Width of an interval that comes from rounding alone."""
NEAR_TOP = 0.25
"""Share of the gap within which a rung is near its top, where few problems part the two."""


@dataclass(frozen=True, eq=False)
class GapTop:
    """The top of the gap: what the model was shown to reach, and by what."""

    source: str
    """`sampling`, `forced`, `majority`, or the name of the best rung."""
    k: int
    """Tries a problem: the k of pass@k, 1 for everything else."""
    scores: Floats
    """Scores `[problems]` or `[seeds, problems]`, not corrected for guessing."""
    luck: Floats
    """Luck null at the same k, one a problem."""
    own: Floats | None = None
    """The source's own scores, where `scores` are another's on some of the problems: intervals hold
    both, for which of near-equal rungs is the best is not known."""

    def on(self, n: int) -> "GapTop":
        """Return the ceiling on the first n problems."""
        scores, luck = first(n, self.scores, self.luck)
        own = None if self.own is None else first(n, self.own)[0]
        return replace(self, scores=scores, luck=luck, own=own)

    @property
    def alone(self) -> "GapTop":
        """The source read by its own scores; the same ceiling where it is."""
        return self if self.own is None else replace(self, scores=self.own, own=None)


def correct_guessing(score: float | Floats, guess: float | Floats) -> Floats:
    """Return a score corrected for guessing, (x - guess) / (1 - guess), never clipped.

    Args:
        score: Mean score in [0, 1].
        guess: Mean luck null at the same number of tries, in [0, 1).
    """
    return np.asarray((score - np.asarray(guess)) / np.maximum(1 - np.asarray(guess), 1e-12))


def ceiling_figure(ceiling: GapTop, resamples: Resamples, *, level: float = 0.95) -> Figure:
    """Return the ceiling corrected for guessing with its interval, on the resamples' problems."""
    ceiling = ceiling.on(resamples.n_problems)
    value = correct_guessing(float(ceiling.scores.mean()), float(ceiling.luck.mean()))
    replicates = correct_guessing(
        resampled_mean(ceiling.scores, resamples, stream=1), resampled_mean(ceiling.luck, resamples)
    )
    found = percentile_figure(float(value), replicates, resamples.n_problems, level=level)
    widened = _widened(found, ceiling, level)
    if ceiling.own is None:
        return widened
    return _with(widened, ceiling_figure(ceiling.alone, resamples, level=level))


def _with(figure: Figure, other: Figure) -> Figure:
    """Give a figure whose interval holds that of another reading of it, too."""
    return replace(figure, low=min(figure.low, other.low), high=max(figure.high, other.high))


def _widened(found: Figure, ceiling: GapTop, level: float) -> Figure:
    """Return an interval that holds what was not drawn, too: it cannot be resampled.

    Fifty of fifty right would give an interval without width. Two pseudo-problems, one won and one
    lost, are the least that any number of problems leaves open. Of a score, rather than of pass@k, the
    interval of the score itself is the least: that of a proportion, or over few seeds.
    """
    guess = float(ceiling.luck.mean())
    reach = _unseen(found.n, level) / max(1 - guess, 1e-12)
    lows, highs = [found.low, found.value - reach], [found.high, min(found.value + reach, 1.0)]
    if ceiling.k == 1:
        plain = level_of(ceiling.scores, None, level=level)
        lows.append(float(correct_guessing(plain.low, guess)))
        highs.append(float(correct_guessing(plain.high, guess)))
    return Figure(found.value, min(lows), max(highs), found.n)


def opened(figure: Figure, *, level: float = 0.95) -> Figure:
    """Give a figure of the bootstrap the width that its problems leave open, where it has none.

    Constant zeros and ones cannot be resampled into anything else; two pseudo-problems can. Figures
    that have a width stay as they are.

    >>> opened(Figure(1.0, 1.0, 1.0, 400)).low < 1 < opened(Figure(1.0, 1.0, 1.0, 400)).high
    True
    """
    if figure.high - figure.low > _NO_WIDTH or not math.isfinite(figure.value):
        return figure
    reach = _unseen(figure.n, level)
    return replace(figure, low=figure.value - reach, high=figure.value + reach)


def _unseen(n: int, level: float) -> float:
    """Give how far n problems leave a mean open that did not vary among them, as a share."""
    return float(special.ndtri((1 + level) / 2)) * math.sqrt(2) / (n + 2)


def gap_recovered(
    scores: Floats,
    base: Floats,
    ceiling: GapTop,
    luck_1: Floats,
    resamples: Resamples,
    *,
    level: float = 0.95,
) -> Figure | None:
    """Return the share of the gap that a rung recovers, or None where the gap is within noise.

    (score - floor) / (ceiling - floor), each corrected for guessing, bootstrapped as a ratio
    over problems and seeds, never clipped: a rung can beat the ceiling. The interval is as wide as
    two pseudo-problems at least: ten of ten right do not say what the eleventh would be. All are read on
    the problems of the resamples, the first ones where arrays cover more.

    Args:
        scores: Scores of the rung (or of a twin), `[seeds, problems]` or `[problems]`.
        base: Zero of the gap, `[problems]`: the floor; for a prompt style the default.
        ceiling: Top of the gap.
        luck_1: Luck null at 1, one a problem.
        resamples: Shared resamples of the problems.
        level: Nominal coverage, in (0, 1).
    """
    is_top = scores is ceiling.scores
    ceiling = ceiling.on(resamples.n_problems)
    scores, base, luck_1 = first(resamples.n_problems, scores, base, luck_1)
    guess = resampled_mean(luck_1, resamples)
    low = correct_guessing(resampled_mean(base, resamples), guess)
    reached = correct_guessing(resampled_mean(scores, resamples, stream=int(is_top)), guess)
    guess_k = resampled_mean(ceiling.luck, resamples)
    top = correct_guessing(resampled_mean(ceiling.scores, resamples, stream=1), guess_k)
    guess_mean = float(luck_1.mean())
    low_mean = float(correct_guessing(float(base.mean()), guess_mean))
    gap = float(correct_guessing(float(ceiling.scores.mean()), float(ceiling.luck.mean())))
    gap -= low_mean
    # A floor under the error: identical zeros on few problems have no spread, yet prove little.
    error = max(_spread(top - low), math.sqrt(2) / (resamples.n_problems + 2))
    if gap <= NOISE_LIMIT * error:
        return None
    value = (float(correct_guessing(float(scores.mean()), guess_mean)) - low_mean) / gap
    width = top - low
    replicates = np.where(width > 0, (reached - low) / np.where(width > 0, width, 1.0), np.nan)
    found = percentile_figure(value, replicates, resamples.n_problems, level=level)
    unit = max(1 - guess_mean, 1e-12) * gap
    reach = _unseen(found.n, level) / unit
    lows, highs = [found.low, value - reach], [found.high, value + reach]
    if ceiling.k == 1 and abs(1 - value) <= NEAR_TOP:
        # how far behind the top, as problems alone tell: near it the bootstrap sees too few that fail
        top_scores, own = (
            each if each.ndim == 1 else each.mean(axis=0) for each in (ceiling.scores, scores)
        )
        behind = contrast(top_scores - own, level=level)
        lows.append(value - (behind.high - behind.value) / unit)
        highs.append(value + (behind.value - behind.low) / unit)
    figure = Figure(value, min(lows), max(highs), found.n)
    if ceiling.own is None:
        return figure
    alone = gap_recovered(scores, base, ceiling.alone, luck_1, resamples, level=level)
    return figure if alone is None else _with(figure, alone)


def share_of_ceiling(
    default: Floats, ceiling: GapTop, luck_1: Floats, resamples: Resamples
) -> Figure:
    """Return default / ceiling, both corrected for guessing, with its 95 % interval.

    Both are read on the problems of the resamples, the first ones where arrays cover more.
    """
    ceiling = ceiling.on(resamples.n_problems)
    default, luck_1 = first(resamples.n_problems, default, luck_1)
    guess = resampled_mean(luck_1, resamples)
    reached = correct_guessing(resampled_mean(default, resamples), guess)
    guess_k = resampled_mean(ceiling.luck, resamples)
    top = correct_guessing(resampled_mean(ceiling.scores, resamples, stream=1), guess_k)
    value = float(correct_guessing(float(default.mean()), float(luck_1.mean())))
    value /= max(
        float(correct_guessing(float(ceiling.scores.mean()), float(ceiling.luck.mean()))), 1e-12
    )
    replicates = np.where(top > 0, reached / np.where(top > 0, top, 1.0), np.nan)
    return percentile_figure(value, replicates, resamples.n_problems)


def _spread(replicates: Floats) -> float:
    """Return the standard error from resampled values, by its middle.

    Three seeds put heavy tails into the replicates, whose plain deviation would be unstable;
    the middle 68 % of a normal span 1.989 deviations.
    """
    first, third = np.quantile(replicates, [0.16, 0.84])
    return float(third - first) / 1.989
