"""The rule of ability names a wrong word in at most one draw of twenty, whatever the truth.

How each truth is simulated stands in `simulation/truths.py`; each draw is a whole study with
its own problems, samples, rungs, controls and (in two of three draws) twins.
"""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy import special

from modicum.analysis.ability import Ability, ability, ability_from
from modicum.analysis.evidence import Evidence
from modicum.stats import resample
from tests.simulation.truths import CHOICES, TRUTHS, Design, Truth, draw_evidence, is_wrong

WRONG_LIMIT = 0.05
UNDECIDED_LIMIT = 0.20
CASES = [(truth, width) for truth in TRUTHS.values() for width in CHOICES]
NAMES = [f"{truth.name}-{width}" for truth, width in CASES]


def rates(truth: Truth, design: Design, draws: int) -> tuple[float, float]:
    """Draws studies and gives the shares of wrong words and of undecided."""
    shared = resample(np.random.default_rng(1), design.problems, n_resamples=500)
    rng = np.random.default_rng([2, draws, design.problems, *truth.name.encode()])
    words: Counter[str] = Counter()
    wrong = 0
    for _ in range(draws):
        evidence = draw_evidence(truth, design, rng)
        answer = ability_from(evidence, shared)
        words[answer.word] += 1
        wrong += is_wrong(truth, answer, evidence)
    undecided = words["undecided"] / draws
    print(f"{truth.name} {design}: wrong {wrong / draws:.3f}, {dict(words)}")
    return wrong / draws, undecided


def bound(limit: float, draws: int) -> float:
    """Return the largest share that a true rate at the limit exceeds in 1 of 1,000 tests."""
    counts = np.arange(draws + 1)
    return float(counts[special.bdtr(counts, draws, limit) >= 0.999][0]) / draws


@pytest.mark.parametrize("truth", TRUTHS.values(), ids=TRUTHS.keys())
def test_wide_answers_are_named_rightly(truth: Truth) -> None:
    """400 problems, 64 samples, 1,000 possible answers, sampled pass@1 0.03 where latent."""
    wrong, undecided = rates(truth, Design(), 100)
    assert wrong <= bound(WRONG_LIMIT, 100)
    assert undecided <= bound(UNDECIDED_LIMIT, 100)


@pytest.mark.parametrize("width", ["four", "yes_no"])
@pytest.mark.parametrize("name", TRUTHS)
def test_few_answers_are_not_named_wrongly(name: str, width: str) -> None:
    """As above with four choices and yes/no, where guess@1 is above 0.2."""
    wrong, _ = rates(TRUTHS[name], Design(width=width), 30)
    assert wrong <= bound(WRONG_LIMIT, 30)


@pytest.mark.slow
@pytest.mark.parametrize(("truth", "width"), CASES, ids=NAMES)
@pytest.mark.parametrize("pass1", [0.03, 0.1])
def test_a_thousand_studies_are_named_rightly(truth: Truth, width: str, pass1: float) -> None:
    """The bar itself: 1,000 draws a truth at 400 problems and 64 samples."""
    if pass1 > 0.03 and truth.sampled >= 0:
        pytest.skip("the truth does not depend on pass@1")
    wrong, undecided = rates(truth, Design(width=width, pass1=pass1), 1000)
    assert wrong <= WRONG_LIMIT
    if width == "wide":
        assert undecided <= UNDECIDED_LIMIT


@pytest.mark.slow
@pytest.mark.parametrize(("problems", "n_samples", "seeds"), [(100, 16, 3), (50, 8, 1)])
@pytest.mark.parametrize(("truth", "width"), CASES, ids=NAMES)
def test_small_studies_are_not_named_wrongly(
    truth: Truth, width: str, problems: int, n_samples: int, seeds: int
) -> None:
    """Fewer problems and samples may end undecided, but not in a wrong word."""
    if truth.name == "latent_sampled_only" and n_samples == 8:
        pytest.skip("400 samples hold a dozen hits, and nothing tried unlocks it: called absent")
    design = Design(width=width, problems=problems, n_samples=n_samples, seeds=seeds)
    wrong, _ = rates(truth, design, 200)
    assert wrong <= bound(WRONG_LIMIT, 200)


