"""Intervals cover the truth as often as they say: exactly where possible, else simulated."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from modicum.analysis.gap import GapTop, gap_recovered
from modicum.analysis.threshold import threshold
from modicum.stats import (
    Figure,
    beta_interval,
    bootstrap,
    contrast,
    equivalence,
    gain_found,
    minimum_detectable_effect,
    paired_difference,
    pass_at_k,
    proportion,
    resample,
    t_interval,
)

NOMINAL = 0.95
TOLERANCE = 0.04
DRAWS = 600
"""Draws of a simulated coverage; its standard error at 0.95 is 0.9 points."""
ONLY_NOISE = 0.018
"""Two standard errors of a simulated coverage, which tolerance must leave to the interval."""


def covered(
    draw: Callable[[np.random.Generator], tuple[Figure, float]], seed: int, *, draws: int = DRAWS
) -> float:
    """Return the share of draws whose interval holds the truth."""
    rng = np.random.default_rng(seed)
    hits = 0
    for _ in range(draws):
        figure, truth = draw(rng)
        hits += figure.low <= truth <= figure.high
    print(f"coverage {hits / draws:.3f} in {draws} draws")
    return hits / draws


def assert_nominal(share: float) -> None:
    """Check a coverage against the nominal one."""
    assert abs(share - NOMINAL) <= TOLERANCE


@pytest.mark.parametrize("n", [30, 50, 100, 400])
def test_beta_interval_covers_at_every_rate(n: int) -> None:
    """The coverage is exact: a sum over all counts, weighted by their binomial chance."""
    counts = np.arange(n + 1)
    figures = [beta_interval(int(c), n) for c in counts]
    low, high = (np.array([getattr(f, end) for f in figures]) for end in ("low", "high"))
    log_choose = special.gammaln(n + 1) - special.gammaln(counts + 1)
    log_choose -= special.gammaln(n - counts + 1)
    for p in np.linspace(0.05, 0.95, 91):
        chance = np.exp(log_choose + counts * np.log(p) + (n - counts) * np.log1p(-p))
        assert_nominal(float(chance[(low <= p) & (p <= high)].sum()))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_clustered_proportion_covers(p: float) -> None:
    """Forty clusters of five; the chance of a cluster is Beta with mean p and weight 4."""

    def draw(rng: np.random.Generator) -> tuple[Figure, float]:
        chance = np.repeat(rng.beta(4 * p, 4 * (1 - p), 40), 5)
        scores = (rng.random(200) < chance).astype(float)
        return proportion(scores, clusters=np.repeat(np.arange(40), 5)), p

    assert_nominal(covered(draw, 1))


@pytest.mark.parametrize("n", [100, 400])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_bootstrap_of_a_mean_covers(n: int, p: float) -> None:
    """One score a problem, right with chance p."""
    shared = resample(np.random.default_rng(2), n, n_resamples=1000)

    def draw(rng: np.random.Generator) -> tuple[Figure, float]:
        scores = (rng.random(n) < p).astype(float)
        return bootstrap((scores,), lambda mean: mean, shared), p

    assert_nominal(covered(draw, 3))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_bootstrap_of_a_paired_difference_covers(p: float) -> None:
    """Two systems on 100 problems of Beta difficulty, 10 points apart."""
    n = 100
    shared = resample(np.random.default_rng(4), n, n_resamples=1000)

    def draw(rng: np.random.Generator) -> tuple[Figure, float]:
        ease = rng.beta(2 * p, 2 * (1 - p), n)
        first = (rng.random(n) < 0.9 * ease + 0.1).astype(float)
        second = (rng.random(n) < ease).astype(float)
        figure = bootstrap((first, second), lambda a, b: a - b, shared)
        return figure, 0.1 * (1 - p)

    assert_nominal(covered(draw, 5))


@pytest.mark.parametrize("p", [0.1, 0.9])
def test_clustered_bootstrap_covers(p: float) -> None:
    """One hundred clusters of three, whose chances are Beta with mean p and weight 3."""
    clusters = np.repeat(np.arange(100), 3)
    shared = resample(np.random.default_rng(6), 300, clusters=clusters, n_resamples=1000)

    def draw(rng: np.random.Generator) -> tuple[Figure, float]:
        chance = np.repeat(rng.beta(3 * p, 3 * (1 - p), 100), 3)
        scores = (rng.random(300) < chance).astype(float)
        return bootstrap((scores,), lambda mean: mean, shared), p

    assert_nominal(covered(draw, 7))


@pytest.mark.parametrize("n", [100, 400])
def test_analytic_paired_difference_covers(n: int) -> None:
    """The contrast that the rule of ability uses, on rare and on frequent disagreement."""
    for lost, won in ((0.05, 0.1), (0.2, 0.4)):

        def draw(
            rng: np.random.Generator, lost: float = lost, won: float = won
        ) -> tuple[Figure, float]:
            u = rng.random(n)
            first = (u < won).astype(float)
            second = ((u >= won) & (u < won + lost)).astype(float)
            return paired_difference(first, second), won - lost

        assert_nominal(covered(draw, 8))


@pytest.mark.parametrize("seeds", [2, 3, 4])
@pytest.mark.parametrize("deviation", [0.02, 0.1])
def test_contrast_of_few_seeds_covers(seeds: int, deviation: float) -> None:
    """Seeds shift a rung's chance by a normal deviate; problems are the same for all seeds."""

    def draw(rng: np.random.Generator) -> tuple[Figure, float]:
        ease = rng.uniform(0.3, 0.7, 200)
        shift = rng.normal(0, deviation, seeds)
        scores = (rng.random((seeds, 200)) < ease + shift[:, None]).astype(float)
        return contrast(scores.mean(axis=0), parts=(scores,)), 0.5

    assert_nominal(covered(draw, 9))


