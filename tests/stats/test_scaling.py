"""Power laws: exact ones are found, intervals cover at their rate, equal costs are closed forms."""

import math

import numpy as np
import pytest

from modicum.seeds import stream
from modicum.stats import (
    LossDraws,
    contrast,
    drawn_losses,
    exponent_ratio,
    frontier,
    interpolated,
    power_law,
)

X = np.array([1e3, 4e3, 16e3, 64e3, 256e3])


def exact(y: np.ndarray) -> LossDraws:
    return LossDraws(y, np.tile(y[:, None], 8), 9)


def noisy(truth, rng, *, seeds: int = 2, windows: int = 40, seed_sd: float = 0.02):
    """Trainings whose windows are hard or easy alike, with seeds of their own."""
    hard = np.exp(0.2 * rng.standard_normal(windows) - 0.2**2 / 2)
    found = []
    for y in truth:
        own = np.exp(seed_sd * rng.standard_normal((seeds, 1)))
        found.append(y * own * hard * np.exp(0.05 * rng.standard_normal((seeds, windows))))
    return found


@pytest.mark.parametrize(("offset", "given"), [(0.0, 0.0), (1.7, 1.7), (1.7, None), (0.0, None)])
def test_an_exact_law_is_found_with_its_offset_known_or_fitted(offset: float, given) -> None:
    law = power_law(X, exact(offset + 5 * X**-0.3), given)
    assert law.exponent.value == pytest.approx(0.3, rel=2e-3)
    assert law.scale == pytest.approx(5, rel=2e-2)
    assert law.offset == pytest.approx(offset, abs=2e-3)
    np.testing.assert_allclose(law.at(X), offset + 5 * X**-0.3, rtol=1e-4)


def test_a_line_between_logarithms_is_that_of_least_squares() -> None:
    y = np.array([3.0, 2.2, 2.1, 1.3, 1.25])
    slope, level = np.polyfit(np.log(X), np.log(y), 1)
    law = power_law(X, exact(y))
    assert (law.exponent.value, law.scale) == pytest.approx((-slope, math.exp(level)))


@pytest.mark.parametrize(("points", "offset"), [(2, 0.0), (3, None)])
def test_too_few_places_are_not_fitted(points: int, offset) -> None:
    assert power_law(X[:points], exact(X[:points] ** -0.3), offset) is None


def test_losses_below_a_known_offset_are_not_fitted() -> None:
    assert power_law(X, exact(1 + X**-0.3), 1.05) is None


@pytest.mark.parametrize("seeds", [2, 4])
def test_intervals_of_exponent_and_loss_cover_at_their_rate(seeds: int) -> None:
    truth, trials = 4 * X**-0.2, 200
    inside = np.zeros(2)
    for trial in range(trials):
        rng = stream("coverage", seeds, trial)
        draws = drawn_losses(noisy(truth, rng, seeds=seeds), rng, n_resamples=300)
        law, one = power_law(X, draws), draws.figure(0)
        inside += (
            law.exponent.low <= 0.2 <= law.exponent.high,
            one.low <= truth[0] <= one.high,
        )
    low, high = 0.95 - 3.5 * math.sqrt(0.95 * 0.05 / trials), 1.0
    assert low <= inside[0] / trials <= high
    assert inside[1] / trials >= 0.88  # a percentile interval over 40 windows is a little short


def test_intervals_are_not_wide_for_their_own_sake() -> None:
    rng = stream("width")
    draws = drawn_losses(noisy(4 * X**-0.2, rng, seeds=4), rng)
    law = power_law(X, draws)
    spread = np.log(X).std() * math.sqrt(len(X))
    by_theory = 2 * 2.1 * 0.02 / math.sqrt(4) / spread  # seeds alone; windows cancel
    assert 0.5 * by_theory < law.exponent.high - law.exponent.low < 2.5 * by_theory


def test_without_seeds_the_interval_is_that_of_windows_and_windows_are_shared() -> None:
    rng = stream("windows")
    hard = np.exp(0.3 * rng.standard_normal((1, 60)))
    draws = drawn_losses([3 * hard, 2 * hard], rng)
    np.testing.assert_allclose(draws.drawn[0] / draws.drawn[1], 1.5)
    error = 3 * hard.std(ddof=1) / math.sqrt(60)
    found = draws.figure(0)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=0.15)


def test_points_on_other_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="same ones"):
        drawn_losses([np.ones((2, 3)), np.ones((2, 4))], stream("x"))


def test_the_ratio_of_exponents_is_theirs_and_unbounded_where_the_second_may_be_0() -> None:
    rng = stream("ratio")
    both = drawn_losses(noisy([*4 * X**-0.3, *4 * X**-0.2], rng, seeds=4), rng)
    first, second = (power_law(X, both.taken(range(a, a + 5))) for a in (0, 5))
    ratio = exponent_ratio(first, second)
    assert ratio.value == first.exponent.value / second.exponent.value
    assert 1 < ratio.low < 1.5 < ratio.high < 2
    flat = power_law(X, drawn_losses(noisy(np.full(5, 2.0), rng), rng))
    assert (exponent_ratio(first, flat).low, exponent_ratio(first, flat).high) == (
        -math.inf,
        math.inf,
    )


def test_between_points_of_a_power_law_the_loss_is_the_law() -> None:
    y = 7 * X**-0.25
    for at in (X[0], 2e3, 9e4, X[-1]):
        [found] = interpolated(X, y[:, None], float(at))
        assert found == pytest.approx(7 * at**-0.25)
    assert interpolated(X[:1], y[:1, None], float(X[0])).tolist() == [y[0]]
    with pytest.raises(ValueError, match="expected"):
        interpolated(X, y[:, None], 1.0)


def test_the_frontier_holds_no_point_that_a_cheaper_one_beats() -> None:
    rng = stream("frontier")
    costs, losses = rng.random(60), rng.random(60)
    kept = frontier(costs, losses)
    for i in range(60):
        beaten = any(costs[j] <= costs[i] and losses[j] < losses[i] for j in range(60))
        assert (i in kept) == (not beaten)


def test_a_contrast_of_losses_takes_no_pseudo_problems() -> None:
    gains = 0.01 + 0.001 * stream("gains").standard_normal(50)
    found = contrast(gains, are_shares=False)
    reach = 2.0096 * gains.std(ddof=1) / math.sqrt(50)
    assert (found.value, found.high - found.value) == pytest.approx((gains.mean(), reach), rel=1e-4)
    assert contrast(gains).high - contrast(gains).low > 10 * (found.high - found.low)
