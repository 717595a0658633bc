"""Power laws of losses: exponents, their ratios, losses at equal costs; intervals over windows and seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from modicum.stats.arrays import Floats, Ints
from modicum.stats.figure import Figure
from modicum.stats.resampling import percentile_figure

__all__ = [
    "LossDraws",
    "PowerLaw",
    "drawn_losses",
    "exponent_ratio",
    "frontier",
    "interpolated",
    "power_law",
]

_LOST = 0.05
"""Share of resamples in which a loss may lie below the offset; with more nothing is fitted."""
_GRID = 33
_REFINED = 5


@dataclass(frozen=True, eq=False)
class LossDraws:
    """Mean losses of several trainings, and how they might have come out."""

    found: Floats
    """Mean over seeds and windows, `[points]`."""
    drawn: Floats
    """The same in each resample, `[points, resamples]`."""
    n: int
    """Windows behind each."""

    def figure(self, point: int) -> Figure:
        """Return a mean loss with its 95 % interval."""
        return percentile_figure(float(self.found[point]), self.drawn[point], self.n)

    def taken(self, points: Sequence[int] | Ints) -> "LossDraws":
        """Return some of the points."""
        at = np.asarray(points, dtype=np.int64)
        return LossDraws(self.found[at], self.drawn[at], self.n)


@dataclass(frozen=True, eq=False)
class PowerLaw:
    """`loss = offset + scale * x ** -exponent`."""

    exponent: Figure
    scale: float
    offset: float
    exponents: Floats
    """The exponent in each resample, `[resamples]`; NaN where a loss lies below the offset."""

    def at(self, x: Floats) -> Floats:
        """Return the fitted losses at places."""
        found: Floats = self.offset + self.scale * x**-self.exponent.value
        return found


def drawn_losses(
    losses: Sequence[Floats], rng: np.random.Generator, *, n_resamples: int = 2000
) -> LossDraws:
    """Return mean losses and their resamples: windows together, seeds each for itself.

    All points are measured on the same windows, which are drawn with replacement for all of them at once,
    so that what makes a window hard cancels between points. Drawing two or three seeds with replacement
    would understate their spread; their noise is drawn from a normal law instead, whose relative variance
    is pooled over points and itself drawn (scaled inverse chi-square, degrees of freedom the sum of
    seeds - 1), as Bayes' rule with a flat prior on its logarithm has it. With one seed a point there is no
    such part, and the intervals are over windows alone.

    Args:
        losses: Above 0, `[seeds, windows]` each; the number of seeds may differ, that of windows not.
        rng: Stream of the draws.
        n_resamples: How many.

    Raises:
        ValueError: no point, or points on other windows.

    Source: Davison and Hinkley 1997, section 3.8 (windows as clusters); Gelman et al. 2013, Bayesian Data
        Analysis, section 3.2 (the scaled inverse chi-square).
    """
    sizes = {one.shape[1] for one in losses}
    if len(sizes) != 1:
        raise ValueError(f"found points on {sorted(sizes)} windows; expected all on the same ones")
    n = sizes.pop()
    counts = rng.multinomial(n, np.full(n, 1 / n), size=n_resamples) / n
    by_window = np.stack([one.mean(axis=0) for one in losses])
    found: Floats = by_window.mean(axis=1)
    drawn: Floats = by_window @ counts.T
    apart = [one.mean(axis=1) / mean - 1 for one, mean in zip(losses, found, strict=True)]
    degrees = sum(len(one) - 1 for one in apart)
    if degrees:
        spread = sum(float(((one - one.mean()) ** 2).sum()) for one in apart) / degrees
        scales = np.sqrt(spread * degrees / special.chdtri(degrees, rng.random(n_resamples)))
        of_mean = np.array([1 / math.sqrt(len(one)) for one in apart])[:, None]
        noise = rng.standard_normal((len(losses), n_resamples))
        drawn = drawn * np.exp(noise * of_mean * scales)
    return LossDraws(found, drawn, n)


def power_law(x: Floats, losses: LossDraws, offset: float | None = 0.0) -> PowerLaw | None:
    """Fit a power law by least squares between logarithms.

    Args:
        x: Places above 0, `[points]`, at least two different ones.
        losses: At those places.
        offset: What the loss falls to, taken as known; None fits it as well, in [0, the least loss), which
            takes at least 4 points.

    Returns:
        None where there are fewer places than the law has numbers and one more, or losses that lie below
        the offset.

    >>> x = np.array([1.0, 10.0, 100.0])
    >>> exact = LossDraws(1 + 2 * x**-0.5, np.tile(1 + 2 * x**-0.5, (9, 1)).T, 5)
    >>> law = power_law(x, exact, 1.0)
    >>> round(law.exponent.value, 6), round(law.scale, 6)
    (0.5, 2.0)
    """
    if len(np.unique(x)) < (3 if offset is not None else 4):
        return None
    both = np.concatenate((losses.found[:, None], losses.drawn), axis=1)
    at = np.full(both.shape[1], offset) if offset is not None else _offsets(np.log(x), both)
    slopes, levels, _ = _lines(np.log(x), both, at)
    if np.isnan(slopes[0]) or np.isnan(slopes).mean() > _LOST:
        return None
    exponents: Floats = -slopes[1:]
    exponent = percentile_figure(float(-slopes[0]), exponents, losses.n)
    return PowerLaw(exponent, float(np.exp(levels[0])), float(at[0]), exponents)


def exponent_ratio(first: PowerLaw, second: PowerLaw) -> Figure:
    """Return the ratio of two exponents, drawn on the same windows, with its 95 % interval.

    It is unbounded where the second exponent may be 0: then no finite interval holds it.

    Source: Fieller 1954, J. R. Stat. Soc. B 16, 175-185, for ratios without a bounded interval.
    """
    value = first.exponent.value / second.exponent.value if second.exponent.value else math.nan
    if second.exponent.low <= 0 <= second.exponent.high:
        return Figure(value, -math.inf, math.inf, first.exponent.n)
    return percentile_figure(value, first.exponents / second.exponents, first.exponent.n)


def frontier(costs: Floats, losses: Floats) -> Ints:
    """Return the points, cheapest first, that lose less than every cheaper one.

    Args:
        costs: `[points]`.
        losses: `[points]`; those of other windows than are reported, lest luck chooses.

    >>> frontier(np.array([4.0, 1.0, 2.0, 3.0]), np.array([0.5, 2.0, 2.5, 1.0])).tolist()
    [1, 3, 0]
    """
    kept: list[int] = []
    for point in np.lexsort((losses, costs)):
        if not kept or losses[point] < losses[kept[-1]]:
            kept.append(int(point))
    return np.array(kept, dtype=np.int64)


def interpolated(costs: Floats, losses: Floats, at: float) -> Floats:
    """Return losses at a cost between points, on straight lines between logarithms.

    Args:
        costs: Rising, above 0, `[points]`.
        losses: Above 0, `[points, resamples]`.
        at: Within the costs.

    Returns:
        `[resamples]`.

    Raises:
        ValueError: a cost outside.

    >>> interpolated(np.array([1.0, 100.0]), np.array([[4.0], [1.0]]), 10.0).tolist()
    [2.0]
    """
    if not costs[0] <= at <= costs[-1]:
        raise ValueError(f"found {at}; expected {costs[0]} to {costs[-1]}")
    above = int(np.clip(np.searchsorted(costs, at), 1, max(len(costs) - 1, 1)))
    if len(costs) == 1:
        return np.array(losses[0])
    low, high = math.log(costs[above - 1]), math.log(costs[above])
    share = (math.log(at) - low) / (high - low)
    found: Floats = np.exp((1 - share) * np.log(losses[above - 1]) + share * np.log(losses[above]))
    return found


def _lines(logs: Floats, losses: Floats, offsets: Floats) -> tuple[Floats, Floats, Floats]:
    """Return slope, level at 0 and squared error of each column's line between logarithms."""
    over = losses - offsets
    with np.errstate(invalid="ignore", divide="ignore"):
        y = np.where((over > 0).all(axis=0), np.log(np.where(over > 0, over, 1.0)), np.nan)
    x = logs - logs.mean()
    slopes: Floats = x @ y / (x @ x)
    middle = y.mean(axis=0)
    errors: Floats = ((y - middle - x[:, None] * slopes) ** 2).sum(axis=0)
    levels: Floats = middle - slopes * logs.mean()
    return slopes, levels, errors


def _offsets(logs: Floats, losses: Floats) -> Floats:
    """Return the offset of each column with the least squared error, by a grid that is made finer.

    The grid is of the offset's share of the least loss, even in the logarithm of what is left.
    """
    least = losses.min(axis=0)
    low, high = np.zeros(losses.shape[1]), np.full(losses.shape[1], 9.0)
    best = low
    for _ in range(_REFINED):
        tried = low + (high - low) * np.linspace(0, 1, _GRID)[:, None]
        errors = np.stack([_lines(logs, losses, least * -np.expm1(-one))[2] for one in tried])
        place = errors.argmin(axis=0)
        best = np.take_along_axis(tried, place[None], axis=0)[0]
        step = (high - low) / (_GRID - 1)
        low, high = np.maximum(best - step, 0.0), best + step
    found: Floats = least * -np.expm1(-best)
    return found
