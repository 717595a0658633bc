"""A budget buys measures first, then the better rungs with their controls; the rest is said."""

import dataclasses
import json
import time

import numpy as np
import pytest

from modicum.errors import ConfigError
from modicum.executor import resolve_executor
from modicum.outcome import Selected
from modicum.running.planning import plan_for
from modicum.running.runner import Silent, _accuracy, run
from modicum.running.session import spent_before
from modicum.seeds import stream
from modicum.store.database import Answer, Outcome, Session, Store
from modicum.study.budget import (
    Budget,
    BudgetLevel,
    Cost,
    Pace,
    RungTrials,
    arms_of,
    fitting,
    measures_of,
    next_trials,
    read_seconds,
)
from modicum.study.plan import Plan
from modicum.study.speed import Speed, keep_speed
from modicum.types import Grade, Mark, Trial
from modicum.workbench import Study
from tests.support.commands import SMALL, modicum

METHODS = ["self_consistency", "cot_decoding", "fine_tune", "rejection_tuning"]
PLAN = plan_for(
    "organism", "line_moves", METHODS, (1, 4), seeds=2, test=10, twin="organism-control"
)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("20m", 1200), ("1h", 3600), ("1.5h", 5400), ("1h30m", 5400)]
)
def test_time_is_read_with_its_unit(text: str, seconds: float) -> None:
    assert read_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["20", "", "m", "0s", "-5m", "20 m", "1d", "5mm", "nan", "9" * 400 + "s"]
)
def test_time_without_sense_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="a time with its unit"):
        read_seconds(text)


# The scheduler, played through with made-up scores


def _played(scores: dict[str, float], plan: Plan = PLAN, most: int = 10**6) -> list[list[Trial]]:
    """Return the stages in order, each trial scoring as its method and shots say."""
    arms, ended, stages = arms_of(plan), {}, []
    while (wanted := next_trials(arms, ended)) and len(stages) < most:
        stages.append(wanted)
        ended.update((str(t.id), scores.get(f"{t.method} {t.n_shots}", 0.0)) for t in wanted)
    return stages


SCORES = {
    "cot_decoding 0": 0.9,
    "self_consistency 0": 0.2,
    "fine_tune 1": 0.5,
    "rejection_tuning 1": 0.1,
    "fine_tune 4": 0.8,
}


def test_every_rung_begins_at_its_fewest_shots_with_one_seed() -> None:
    first = _played(SCORES)[0]
    assert [(t.method, t.n_shots) for t in first] == [
        ("self_consistency", 0),
        ("cot_decoding", 0),
        ("fine_tune", 1),
        ("rejection_tuning", 1),
    ]
    assert all((t.seed, t.control, t.model) == (0, "", "organism") for t in first)


def test_better_half_gets_its_controls_before_more_shots() -> None:
    _, controls, larger, *_ = _played(SCORES)
    assert {t.method for t in controls} == {"cot_decoding", "fine_tune"}
    kinds = {(t.model, t.task.split(":")[0], t.seed) for t in controls if t.method == "fine_tune"}
    assert kinds == {
        ("organism", "line_moves", 1),
        ("organism", "scrambled", 0),
        ("organism-control", "line_moves", 0),
        ("organism-control", "line_moves", 1),
    }
    assert [(t.method, t.n_shots, t.seed) for t in larger] == [("fine_tune", 4, 0)]


def test_last_survivor_gets_its_controls_at_the_most_shots() -> None:
    stage = _played(SCORES)[3]
    assert {t.method for t in stage} == {"fine_tune"}
    assert "shuffled" in {t.control for t in stage}
    assert {t.n_shots for t in stage} == {4}


def test_what_was_left_behind_comes_last_and_every_trial_comes_once() -> None:
    stages = _played(SCORES)
    played = [t.id for stage in stages for t in stage]
    every = {t.id for t in PLAN.trials()} - measures_of(PLAN)
    assert len(played) == len(set(played))
    assert set(played) == every
    assert {t.method for t in stages[-1]} == {"self_consistency", "rejection_tuning"}