@pytest.mark.parametrize("seeds", [2, 3, 4])
def test_t_interval_over_seeds_covers(seeds: int) -> None:
    """Seed scores of a tuned rung: normal around 0.6, deviation 0.1."""

    def draw(rng: np.random.Generator) -> tuple[Figure, float]:
        return t_interval(rng.normal(0.6, 0.1, seeds)), 0.6

    assert_nominal(covered(draw, 10))


def draw_gap(
    rng: np.random.Generator, n: int, floor: float, reached: float
) -> tuple[np.ndarray, np.ndarray, GapTop, np.ndarray]:
    """Draws score, floor, a pass@16 ceiling from 32 samples at rate 0.1, and the luck null."""
    hits = rng.binomial(32, rng.beta(1, 9, n))
    ceiling = GapTop("sampling", 16, pass_at_k(hits, 32, 16), np.zeros(n))
    base = (rng.random(n) < floor).astype(float)
    scores = (rng.random((3, n)) < reached + rng.normal(0, 0.02, (3, 1))).astype(float)
    return scores, base, ceiling, np.zeros(n)


@pytest.mark.parametrize("n", [100, 400])
@pytest.mark.parametrize("reached", [0.3, 0.6])
def test_gap_recovered_covers(n: int, reached: float) -> None:
    """Floor 0.1, three seeds; the true ceiling is E[1 - (1 - p)^16] over Beta(1, 9) = 16/25."""
    shared = resample(np.random.default_rng(11), n, n_resamples=1000)
    truth = (reached - 0.1) / (16 / 25 - 0.1)

    def draw(rng: np.random.Generator) -> tuple[Figure, float]:
        figure = gap_recovered(*draw_gap(rng, n, 0.1, reached), shared)
        assert figure is not None
        return figure, truth

    assert_nominal(covered(draw, 12))


@pytest.mark.parametrize("deviation", [0.02, 0.1])
def test_gap_recovered_covers_over_noisy_seeds(deviation: float) -> None:
    """Three seeds around 0.5 with a normal deviation, floor 0, a ceiling of 0.9."""
    shared = resample(np.random.default_rng(20), 200, n_resamples=1000)

    def draw(rng: np.random.Generator) -> tuple[Figure, float]:
        top = GapTop("forced", 1, (rng.random(200) < 0.9).astype(float), np.zeros(200))
        chance = 0.5 + rng.normal(0, deviation, (3, 1))
        scores = (rng.random((3, 200)) < chance).astype(float)
        figure = gap_recovered(scores, np.zeros(200), top, np.zeros(200), shared)
        assert figure is not None
        return figure, 0.5 / 0.9

    assert_nominal(covered(draw, 21))


@pytest.mark.parametrize("n", [30, 100, 400])
def test_gap_within_noise_is_undefined(n: int) -> None:
    """Ceiling and floor have the same chance on independent draws: no gap to divide by."""
    rng = np.random.default_rng(13)
    shared = resample(rng, n, n_resamples=500)
    defined = 0
    for p in np.linspace(0.05, 0.95, 300):
        top, base, scores = (rng.random((3, n)) < p).astype(float)
        ceiling = GapTop("forced", 1, top, np.zeros(n))
        defined += gap_recovered(scores, base, ceiling, np.zeros(n), shared) is not None
    assert defined / 300 <= 0.01


