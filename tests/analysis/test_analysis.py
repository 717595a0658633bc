"""Nulls, gap, threshold, front and power against naive formulas and worked examples."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modicum.analysis.ability import ability
from modicum.analysis.detect import chance_of_equal, detectable, detectable_text, problems_needed
from modicum.analysis.evidence import ControlScores, Evidence, RungEvidence, Samples
from modicum.analysis.gap import GapTop, correct_guessing, gap_recovered
from modicum.analysis.nulls import luck, luck_scores, near_miss
from modicum.analysis.pairing import possible
from modicum.analysis.sampling import sampled
from modicum.analysis.ship import Candidate, break_even, pareto, ship
from modicum.analysis.threshold import threshold
from modicum.stats import Figure, pass_at_k, resample


def draw_samples(seed: int, problems: int, n_samples: int, choices: int) -> Samples:
    """Draws answers, golds and two strata at random; one answer in eight is unreadable."""
    rng = np.random.default_rng(seed)
    answers = rng.integers(0, choices, (problems, n_samples))
    answers = np.where(rng.random(answers.shape) < 1 / 8, -1, answers)
    gold = rng.integers(0, choices, problems)
    return Samples(
        answers=answers,
        gold=gold,
        correct=answers == gold[:, None],
        strata=rng.integers(0, 2, problems),
    )


@given(seed=st.integers(0, 10**6), choices=st.integers(2, 9), problems=st.integers(2, 9))
@settings(max_examples=40, deadline=None)
def test_luck_is_the_mean_over_the_other_golds_of_the_stratum(
    seed: int, choices: int, problems: int
) -> None:
    samples = draw_samples(seed, problems, 6, choices)
    found = luck(samples, (1, 4))
    for i in range(problems):
        others = [j for j in range(problems) if j != i and samples.strata[j] == samples.strata[i]]
        others = others or [j for j in range(problems) if j != i]
        for column, k in enumerate((1, 4)):
            counts = [np.count_nonzero(samples.answers[i] == samples.gold[j]) for j in others]
            assert found[i, column] == pytest.approx(pass_at_k(np.array(counts), 6, k).mean())


@given(seed=st.integers(0, 10**6), choices=st.integers(2, 9))
@settings(max_examples=40, deadline=None)
def test_near_miss_is_the_mean_over_distinct_wrong_answers(seed: int, choices: int) -> None:
    samples = draw_samples(seed, 5, 8, choices)
    halves = [(slice(0, 4), slice(4, 8)), (slice(0, 8, 2), slice(1, 8, 2))]
    ways = halves + [(b, a) for a, b in halves]
    for k in (1, 4):
        found = near_miss(samples, (k,))[:, 0]
        for i in range(5):
            rates = []
            for seen, tried in ways:
                wrong = set(samples.answers[i, seen].tolist()) - {-1, int(samples.gold[i])}
                hits = [np.count_nonzero(samples.answers[i, tried] == w) for w in wrong]
                rates.append(pass_at_k(np.array(hits), 4, k).mean() if hits else 0.0)
            assert found[i] == pytest.approx(np.mean(rates))


def test_near_miss_without_the_mode_forgets_a_standing_error() -> None:
    """Every sample copies 7 but for one rare slip in each half."""
    answers = np.full((1, 16), 7)
    answers[0, [3, 12]] = [1, 2]
    samples = Samples(
        answers=answers,
        gold=np.array([9]),
        correct=np.zeros((1, 16), dtype=bool),
        strata=np.array([0]),
    )
    assert near_miss(samples, (1,))[0, 0] > 0.4
    assert near_miss(samples, (1,), is_mode_left_out=True)[0, 0] == 0


def test_luck_of_single_answers_is_luck_at_one() -> None:
    samples = draw_samples(3, 20, 1, 4)
    single = luck_scores(samples.answers[:, 0], samples.gold, samples.strata)
    assert single == pytest.approx(luck(samples, (1,))[:, 0])


@pytest.mark.parametrize("choices", [2, 4])
def test_few_answers_make_sampling_silent(choices: int) -> None:
    assert sampled(draw_samples(1, 200, 64, choices)).state == "silent"


def test_too_few_samples_for_the_near_miss_null_are_not_silence() -> None:
    """Six of eight samples copy one wrong answer of a thousand: guessing explains nothing."""
    samples = draw_samples(5, 100, 8, 1000)
    copied = np.where(np.arange(8) % 4 > 0, 1001, samples.answers)
    found = sampled(
        Samples(
            answers=copied,
            gold=samples.gold,
            correct=copied == samples.gold[:, None],
            strata=samples.strata,
        )
    )
    assert found.near_curve[0] > 0.2
    assert found.state in ("open", "ruled_out")


def test_k_is_the_largest_power_of_two_with_both_nulls_within_the_limit() -> None:
    found = sampled(draw_samples(2, 300, 64, 100))
    inner = [k for k in found.ks if k <= 32]
    worst = {
        k: max(a, b) for k, a, b in zip(inner, found.luck_curve, found.near_curve, strict=False)
    }
    assert found.k == max(k for k in inner if worst[k] <= 0.2)


def test_samples_of_other_shapes_are_refused() -> None:
    good = draw_samples(4, 5, 8, 4)
    with pytest.raises(ValueError, match="expected both"):
        Samples(answers=good.answers, gold=good.gold, correct=good.correct[:, :3], strata=good.gold)
    with pytest.raises(ValueError, match="one gold code"):
        Samples(answers=good.answers, gold=good.gold[:2], correct=good.correct, strata=good.strata)


@given(guess=st.floats(0, 0.9))
def test_guessing_alone_is_worth_nothing(guess: float) -> None:
    assert float(correct_guessing(guess, guess)) == pytest.approx(0)
    assert float(correct_guessing(1.0, guess)) == pytest.approx(1)


def test_gap_recovered_is_never_clipped() -> None:
    """A rung beyond the ceiling recovers more than the gap; one below the floor less than 0."""
    zeros, half = np.zeros(200), (np.arange(200) % 2).astype(float)
    shared = resample(np.random.default_rng(0), 200, n_resamples=500)
    above = gap_recovered(np.ones(200), zeros, GapTop("forced", 1, half, zeros), zeros, shared)
    top = GapTop("forced", 1, np.ones(200), zeros)
    below = gap_recovered(zeros, half, top, zeros, shared)
    assert above is not None
    assert below is not None
    assert above.value == pytest.approx(2)
    assert below.value == pytest.approx(-1)


def rung(name: str, right: list[float]) -> RungEvidence:
    """Make a label-free rung that is right on some problems, with a control that never is."""
    scores = np.array([right])
    vetoes = (ControlScores("luck", np.zeros_like(scores)),)
    return RungEvidence(
        method=name, n_shots=0, labels=0, scores=scores, is_tuned=False, vetoes=vetoes
    )


def silent_study(*rungs: RungEvidence) -> Evidence:
    """Make a study in which sampling never hits, so that the best rung is the ceiling."""
    n = rungs[0].scores.shape[1]
    zeros = np.zeros(n)
    samples = Samples(
        answers=np.full((n, 4), 5_000),
        gold=np.arange(n),
        correct=np.zeros((n, 4), dtype=bool),
        strata=np.zeros(n, dtype=np.int64),
    )
    return Evidence(default=zeros, floor=zeros, samples=samples, rungs=rungs)


def test_the_rung_that_is_the_ceiling_claims_no_share_of_it() -> None:
    found = ability(
        silent_study(
            rung("good", [1.0] * 180 + [0.0] * 20), rung("fair", [1.0] * 100 + [0.0] * 100)
        ),
        np.random.default_rng(0),
    )
    good, fair = found.rungs
    assert good.is_ceiling
    assert not fair.is_ceiling
    assert found.word == "latent"
    assert found.share == good.gain
    assert fair.gap is not None
    assert fair.gap.value == pytest.approx(100 / 180)


def test_equal_rungs_are_read_against_a_ceiling_that_they_did_not_choose() -> None:
    """Ten rungs of one chance: the best of them by luck is no yardstick for the others."""
    shares = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        scores = (rng.random((10, 60)) < 0.5).astype(float)
        found = ability(
            silent_study(*(rung(f"r{i}", list(row)) for i, row in enumerate(scores))), rng
        )
        shares += [r.gap.value for r in found.rungs if r.gap and not r.is_ceiling]
    assert np.median(shares) == pytest.approx(1.0, abs=0.03)


def test_no_share_of_the_gap_is_without_an_interval() -> None:
    zeros = np.zeros(50)
    shared = resample(np.random.default_rng(0), 50, n_resamples=300)
    none = gap_recovered(zeros, zeros, GapTop("sampling", 8, np.ones(50), zeros), zeros, shared)
    assert none is not None
    assert none.low < none.value < none.high


def test_threshold_joins_two_budgets_on_the_log_scale() -> None:
    """Gap .4 at 1 shot, .6 at 16: n50 lies halfway in the logarithm, at 4."""
    scores = [np.repeat([1.0, 0.0], [n, 1000 - n]) for n in (400, 600)]
    zeros = np.zeros(1000)
    shared = resample(np.random.default_rng(1), 1000, n_resamples=300)
    top = GapTop("forced", 1, np.ones(1000), zeros)
    points = ((1, scores[0]), (16, scores[1]))
    found = threshold(points, zeros, top, zeros, shared, share=0.5)
    assert found.curve == "joined"
    assert found.n_shots.value == pytest.approx(4)
    assert found.n_shots.low < 4 < found.n_shots.high
    with pytest.raises(ValueError, match="at least one budget"):
        threshold((), zeros, top, zeros, shared, share=0.5)


def candidate(name: str, right: int, labels: int, train: float, serve: float) -> Candidate:
    """Make a candidate that is right on the first so many of 400 problems."""
    scores = (np.arange(400) < right).astype(float)
    return Candidate(
        name=name, scores=scores, labels=labels, elicitation_flops=train, serving_flops=serve
    )


LADDER = (
    candidate("cot_decoding", 388, 0, 0.0, 10.0),
    candidate("fine_tune n=1", 170, 1, 8000.0, 1.0),
    candidate("fine_tune n=4", 390, 4, 9000.0, 1.0),
    candidate("fine_tune n=8", 392, 8, 9900.0, 1.0),
)


def test_the_pick_is_the_cheapest_that_is_not_worse_than_the_best() -> None:
    found = ship(LADDER)
    assert [c.name for c in found.front] == ["cot_decoding", "fine_tune n=4"]
    assert found.pick is LADDER[2]
    assert found.best is LADDER[3]
    assert [(b.name, b.queries, b.pays) for b in found.break_even] == [
        ("cot_decoding", 1000.0, "below")
    ]


def test_a_nudge_well_ahead_is_bought_though_few_problems_show_it() -> None:
    """Fifty problems, twelve points ahead: shown at 80 %, not at 95 %; the margin guards the labels."""
    rng = np.random.default_rng(3)
    plain = candidate("prompt", 0, 0, 0.0, 1.0)
    few = [
        replace(c, scores=(rng.permutation(50) < right).astype(float))
        for c, right in ((LADDER[1], 30), (LADDER[2], 36))
    ]
    plain = replace(plain, scores=np.zeros(50), is_plain=True)
    pick = ship((plain, *few)).pick
    assert pick is not None
    assert pick.name == "fine_tune n=4"


def test_few_clusters_show_a_gain_that_several_have_and_none_has_lost() -> None:
    """Five clusters of ten: three gain nine problems each; no t interval of five means is above 0."""
    clusters = np.arange(50) // 10
    good = np.where((clusters < 3) & (np.arange(50) % 10 < 9), 1.0, 0.0)
    plain = replace(candidate("prompt", 0, 0, 0.0, 1.0), scores=np.zeros(50), is_plain=True)
    tuned = replace(LADDER[2], scores=good)
    pick = ship((plain, tuned), clusters=clusters).pick
    assert pick is not None
    assert pick.name == "fine_tune n=4"
    one_alone = replace(tuned, scores=np.where(clusters == 0, 1.0, 0.0))
    assert ship((plain, one_alone), clusters=clusters).pick is plain
    lost = replace(plain, scores=np.where(clusters == 4, 0.8, 0.0))
    assert ship((lost, tuned), clusters=clusters).pick is lost


def test_preference_and_label_limit_move_the_pick() -> None:
    assert ship(LADDER, prefer="labels").pick is LADDER[0]
    assert ship(LADDER, prefer="train").pick is LADDER[0]
    assert ship(LADDER, max_labels=1).pick is LADDER[0]
    assert ship((LADDER[2],), max_labels=1).pick is None


def test_the_dearer_one_never_pays_when_it_costs_more_on_both_sides() -> None:
    assert break_even(LADDER[2], LADDER[3]).pays == "never"
    assert break_even(LADDER[3], LADDER[2]).pays == "always"
    assert break_even(LADDER[0], LADDER[2]).pays == "above"


@given(
    costs=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=8
    )
)
def test_every_candidate_is_on_the_front_or_undercut_by_it(
    costs: list[tuple[int, int, int]],
) -> None:
    group = tuple(candidate(str(i), 10, a, b, c) for i, (a, b, c) in enumerate(costs))
    front = pareto(group)
    assert front
    for one in group:
        undercut = [
            f for f in front if all(x <= y for x, y in zip(f.costs, one.costs, strict=True))
        ]
        assert one in front or undercut


def test_four_hundred_problems_show_absent_with_wide_answers_only() -> None:
    assert detectable(400).can_show_absent
    assert not detectable(400, guess=0.5).can_show_absent
    assert detectable(400).gain < 0.1


def test_problems_needed_is_the_smallest_that_reaches_the_margin() -> None:
    n = problems_needed(0.05, guess=0.25)
    assert detectable(n, guess=0.25).can_show_absent
    assert not detectable(n - 1, guess=0.25).can_show_absent
    assert round(detectable(n, guess=0.25).equivalence, 3) <= 0.05
    assert math.isfinite(n)
    with pytest.raises(ValueError, match="positive"):
        problems_needed(0)
    with pytest.raises(ValueError, match="at least one"):
        detectable(0)


def test_what_a_size_can_show_is_one_finite_sentence() -> None:
    for n in (1, 2, 5, 20, 60, 400):
        for guess in (0.0, 0.25, 0.5, 1.0):
            said = detectable_text(n, guess=guess)
            assert "inf" not in said
            assert "nan" not in said
            assert ("too few" in said) == (detectable(n, guess=min(guess, 0.5)).gain >= 1)
    assert detectable_text(60) == (
        "60 test problems: gains of 17 points or more are detected (80 % power); methods can be "
        "shown to be equal within 11 points; showing that an ability is absent takes 198"
    )
    assert detectable_text(1).startswith("1 test problem is too few")
    assert detectable_text(9, is_clustered=True).startswith("9 clusters of test problems")


def test_the_share_of_equal_golds_is_what_a_blind_guess_reaches() -> None:
    assert chance_of_equal(["yes", "no "] * 4) == pytest.approx(3 / 7)
    assert chance_of_equal(["yes"] * 8) == 1
    assert chance_of_equal(["yes"] * 7) == 0, "too few to say"


def test_a_difference_is_cut_to_what_its_base_leaves_open() -> None:
    base = np.full(100, 0.9)
    wide = possible(Figure(-0.23, -1.04, 0.59, 100), base)
    assert (wide.value, wide.low, wide.high) == pytest.approx((-0.23, -0.9, 0.1))
    kept = Figure(-0.02, -0.05, 0.01, 100)
    assert possible(kept, base) == kept