def test_failed_rung_falls_behind() -> None:
    failed = {**SCORES, "cot_decoding 0": -1.0, "fine_tune 1": -1.0}
    assert {t.method for t in _played(failed)[1]} == {"self_consistency", "rejection_tuning"}


def test_subjects_are_halved_apart() -> None:
    grid = dataclasses.replace(PLAN.grids[0], tasks=("line_moves", "sums"), twin="")
    first, second, *_ = _played(SCORES, dataclasses.replace(PLAN, grids=(grid,)))
    assert len(first) == 8
    for task in ("line_moves", "sums"):
        ours = {t.method for t in second if t.task.endswith(task)}
        assert ours == {"cot_decoding", "fine_tune"}


def test_measures_are_no_arms() -> None:
    rungs = {t.id for a in arms_of(PLAN) for level in a.levels for t in (level.probe, *level.rest)}
    assert not rungs & measures_of(PLAN)


# What fits


def _trial(method: str = "fine_tune", n_shots: int = 1, seed: int = 0) -> Trial:
    return Trial("m", "t", method, n_shots, seed)


def test_trials_are_taken_in_order_while_they_fit() -> None:
    trials = [_trial(seed=seed) for seed in range(4)]
    costs = [Cost(50, 1), Cost(80, 1), Cost(40, 1), Cost(40, 1)]
    assert fitting(trials, costs, Budget(100)) == [trials[0], trials[2]]
    assert fitting(trials, costs, Budget(100), workers=2) == trials[:3]
    assert fitting(trials, costs, Budget(tokens=3)) == trials[:3]


def test_nothing_fits_into_a_budget_that_is_used_up() -> None:
    assert fitting([_trial()], [Cost(0, 0)], Budget(100).less(100, 0)) == []


def test_trial_is_expected_to_take_what_its_like_took() -> None:
    pace = Pace(
        (
            (_trial(n_shots=1), Cost(10, 100)),
            (_trial(n_shots=4), Cost(30, 300)),
            (_trial("plain", 0), Cost(60, 6000)),
        )
    )
    assert pace.expect(_trial(n_shots=4, seed=1), 999) == Cost(30, 300)
    assert pace.expect(_trial(n_shots=8), 999) == Cost(20, 200)
    assert pace.expect(_trial("cot_decoding", 0), 640) == Cost(10, 640)
    assert Pace(()).expect(_trial(), 640) == Cost(0.0, 640)


# Runs


LONG = plan_for("scripted:latent", "sums", METHODS[:2], test=10, samples=8, selection=4)


def _within(budget: Budget | None, folder, monkeypatch, seconds: float = 10.0) -> Store:
    """Run with a clock on which each trial takes so many seconds."""
    now = [0.0]

    class Slow(Silent):
        def finished(self, outcome: Outcome) -> None:
            now[0] += seconds

    monkeypatch.setattr("modicum.running.session.monotonic", lambda: now[0])
    store = Store(folder)
    run(LONG, store, Slow(), budget=budget)
    return store


def test_measures_run_whatever_the_tokens(tmp_path, monkeypatch) -> None:
    store = _within(Budget(tokens=1.0), tmp_path, monkeypatch)
    assert store.done() == measures_of(LONG)
    store.close()


def test_time_that_ends_within_the_measures_starts_no_further_trial(tmp_path, monkeypatch) -> None:
    store = _within(Budget(1.0), tmp_path, monkeypatch)
    floor = LONG.subjects()[0].floor()
    assert store.done() - {t.id for t in LONG.subjects()[0].scrambled()} == {floor.id}
    store.close()


def test_time_that_ends_within_a_trial_ends_it(tmp_path) -> None:
    [subject] = LONG.subjects()
    store = Store(tmp_path)

    class Slow(Silent):
        def spent(self, tokens: float) -> None:
            time.sleep(0.2)

    before = time.monotonic()
    run(LONG, store, Slow(), budget=Budget(0.3))
    assert time.monotonic() - before < 2.0
    assert subject.floor().id not in store.done()
    run(LONG, store, Silent(), budget=Budget(60.0))
    assert store.done() == {t.id for t in LONG.trials()}
    store.close()