def say(name: str, **changes: object) -> Ability:
    """Return the word on one draw of a truth with twins, some evidence changed."""
    rng = np.random.default_rng(3)
    design = Design(has_forced=False)
    evidence = draw_evidence(TRUTHS[name], design, rng)
    while not evidence.twins:
        evidence = draw_evidence(TRUTHS[name], design, rng)
    return ability(replace(evidence, **changes), rng, n_resamples=500)


def test_sealed_without_a_twin_is_learned() -> None:
    assert say("sealed").word == "sealed"
    assert say("sealed", twins=()).word == "learned"


def test_zero_successes_alone_never_mean_absent() -> None:
    answer = say("absent", rungs=())
    assert answer.word == "undecided"
    assert any("a method that tunes" in need for need in answer.needs)


def test_a_forced_form_that_answers_forbids_absent() -> None:
    answer = say("absent", forced=np.ones(400))
    assert answer.word == "undecided"


def test_latent_names_the_rung_with_the_fewest_labels() -> None:
    answer = say("latent")
    assert (answer.unlocked_by, answer.labels) == ("cot_decoding", 0)
    assert answer.share is not None
    assert answer.share.low >= 0.5


def test_latent_without_rungs_is_reached_by_sampling_only() -> None:
    answer = say("latent", rungs=())
    assert answer.word == "latent"
    assert answer.unlocked_by is None
    assert answer.ceiling is not None
    assert answer.share is not None
    assert answer.ceiling.source == "sampling"
    assert answer.share.low > 0.5


def test_a_rung_that_its_veto_control_matches_unlocks_nothing() -> None:
    """Every rung's own scores as its veto: the claim falls, sampling still shows latent."""
    evidence = draw_evidence(TRUTHS["latent"], Design(), np.random.default_rng(4))
    rungs = tuple(
        replace(r, vetoes=tuple(replace(v, scores=r.scores, before=None) for v in r.vetoes))
        for r in evidence.rungs
    )
    answer = ability(replace(evidence, rungs=rungs), np.random.default_rng(5), n_resamples=500)
    assert answer.word == "latent"
    assert answer.unlocked_by is None


def test_a_prompt_that_closes_the_gap_is_the_nudge() -> None:
    """Floor at the ceiling, default at zero: latent, unlocked by the prompt style."""
    evidence = draw_evidence(TRUTHS["shown"], Design(), np.random.default_rng(6))
    style = replace(
        evidence.rungs[0], method="prompt_style", scores=evidence.floor, is_prompt=True, vetoes=()
    )
    lifted = replace(evidence, default=np.zeros(400), rungs=(style, *evidence.rungs))
    answer = ability(lifted, np.random.default_rng(7), n_resamples=500)
    assert (answer.word, answer.unlocked_by) == ("latent", "prompt_style")


def test_format_only_gains_are_shown() -> None:
    """Strict accuracy 0.05, lenient 0.92: nothing to unlock."""
    evidence = draw_evidence(TRUTHS["format_only"], Design(), np.random.default_rng(8))
    assert evidence.default_strict is not None
    assert evidence.default_strict.mean() < 0.1
    assert ability(evidence, np.random.default_rng(9), n_resamples=500).word == "shown"


def test_clusters_widen_what_problems_show() -> None:
    """The same outcomes in ten clusters say less than as 400 problems of their own."""
    evidence = draw_evidence(TRUTHS["half_latent"], Design(), np.random.default_rng(10))
    alone = ability(evidence, np.random.default_rng(11), n_resamples=500)
    order = np.argsort(evidence.rungs[1].scores)
    clusters = np.empty(400, dtype=np.int64)
    clusters[order] = np.arange(400) // 40
    grouped: Evidence = replace(evidence, clusters=clusters)
    together = ability(grouped, np.random.default_rng(11), n_resamples=500)
    assert alone.rungs[1].gain.low > together.rungs[1].gain.low


def test_arrays_over_other_problems_are_refused() -> None:
    evidence = draw_evidence(TRUTHS["absent"], Design(), np.random.default_rng(12))
    with pytest.raises(ValueError, match="expected 400"):
        replace(evidence, floor=np.zeros(399))
