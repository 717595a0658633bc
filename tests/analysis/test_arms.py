"""Arms with other settings: their trials, their table, and what rungs are worth beside them."""

import dataclasses
import math

import numpy as np
import pytest

from modicum.analysis.evidence import Samples
from modicum.analysis.sample_worth import plain_curves, samples_worth
from modicum.analysis.verdict import as_json
from modicum.cli.section_text import core_text
from modicum.errors import ConfigError, UnknownNameError
from modicum.report import words
from modicum.report.axes import Palette
from modicum.report.plots import core_charts
from modicum.report.sections import core
from modicum.running.kept_verdicts import recalled
from modicum.running.runner import Silent, run
from modicum.seeds import stream
from modicum.stats import Figure, resample
from modicum.store.database import Store
from modicum.study.checks import check_plan
from modicum.study.controls import WITH
from modicum.study.plan import Grid, Plan
from modicum.study.problem_sets import shots_of
from modicum.task import resolve_task

SMALL = {"steps": 2, "groups": 2, "rollouts": 4}
ARMS = ("rlvr.reward=random", "rlvr.reward=format", "rlvr.reward=random,updates=2")


def plan(arms: tuple[str, ...] = ARMS, **more: object) -> Plan:
    grid = Grid(("organism",), ("word_sums",), ("rlvr",), (1, 2), arms=arms)
    sizes = {"test": 12, "selection": 4, "samples": 8, "seeds": 2, "retain": ("none",)}
    return Plan((grid,), settings={"rlvr": SMALL}, **{**sizes, **more})


def test_arm_runs_every_seed_at_the_largest_budget_on_the_rungs_own_shots() -> None:
    trials = plan().trials()
    own = [t for t in trials if t.control.startswith(WITH)]
    assert len(own) == len(ARMS) * 2
    assert {t.n_shots for t in own} == {2}
    assert {t.control for t in own} == {
        "with reward=random", "with reward=format", "with reward=random, updates=2",
    }  # fmt: skip
    task = resolve_task("word_sums")
    for trial in own:
        (rung,) = [
            t
            for t in trials
            if (t.method, t.n_shots, t.seed, t.control, t.task)
            == ("rlvr", 2, trial.seed, "", trial.task)
        ]
        assert shots_of(trial, task) == shots_of(rung, task)
        changed = {n for n, v in trial.settings.items() if rung.settings[n] != v}
        assert changed == set(trial.control.removeprefix(WITH).replace(", ", "=").split("=")[::2])


def test_study_without_arms_has_the_trials_it_had() -> None:
    assert not [t for t in plan(()).trials() if t.control.startswith(WITH)]
    assert all(not t.scope.sampled for t in plan(()).trials())


def test_samples_of_nudged_models_change_their_trials_and_no_measure() -> None:
    plain, other = ({t.id: t for t in plan(sampled=n).trials()} for n in (0, 4))
    assert {t.method for n, t in plain.items() if n in other} == {"plain", "prompt_style"}
    assert {t.method for n, t in other.items() if n not in plain} == {"rlvr"}
    with pytest.raises(ConfigError, match="sampled = -1"):
        plan(sampled=-1)


@pytest.mark.parametrize(
    ("arm", "error", "words_"),
    [
        ("rlvr.rewards=random", UnknownNameError, "rewards"),
        ("fine_tune.rank=2", ConfigError, "not among the methods of this grid"),
        ("rlvr.reward=rando", ConfigError, "rando"),
        ("rlvr.pick=half", ConfigError, "needs a pool"),
        ("rlvr.pick=half,pool=513", ConfigError, "513 shots"),
        ("rlvr.clip=0,updates", ConfigError, "updates"),
    ],
)
def test_arm_that_cannot_work_is_refused_before_weights_load(arm, error, words_) -> None:
    with pytest.raises(error, match=words_):
        check_plan(plan((arm,)))


def _samples(rates: list[float], n: int = 64) -> Samples:
    """Answer that are right at these rates, and otherwise one wrong answer, always the same."""
    rng = stream("worth-test")
    right = rng.random((len(rates), n)) < np.array(rates)[:, None]
    answers = np.where(right, 0, 1 + np.arange(len(rates))[:, None])
    return Samples(
        answers=answers,
        gold=np.zeros(len(rates), dtype=np.int64),
        correct=right,
        strata=np.zeros(len(rates), dtype=np.int64),
    )


def _worth(scores: np.ndarray, rates: list[float]):
    samples = _samples(rates)
    return samples_worth(scores, plain_curves(samples), resample(stream("r"), len(rates)))


def test_accuracy_of_one_sample_is_worth_about_one() -> None:
    rates = [0.3] * 200
    scores = (stream("s").random((3, 200)) < 0.3).astype(float)
    found = _worth(scores, rates)
    assert found.samples.value < 1.4
    assert found.largest == 64


def test_pass_at_four_is_worth_four_samples() -> None:
    rates = [0.2] * 400
    level = 1 - 0.8**4
    scores = (stream("s").random((5, 400)) < level).astype(float)
    found = _worth(scores, rates)
    assert 3.2 < found.samples.value < 5
    assert found.samples.low < 4 < found.samples.high


