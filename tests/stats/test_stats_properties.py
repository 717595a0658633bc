"""The statistics against closed forms, naive formulas and properties of any input."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modicum.stats import (
    Figure,
    beta_interval,
    bootstrap,
    equivalence,
    equivalence_margin,
    holm,
    majority,
    mcnemar,
    minimum_detectable_effect,
    minimum_detectable_effect_unpaired,
    paired_difference,
    pass_at_k,
    pass_curve,
    powers_of_two,
    proportion,
    resample,
    t_interval,
    tally,
    vote,
)

SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 8))
ANSWERS = hnp.arrays(np.int64, SHAPES, elements=st.integers(-1, 4))


@given(n=st.integers(1, 40), p=st.floats(0.01, 0.99))
@settings(max_examples=30, deadline=None)
def test_pass_at_k_is_unbiased_for_every_k(n: int, p: float) -> None:
    """Its expectation over binomial counts is exactly 1 - (1 - p)^k for all k up to n."""
    counts = np.arange(n + 1)
    chance = np.array([math.comb(n, c) * p**c * (1 - p) ** (n - c) for c in counts])
    for k in range(1, n + 1):
        expected = float(chance @ pass_at_k(counts, n, k))
        assert expected == pytest.approx(1 - (1 - p) ** k, abs=1e-9)


@given(n=st.integers(1, 12), data=st.data())
def test_pass_at_k_is_the_share_of_subsets_with_a_success(n: int, data: st.DataObject) -> None:
    c = data.draw(st.integers(0, n))
    k = data.draw(st.integers(1, n))
    subsets = list(itertools.combinations([True] * c + [False] * (n - c), k))
    share = sum(any(s) for s in subsets) / len(subsets)
    assert pass_at_k(np.array([c]), n, k)[0] == pytest.approx(share)


def test_pass_at_k_beyond_the_samples_is_undefined() -> None:
    assert np.isnan(pass_at_k(np.array([0, 3]), 4, 5)).all()
    assert pass_curve(np.array([4]), 4, (1, 8)).shape == (1, 2)


def test_pass_at_k_refuses_impossible_counts() -> None:
    with pytest.raises(ValueError, match="expected successes"):
        pass_at_k(np.array([5]), 4, 1)
    with pytest.raises(ValueError, match="none below 1"):
        pass_at_k(np.array([1]), 4, 0)


@given(limit=st.integers(0, 10_000))
def test_powers_of_two_stop_at_the_limit(limit: int) -> None:
    powers = powers_of_two(limit)
    assert all(p <= limit for p in powers)
    assert not powers or powers[-1] * 2 > limit


@given(n=st.integers(1, 500), data=st.data())
def test_beta_interval_holds_its_estimate_and_mirrors(n: int, data: st.DataObject) -> None:
    c = data.draw(st.integers(0, n))
    figure, mirror = beta_interval(c, n), beta_interval(n - c, n)
    assert 0 <= figure.low <= figure.value <= figure.high <= 1
    assert figure.low == pytest.approx(1 - mirror.high, abs=1e-9)


def test_beta_interval_gives_the_published_figures() -> None:
    """3/30 and 20/20 as in Bowyer et al."""
    few, all_right = beta_interval(3, 30), beta_interval(20, 20)
    assert (few.low, few.high) == pytest.approx((0.036, 0.258), abs=1e-3)
    assert all_right.low == pytest.approx(0.839, abs=1e-3)


@given(answers=ANSWERS)
def test_tally_counts_every_readable_answer(answers: np.ndarray) -> None:
    votes = tally(answers)
    assert votes.counts.sum() == np.count_nonzero(answers >= 0)
    for row, code, count in zip(votes.rows, votes.codes, votes.counts, strict=True):
        assert count == np.count_nonzero(answers[row] == code)


@given(answers=ANSWERS)
def test_vote_agrees_with_counting_by_hand(answers: np.ndarray) -> None:
    gold = np.zeros(answers.shape[0], dtype=np.int64)
    expected = []
    for row in answers:
        counts = np.bincount(row[row >= 0], minlength=5)
        top = counts.max()
        is_won = top > 0 and counts[0] == top
        expected.append(1 / np.count_nonzero(counts == top) if is_won else 0.0)
    assert vote(answers, gold) == pytest.approx(expected)


def test_majority_of_a_subset_approaches_the_mean_over_all_subsets() -> None:
    answers = np.array([[0, 0, 1, 1, 2, -1]])
    gold = np.array([0])
    subsets = itertools.combinations(answers[0], 3)
    exact = np.mean([vote(np.array([s]), gold)[0] for s in subsets])
    drawn = majority(answers, gold, m=3, rng=np.random.default_rng(0), n_resamples=20_000)
    assert drawn[0] == pytest.approx(exact, abs=0.01)
    with pytest.raises(ValueError, match="expected 1 to 6"):
        majority(answers, gold, m=7, rng=np.random.default_rng(0))


@given(p=hnp.arrays(float, st.integers(1, 8), elements=st.floats(0, 1)))
def test_holm_only_raises_and_keeps_the_order(p: np.ndarray) -> None:
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()


def test_holm_gives_the_textbook_values() -> None:
    assert holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])


@given(won=st.integers(0, 20), lost=st.integers(0, 20))
def test_mcnemar_is_the_two_sided_sign_test(won: int, lost: int) -> None:
    first = np.array([True] * won + [False] * lost + [True] * 3)
    second = np.array([False] * won + [True] * lost + [True] * 3)
    n, fewer = won + lost, min(won, lost)
    tail = sum(math.comb(n, i) for i in range(fewer + 1)) / 2**n
    assert mcnemar(first, second) == pytest.approx(min(1.0, 2 * tail))
    with pytest.raises(ValueError, match="expected the same"):
        mcnemar(first, second[1:])


def test_detectable_gains_agree_with_the_published_table() -> None:
    """Problems needed at 80 % power, two-sided 5 %: 621 and 150 paired, 1374 unpaired."""
    assert minimum_detectable_effect(621, discordant=0.2) == pytest.approx(0.05, abs=2e-4)
    assert minimum_detectable_effect(150, discordant=0.2) == pytest.approx(0.10, abs=1e-3)
    assert minimum_detectable_effect_unpaired(1374, rate=0.3) == pytest.approx(0.05, abs=5e-4)
    assert math.isinf(minimum_detectable_effect(2, discordant=0.1))


@given(n=st.integers(2, 5000), q=st.floats(0.01, 1))
def test_more_problems_show_smaller_effects(n: int, q: float) -> None:
    assert minimum_detectable_effect(n + 50, discordant=q) <= minimum_detectable_effect(
        n, discordant=q
    )
    assert equivalence_margin(n + 50, discordant=q) < equivalence_margin(n, discordant=q)


SCORES = hnp.arrays(float, 30, elements=st.sampled_from([0.0, 1.0]))


@given(first=SCORES, second=SCORES)
def test_paired_difference_is_antisymmetric(first: np.ndarray, second: np.ndarray) -> None:
    there, back = paired_difference(first, second), paired_difference(second, first)
    assert there.low <= there.value <= there.high
    assert there.low == pytest.approx(-back.high)


@given(first=SCORES)
def test_clusters_of_one_change_nothing(first: np.ndarray) -> None:
    alone = paired_difference(first, np.zeros(30))
    clustered = paired_difference(first, np.zeros(30), clusters=np.arange(30))
    assert alone.low == pytest.approx(clustered.low)


def test_a_dozen_equal_problems_prove_no_equivalence() -> None:
    few, many = np.zeros(12), np.zeros(400)
    assert not equivalence(few, few, margin=0.05).is_equivalent
    assert equivalence(many, many, margin=0.05).is_equivalent
    with pytest.raises(ValueError, match="positive"):
        equivalence(few, few, margin=0.0)


def test_systems_on_different_problems_are_refused() -> None:
    with pytest.raises(ValueError, match="same problems"):
        paired_difference(np.zeros(3), np.zeros(4))


def test_the_same_stream_gives_the_same_interval() -> None:
    scores = (np.arange(100) % 3 == 0).astype(float)
    figures = {
        str(bootstrap((scores,), lambda m: m, resample(np.random.default_rng(5), 100)))
        for _ in range(2)
    }
    assert len(figures) == 1


@given(scores=SCORES)
@settings(max_examples=30, deadline=None)
def test_proportion_holds_its_mean(scores: np.ndarray) -> None:
    for figure in (proportion(scores), proportion(scores, clusters=np.arange(30) // 3)):
        assert 0 <= figure.low <= figure.value <= figure.high <= 1


def test_one_seed_has_no_interval() -> None:
    figure = t_interval(np.array([0.4]))
    assert figure.as_dict() == {"value": 0.4, "low": None, "high": None, "n": 1}
    with pytest.raises(ValueError, match="at least one"):
        t_interval(np.array([]))


def test_figures_read_like_the_report() -> None:
    assert str(Figure(0.41, 0.22, 0.63, 400)) == ".41 [.22, .63]"
    assert str(Figure(-0.1, -0.25, 1.02, 9)) == "−.10 [−.25, 1.02]"
