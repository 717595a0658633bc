"""The least data: the smallest n_shots that reaches a stated share of the gap."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from modicum.analysis.gap import GapTop, correct_guessing
from modicum.analysis.pairing import first
from modicum.stats import (
    STREAMS,
    Figure,
    Floats,
    Resamples,
    percentile_figure,
    resampled_mean,
    seed_spread,
    welch_degrees,
)

__all__ = [
    "FIT_LIMIT",
    "ITERATIONS",
    "Threshold",
    "between",
    "threshold",
]

FIT_LIMIT = 0.08
"""Largest root mean square distance of the fitted curve from the points, in shares of the gap;
beyond it the curve is not logistic and the points are joined instead."""

_NO_WIDTH = 1e-6
"""Width of an interval, as a share of its value, that comes from rounding alone."""

ITERATIONS = 12
"""Steps of damped least squares; more change no crossing by a hundredth of its interval."""


@dataclass(frozen=True)
class Threshold:
    """The n_shots at which a method reaches a share of the gap."""

    share: float
    """Share of the gap, such as 0.5 (n50) or 0.9 (n90)."""
    n_shots: Figure
    """Estimate with its interval, in shots; `inf` where not reached within the budgets tried.
    Never below the smallest budget tried, where it means "at most"."""
    is_censored: bool
    """True where the share is never reached: the threshold lies above the largest budget."""
    curve: Literal["logistic", "joined"]
    """Whether a logistic in log n was fitted or the points were joined monotonically."""


def between(reached: Figure | None, tried: Sequence[int]) -> tuple[int, int] | None:
    """Return the tried budgets between which a threshold lies: what lies there was not seen.

    None where it is a tried budget to a twentieth of it, or lies beyond them.

    >>> between(Figure(3.1, 1.0, 4.0, 100), [1, 4, 8]), between(Figure(4.0, 1.0, 8.0, 100), [1, 4, 8])
    ((1, 4), None)
    """
    if reached is None or not np.isfinite(reached.value):
        return None
    if any(abs(reached.value - n) <= 0.05 * n for n in tried):
        return None
    below = [n for n in tried if n < reached.value]
    above = [n for n in tried if n > reached.value]
    return (max(below), min(above)) if below and above else None


def threshold(
    points: tuple[tuple[int, Floats], ...],
    base: Floats,
    ceiling: GapTop,
    luck_1: Floats,
    resamples: Resamples,
    *,
    share: float,
) -> Threshold:
    """Return the smallest n_shots that reaches a share of the gap.

    A logistic in log n is fitted to the gap recovered at each budget, in the data and again in
    each resample of problems and seeds. Where it fits badly, or with fewer than three budgets,
    the points are made monotone and joined on the log scale.

    Args:
        points: Budgets of one method (n_shots at least 1) with scores `[seeds, problems]`.
        base: Zero of the gap, one a problem.
        ceiling: Top of the gap, which must not be within noise.
        luck_1: Luck null at 1, one a problem.
        resamples: Shared resamples of the problems.
        share: Share of the gap, in (0, 1).

    Raises:
        ValueError: If there is no budget or one below 1.

    Source: Donoway et al. 2025 (logistic in the log of the budget), with the top held at the
        gap, or at the best point where that lies higher.
    """
    points = tuple(sorted(points, key=lambda point: point[0]))
    if not points or points[0][0] < 1:
        raise ValueError("expected at least one budget, none below 1 shot")
    log_n = np.log([n for n, _ in points])
    every = Resamples(
        np.full((1, resamples.n_problems), 1 / resamples.n_problems), np.full((1, STREAMS), 0.5)
    )
    value_gains = _gains(points, base, ceiling, luck_1, every)
    gains = _gains(points, base, ceiling, luck_1, resamples)
    a, b, top = _fit(log_n, value_gains)
    residual = _logistic(log_n, a, b, top) - value_gains
    is_logistic = len(points) >= 3 and float(np.sqrt(np.mean(residual**2))) <= FIT_LIMIT
    cross = _cross_logistic if is_logistic else _cross_joined
    value = float(cross(log_n, value_gains, share)[0])
    replicates = cross(log_n, gains, share)
    figure = percentile_figure(value, replicates, resamples.n_problems)
    figure = _opened(figure, [n for n, _ in points])
    curve: Literal["logistic", "joined"] = "logistic" if is_logistic else "joined"
    return Threshold(share, figure, not np.isfinite(value), curve)


def _opened(figure: Figure, tried: Sequence[int]) -> Figure:
    """Begin an interval without width above the budget before: nothing was tried between the two."""
    if figure.high - figure.low > _NO_WIDTH * figure.value or not np.isfinite(figure.value):
        return figure
    below = [n for n in tried if n < figure.value * (1 - _NO_WIDTH)]
    return replace(figure, low=float(max(below, default=1)))


def _gains(
    points: tuple[tuple[int, Floats], ...],
    base: Floats,
    ceiling: GapTop,
    luck_1: Floats,
    resamples: Resamples,
) -> Floats:
    """Return the gap recovered at each budget in each resample, `[resamples, budgets]`."""
    n = resamples.n_problems
    is_top = [scores is ceiling.scores for _, scores in points]
    points = tuple((budget, first(n, scores)[0]) for budget, scores in points)
    (base, luck_1), ceiling = first(n, base, luck_1), ceiling.on(n)
    guess = resampled_mean(luck_1, resamples)
    low = correct_guessing(resampled_mean(base, resamples), guess)
    guess_k = resampled_mean(ceiling.luck, resamples)
    top = correct_guessing(resampled_mean(ceiling.scores, resamples, stream=1), guess_k)
    width = np.where(top - low > 0, top - low, np.nan)
    degrees = welch_degrees([seed_spread(scores) for _, scores in points])
    reached = []
    for i, (_, scores) in enumerate(points):
        # Runs at different budgets are different runs, so each gets its own seed noise.
        stream = 1 if is_top[i] else 2 + i % (STREAMS - 2)
        means = resampled_mean(scores, resamples, stream=stream, degrees=degrees)
        reached.append(correct_guessing(means, guess))
    return np.stack([(r - low) / width for r in reached], axis=1)


def _logistic(log_n: Floats, a: Floats, b: Floats, top: Floats) -> Floats:
    """Return top / (1 + exp(-a (log n - b))) for rows of parameters, `[rows, budgets]`."""
    z = np.clip(a[:, None] * (log_n[None, :] - b[:, None]), -50, 50)
    return np.asarray(top[:, None] / (1 + np.exp(-z)))


def _fit(log_n: Floats, gains: Floats) -> tuple[Floats, Floats, Floats]:
    """Fits slope a, middle b and top to each row of gains by damped least squares."""
    top = np.maximum(1.0, np.nan_to_num(gains).max(axis=1))
    shares = np.clip(gains / top[:, None], 0.02, 0.98)
    logits = np.log(shares / (1 - shares))
    weights = shares * (1 - shares)
    total = weights.sum(axis=1)
    x_mean = (weights * log_n).sum(axis=1) / total
    y_mean = (weights * logits).sum(axis=1) / total
    centered = log_n[None, :] - x_mean[:, None]
    spread = (weights * centered**2).sum(axis=1) + 1e-9
    a = np.clip((weights * centered * logits).sum(axis=1) / spread, 0.05, 20.0)
    b = x_mean - y_mean / a
    damping = np.full(a.shape, 1e-2)
    error = ((_logistic(log_n, a, b, top) - gains) ** 2).sum(axis=1)
    for _ in range(ITERATIONS):
        model = _logistic(log_n, a, b, top)
        slope = model * (1 - model / top[:, None])
        by_a, by_b = slope * (log_n[None, :] - b[:, None]), -slope * a[:, None]
        rest = gains - model
        aa, bb = (by_a**2).sum(axis=1), (by_b**2).sum(axis=1)
        ab = (by_a * by_b).sum(axis=1)
        ga, gb = (by_a * rest).sum(axis=1), (by_b * rest).sum(axis=1)
        aa, bb = aa * (1 + damping) + 1e-12, bb * (1 + damping) + 1e-12
        scale = aa * bb - ab**2
        new_a = np.clip(a + (bb * ga - ab * gb) / scale, 0.05, 20.0)
        new_b = np.clip(b + (aa * gb - ab * ga) / scale, log_n[0] - 10, log_n[-1] + 10)
        new_error = ((_logistic(log_n, new_a, new_b, top) - gains) ** 2).sum(axis=1)
        is_better = new_error < error
        a, b = np.where(is_better, new_a, a), np.where(is_better, new_b, b)
        error = np.where(is_better, new_error, error)
        damping = np.where(is_better, damping / 3, damping * 4)
    return a, b, top


def _cross_logistic(log_n: Floats, gains: Floats, share: float) -> Floats:
    """Return where each row's fitted curve reaches a share, `inf` beyond the largest budget."""
    a, b, top = _fit(log_n, gains)
    place = b + np.log(share / (top - share)) / a
    # A flat row can be "fitted" by any steep curve beyond its end; nothing was reached there.
    place = np.where(place <= log_n[-1] + 1e-9, np.maximum(place, log_n[0]), np.inf)
    crossed = np.where(np.isnan(gains).any(axis=1), np.nan, np.exp(np.minimum(place, 700.0)))
    return np.where(np.isinf(place), np.inf, crossed)


def _cross_joined(log_n: Floats, gains: Floats, share: float) -> Floats:
    """Return where each row's monotone joined points reach a share, `inf` if never."""
    rising = np.maximum.accumulate(gains, axis=1)
    falling = np.minimum.accumulate(gains[:, ::-1], axis=1)[:, ::-1]
    level = (rising + falling) / 2
    is_reached = level >= share
    first = is_reached.argmax(axis=1)
    rows = np.arange(gains.shape[0])
    before = np.maximum(first - 1, 0)
    low, high = level[rows, before], level[rows, first]
    part = np.where(high > low, (share - low) / np.where(high > low, high - low, 1.0), 0.0)
    place = log_n[before] + part * (log_n[first] - log_n[before])
    place = np.where(first == 0, log_n[0], place)
    crossed = np.where(is_reached.any(axis=1), np.exp(place), np.inf)
    return np.where(np.isnan(gains).any(axis=1), np.nan, crossed)