def test_time_that_is_used_up_ends_workers(tmp_path) -> None:
    store = Store(tmp_path)
    executor = resolve_executor("processes?workers=2")
    run(LONG, store, Silent(), budget=Budget(0.05), executor=executor)
    assert store.done() == set()
    store.close()


def test_measures_that_take_longer_than_there_is_are_refused_at_once(tmp_path) -> None:
    store = Store(tmp_path)
    keep_speed(store, "scripted:latent", "sums", Speed(1.0, 5.0, 5.0))
    with pytest.raises(ConfigError, match=r"floor and ceiling alone need about .* min"):
        run(LONG, store, Silent(), budget=Budget(120.0))
    assert store.done() == set()
    store.close()


def test_ample_budget_runs_the_whole_plan(tmp_path, monkeypatch) -> None:
    store = _within(Budget(10**6, 10**9), tmp_path, monkeypatch)
    assert store.done() == {t.id for t in LONG.trials()}
    store.close()


def test_more_budget_goes_on_where_less_ended(tmp_path, monkeypatch) -> None:
    counts = []
    for tokens in (1.0, 3000.0, 10.0**9):
        store = _within(Budget(tokens=tokens), tmp_path, monkeypatch)
        counts.append(len(store.done()))
        again = _within(Budget(tokens=tokens), tmp_path, monkeypatch)
        assert len(again.done()) == counts[-1]  # what was taken earlier counts
        store.close()
        again.close()
    assert counts == sorted(counts)
    assert counts[0] == len(measures_of(LONG))
    assert counts[-1] == len(LONG.trials())


def test_run_says_what_the_budget_left_out(tmp_path) -> None:
    said = modicum("run", *SMALL, "--out", tmp_path, "--max-tokens", 1, "--json")
    assert said.code == 0
    assert "budget used up: " in said.err
    doubts = " ".join(json.loads(said.out)["verdicts"][0]["doubts"])
    assert "left out so far: self_consistency" in doubts
    whole = modicum("run", *SMALL, "--out", tmp_path, "--budget", "1h", "--json")
    assert "left out" not in whole.out
    assert "budget used up" not in whole.err


def test_python_study_takes_a_budget(tmp_path) -> None:
    study = Study(
        "scripted:latent", "sums", METHODS[:2], out=tmp_path / "s", budget=Budget(tokens=1)
    )
    study.options = {"test": 10, "samples": 8, "selection": 4}
    assert any(doubt.startswith("left out so far") for doubt in study.run().doubts)
    study.budget = None
    assert not any(doubt.startswith("left out so far") for doubt in study.run().doubts)


def test_budget_in_python_is_refused_before_anything_where_the_measures_do_not_fit(
    tmp_path,
) -> None:
    """The command line's own code: what the check and the measures take counts too."""
    store = Store(tmp_path / "s")
    keep_speed(store, "scripted:latent", "sums", Speed(1.0, 10.0, 10.0))
    store.close()
    study = Study(
        "scripted:latent", "sums", METHODS[:2], out=tmp_path / "s", budget="20s", progress=False
    )
    with pytest.raises(ConfigError, match=r"left of budget, and floor and ceiling alone need"):
        study.run()
    store = Store(tmp_path / "s")
    assert (store.plans, store.has_draws, store.done()) == ([], False, set())
    store.close()


@pytest.mark.parametrize("option", [("--budget", "20"), ("--max-tokens", "0")])
def test_budget_without_sense_is_refused_before_anything_is_made(option, tmp_path) -> None:
    said = modicum("run", *SMALL, "--out", tmp_path / "study", *option)
    assert said.code == 2
    assert option[0] in said.err
    assert not (tmp_path / "study").exists()