def test_what_votes_never_reach_is_worth_more_than_all_of_them() -> None:
    # the wrong answer is the mode everywhere: voting gets worse with k, pass@k does not
    scores = (stream("s").random((3, 100)) < 0.9).astype(float)
    found = _worth(scores, [0.2] * 100)
    assert math.isinf(found.votes.value)
    assert found.samples.value < 64
    assert words.worth(found.votes, found.largest).startswith("> 64")


def test_votes_that_get_better_are_worth_their_number() -> None:
    # the gold is the mode everywhere: 16 votes are nearly always right
    found = _worth(np.ones((2, 100)), [0.8] * 100)
    assert 4 < found.votes.value <= 64


@pytest.mark.parametrize(
    ("gain", "word"),
    [((0.2, 0.1, 0.3), "helps"), ((-0.2, -0.3, -0.1), "harms"), ((0.0, -0.04, 0.04), "holds"),
     ((0.0, -0.2, 0.2), "undecided")],
)  # fmt: skip
def test_effect_is_said_in_one_word(gain: tuple[float, float, float], word: str) -> None:
    assert words.effect(Figure(*gain, 100)) == word


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("arms"))
    made = plan(sampled=2)
    run(made, store, Silent())
    assert not store.failed()
    yield made, store
    store.close()


@pytest.fixture(scope="module")
def verdict(studied):
    made, store = studied
    return recalled(made, store)[0]


def test_arms_stand_below_their_rung_and_not_among_its_controls(verdict) -> None:
    few, many = (row for row in verdict.rungs if row.method == "rlvr")
    assert not few.arms
    assert [arm.name for arm in many.arms] == [
        "", "with reward=random", "with reward=format", "with reward=random, updates=2",
    ]  # fmt: skip
    assert all(arm.seeds == 2 and arm.score.n == 12 for arm in many.arms)
    assert set(many.controls) == {"scrambled", "format"}
    assert many.arms[0].score == many.score
    assert [arm.labels for arm in many.arms] == [2, 0, 0, 0]


def test_gains_are_over_the_format_arm_and_the_random_one_alike_but_for_the_reward(
    verdict,
) -> None:
    few, many = (row for row in verdict.rungs if row.method == "rlvr")
    by_name = {arm.name: arm for arm in many.arms}
    random = by_name["with reward=random"].score.value
    assert many.reward_attributable.value == pytest.approx(many.score.value - random)
    best = max(many.controls["format"].value, by_name["with reward=format"].score.value)
    assert many.beyond_format.value == pytest.approx(many.score.value - best)
    assert few.reward_attributable is None


def test_every_rung_is_worth_some_number_of_samples(verdict) -> None:
    assert all(row.worth is not None and row.worth.largest == 8 for row in verdict.rungs)


def test_nudged_models_are_sampled_beside_their_greedy_answers(studied, verdict) -> None:
    _, store = studied
    for row in verdict.rungs:
        assert (row.sampled is None) == (row.method == "prompt")
    (row,) = [r for r in verdict.rungs if r.method == "rlvr" and r.n_shots == 1]
    outcome = store.by_id(row.trials[0])
    n, right = outcome.sampled.n, outcome.sampled.right
    assert (n, len(right)) == (2, 12)
    assert row.curve.ks == (1, 2)
    assert row.curve.pass_k[0] == pytest.approx(row.sampled.value)
    # measuring cost, not the nudge's: a query is still answered once
    assert outcome.serving["tokens_sampled"] <= 12 * 40
    assert all(len(answer.texts) == 1 for answer in outcome.answers)


def test_curves_of_training_and_their_size_stand_in_the_verdict(verdict) -> None:
    row = verdict.rungs[-1]
    assert {"reward", "length", "entropy", "constant_groups"} <= set(row.learning)
    assert all(len(points) == 2 for points in row.learning.values())
    assert row.scalars > 1000
    names = [chart.name for chart in core_charts(verdict, "learning", Palette.of([verdict]))]
    assert names == [
        "learning-reward", "learning-length", "learning-entropy", "learning-constant-groups",
    ]  # fmt: skip


def test_arms_are_printed_by_name_with_a_word_each(verdict) -> None:
    (text,), (worth,) = (core_text(verdict.sections[name], 120) for name in ("arms", "worth"))
    assert "  with random, updates=2" in text
    assert any(word in text for word in ("helps", "harms", "holds", "undecided"))
    assert "beyond format" in worth
    assert "with reward=format" in core(verdict, "arms")
    assert "majority of N" in core(verdict, "worth")


def test_json_holds_gains_worth_and_arms(verdict) -> None:
    plain = as_json(verdict)["rungs"][-1]
    assert plain["worth"]["largest"] == 8
    assert plain["reward_attributable"]["n"] == 12
    assert plain["arms"][1]["name"] == "with reward=random"
    assert len(plain["arms"][1]["learning"]["reward"]) == 2


def test_verdict_with_arms_is_recalled_as_it_was(studied) -> None:
    made, store = studied
    first, again = recalled(made, store), recalled(made, store)
    assert dataclasses.asdict(again[0]) == dataclasses.asdict(first[0])