@pytest.mark.parametrize(("seeds", "deviation"), [(1, 0.0), (3, 0.04)])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_threshold_covers(share: float, seeds: int, deviation: float) -> None:
    """Accuracy is 0.8 times a logistic in log n, middle 6 shots, slope 1.8; ceiling 0.8."""
    n, budgets = 200, (1, 4, 8, 32, 128)
    shared = resample(np.random.default_rng(14), n, n_resamples=300)
    ceiling = GapTop("forced", 1, np.full(n, 0.8), np.zeros(n))
    truth = float(np.exp(np.log(6) + np.log(share / (1 - share)) / 1.8))

    def draw(rng: np.random.Generator) -> tuple[Figure, float]:
        points = []
        for budget in budgets:
            chance = 0.8 / (1 + (6 / budget) ** 1.8) + rng.normal(0, deviation, (seeds, 1))
            points.append((budget, (rng.random((seeds, n)) < chance).astype(float)))
        found = threshold(tuple(points), np.zeros(n), ceiling, np.zeros(n), shared, share=share)
        return found.n_shots, truth

    assert_nominal(covered(draw, 15, draws=300))


def test_threshold_is_censored_when_never_reached() -> None:
    """A rung that stays at a fifth of the gap has no n50, whatever curve is drawn."""
    rng = np.random.default_rng(16)
    shared = resample(rng, 200, n_resamples=400)
    points = tuple((n, (rng.random((3, 200)) < 0.2).astype(float)) for n in (1, 4, 8, 128))
    ceiling = GapTop("forced", 1, np.ones(200), np.zeros(200))
    found = threshold(points, np.zeros(200), ceiling, np.zeros(200), shared, share=0.5)
    assert found.is_censored
    assert found.n_shots.as_dict()["value"] is None


@pytest.mark.parametrize("p", [0.02, 0.3])
def test_equivalence_errs_in_at_most_one_of_twenty(p: float) -> None:
    """Two systems exactly 5 points apart are called equal within 5 points in 5 % of draws."""
    rng = np.random.default_rng(17)
    wrong = 0
    for _ in range(1000):
        first = (rng.random(400) < p + 0.05).astype(float)
        second = (rng.random(400) < p).astype(float)
        wrong += equivalence(first, second, margin=0.05).is_equivalent
    assert wrong / 1000 <= 0.05 + ONLY_NOISE


def test_minimum_detectable_effect_is_found_in_four_of_five_draws() -> None:
    """The stated gain, at the stated share of differing problems, with 400 problems."""
    rng = np.random.default_rng(18)
    gain = minimum_detectable_effect(400, discordant=0.2)
    found = 0
    for _ in range(1000):
        u = rng.random(400)
        won = (u < 0.1 + gain / 2).astype(float)
        lost = ((u >= 0.1 + gain / 2) & (u < 0.2)).astype(float)
        found += paired_difference(won, lost).low > 0
    assert abs(found / 1000 - 0.8) <= 0.04


@pytest.mark.parametrize("n", [20, 60, 202])
@pytest.mark.parametrize("base", [0.1, 0.3, 0.6])
def test_the_gain_said_of_a_size_is_found_in_four_of_five_studies(n: int, base: float) -> None:
    """With the test in use, whatever the accuracy before; where nothing is lost, more often."""
    rng = np.random.default_rng(19)
    gain = gain_found(n, discordant=0.2, lost=0.05)
    lost = min(base, (max(0.2, gain + 0.05) - gain) / 2)

    def found(lost: float) -> float:
        u = rng.random((800, n))
        before, after = u < base, (u >= lost) & (u < base + gain + lost)
        pairs = zip(after.astype(float), before.astype(float), strict=True)
        return sum(paired_difference(one, other).low > 0 for one, other in pairs) / 800

    assert 0.75 <= found(lost) <= 0.87
    assert found(0.0) >= 0.8


@given(n=st.integers(2, 2000), guess=st.floats(0, 0.5))
def test_the_gain_that_a_size_finds_is_finite_and_falls_with_it(n: int, guess: float) -> None:
    least = max(0.2, 2 * guess * (1 - guess))
    gain = gain_found(n, discordant=least, lost=0.05)
    assert 0 < gain_found(n + 50, discordant=least, lost=0.05) <= gain <= 1
    assert gain_found(1, discordant=least, lost=0.05) == 1