def test_a_killed_run_counts_against_the_budget(tmp_path, monkeypatch) -> None:
    store = Store(tmp_path)
    # a run that was killed in the midst of its first trial: nothing is stored but its last sign of life
    store.keep_session(Session("killed", seconds=500.0, tokens=2000.0))
    store.close()
    for budget, done in ((Budget(400.0), set()), (Budget(tokens=1500.0), measures_of(LONG))):
        store = _within(budget, tmp_path, monkeypatch)
        assert store.done() == done
        store.close()


def test_the_time_of_earlier_runs_counts_once(tmp_path, monkeypatch) -> None:
    store = _within(None, tmp_path, monkeypatch)
    seconds, tokens = spent_before(store)
    assert seconds == 10.0 * len(LONG.trials())
    outcomes = [store.read(trial, texts=False) for trial in LONG.trials()]
    ledgers = [ledger for one in outcomes for ledger in (one.elicitation, one.serving)]
    assert tokens == sum(
        one.get("tokens_sampled", 0) + one.get("tokens_trained", 0) for one in ledgers
    )
    store.close()


# Rungs are chosen by the selection problems, and scored by the test's


def _ended(trial: Trial, right: float, seen: float, n: int = 40) -> Outcome:
    mark = {
        True: Mark("1", Grade.CORRECT, Grade.CORRECT),
        False: Mark("2", Grade.INCORRECT, Grade.INCORRECT),
    }
    answers = tuple(Answer(str(i), ("",), (mark[i < right * 100],)) for i in range(100))
    return Outcome(trial, answers, selected=Selected(round(seen * n), n))


def test_what_is_best_on_the_test_problems_alone_is_not_chosen() -> None:
    trial = PLAN.trials()[0]
    assert _accuracy(_ended(trial, 0.9, 0.25)) == 0.25
    assert _accuracy(_ended(trial, 0.1, 0.75)) == 0.75
    assert _accuracy(Outcome(trial, error="it failed")) == -1.0


def test_score_of_the_survivor_of_eight_equal_rungs_is_unbiased() -> None:
    """2,000 budgets: the survivor's accuracy on the test problems is that of any rung."""
    rng, truth, reached = stream("test", "halving"), 0.5, []
    names = [f"rung_{i}" for i in range(8)]
    probes = [Trial("m", "t", name, 1, 0) for name in names]
    arms = [RungTrials(("m", "t"), t.method, (BudgetLevel(t, ()),)) for t in probes]
    more = [Trial("m", "t", name, 4, 0) for name in names]
    arms = [
        dataclasses.replace(arm, levels=(*arm.levels, BudgetLevel(t, ())))
        for arm, t in zip(arms, more, strict=True)
    ]
    for _ in range(2000):
        ended, tests = {}, {}
        while wanted := next_trials(arms, ended):
            for trial in wanted:
                outcome = _ended(
                    trial, rng.binomial(100, truth) / 100, rng.binomial(40, truth) / 40
                )
                ended[str(trial.id)] = _accuracy(outcome)
                tests[str(trial.id)] = (
                    sum(a.mark.lenient == Grade.CORRECT for a in outcome.answers) / 100
                )
            if len(wanted) == 4:  # the better half at four shots: the best of them is shipped
                best = max(wanted, key=lambda t: ended[str(t.id)])
                reached.append(tests[str(best.id)])
                break
    assert abs(np.mean(reached) - truth) < 0.003


def test_a_budget_scores_first_seeds_on_the_selection_problems(tmp_path) -> None:
    plan = plan_for("scripted:latent", "sums", ["self_consistency", "few_shot"], (1,), seeds=1, test=6,
                    selection=5, samples=4, retain=("none",))  # fmt: skip
    store = Store(tmp_path)
    run(plan, store, Silent(), budget=Budget(seconds=600))
    probes = [level.probe for arm in arms_of(plan) for level in arm.levels]
    for trial in probes:
        assert store.read(trial).selected.n == 5
    store.close()
