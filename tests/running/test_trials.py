"""A trial is a pure function of its identity; what it saw and spent is counted."""

import dataclasses
import json
from pathlib import Path

import pytest

from modicum.errors import ConfigError
from modicum.methods.self_consistency import SelfConsistency
from modicum.nudge import Solver
from modicum.running.kept_verdicts import recalled
from modicum.running.planning import plan_for
from modicum.running.runner import Silent, floor_style, run
from modicum.store.database import Outcome, Store
from modicum.study.plan import Plan, Subject
from modicum.study.trial import remark, run_trial
from modicum.types import Problem, Style, Trial
from modicum.workbench import Study

RAW = Style("raw", "{question}")
OPTIONS = {"test": 12, "selection": 6, "samples": 4}


@pytest.fixture
def plan() -> Plan:
    return plan_for("scripted:latent", "sums", ["self_consistency", "cot_decoding"], **OPTIONS)


def _trial(plan: Plan, method: str, task: str = "sums") -> Trial:
    return next(t for t in plan.trials() if t.method == method and t.task == task)


def _run(plan: Plan, trial: Trial, folder: Path) -> Outcome:
    return run_trial(plan, trial, RAW, folder / "artefacts" / trial.id)


def _timeless(outcome: Outcome) -> Outcome:
    spent = {k: v for k, v in outcome.elicitation.items() if k != "seconds"}
    served = {k: v for k, v in outcome.serving.items() if k != "seconds"}
    return dataclasses.replace(outcome, elicitation=spent, serving=served)


@pytest.mark.parametrize("method", ["plain", "prompt_style", "self_consistency", "cot_decoding"])
def test_same_trial_gives_the_same_outcome(method: str, plan, tmp_path) -> None:
    trial = _trial(plan, method)
    one, two = _run(plan, trial, tmp_path / "1"), _run(plan, trial, tmp_path / "2")
    assert _timeless(one) == _timeless(two)


def test_method_without_labels_sees_none(plan, tmp_path) -> None:
    assert _run(plan, _trial(plan, "cot_decoding"), tmp_path).elicitation["labels"] == 0


def test_labels_of_the_floor_are_the_selection_problems(plan, tmp_path) -> None:
    assert _run(plan, _trial(plan, "prompt_style"), tmp_path).elicitation["labels"] == 6


def test_labels_of_a_tuned_rung_are_its_shots(tmp_path) -> None:
    settings = {"fine_tune": {"steps": 1}}
    plan = plan_for("organism", "line_moves", ["fine_tune"], [2], **OPTIONS, settings=settings)
    trial = dataclasses.replace(_trial(plan, "fine_tune", "line_moves"))
    assert _run(plan, trial, tmp_path).elicitation["labels"] == 2


def test_solver_sees_no_gold(plan, tmp_path, monkeypatch) -> None:
    seen: list[Problem] = []
    solve = Solver.solve

    def spy(self, problems, **given):
        seen.extend(problems)
        return solve(self, problems, **given)

    monkeypatch.setattr(Solver, "solve", spy)
    _run(plan, _trial(plan, "self_consistency"), tmp_path)
    assert {(p.answer, p.solution) for p in seen} == {("", None)}


def test_error_inside_a_method_is_recorded_with_its_traceback(plan, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(SelfConsistency, "elicit", lambda *given: {}["planted"])
    error = _run(plan, _trial(plan, "self_consistency"), tmp_path).error
    assert error.startswith("KeyError: 'planted'")
    assert "Traceback" in error


def test_failed_trial_has_no_answers(plan, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(SelfConsistency, "elicit", lambda *given: {}["planted"])
    assert _run(plan, _trial(plan, "self_consistency"), tmp_path).answers == ()


def test_stop_by_the_user_is_no_failed_trial(plan, tmp_path, monkeypatch) -> None:
    def stop(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(SelfConsistency, "elicit", stop)
    with pytest.raises(KeyboardInterrupt):
        _run(plan, _trial(plan, "self_consistency"), tmp_path)


def test_marker_that_fails_twice_is_an_error_and_not_incorrect(plan, tmp_path, monkeypatch) -> None:
    from modicum.tasks.sums import Sums

    monkeypatch.setattr(Sums, "mark", lambda *given: 1 / 0)
    assert _run(plan, _trial(plan, "plain"), tmp_path).error.startswith("JudgeError")


def test_marker_that_fails_once_is_asked_again(plan, tmp_path, monkeypatch) -> None:
    from modicum.tasks.sums import Sums

    mark, calls = Sums.mark, []

    def shaky(self, problem, text):
        calls.append(text)
        if len(calls) == 1:
            raise TimeoutError
        return mark(self, problem, text)

    monkeypatch.setattr(Sums, "mark", shaky)
    assert not _run(plan, _trial(plan, "plain"), tmp_path).error


def test_nudge_is_in_the_outcome_and_the_driver_alone_writes_it(plan, tmp_path) -> None:
    outcome = _run(plan, _trial(plan, "self_consistency"), tmp_path)
    assert set(outcome.files) == {"solver.json"}
    assert outcome.artefact == f"artefacts/{outcome.trial.id}"
    assert not list(tmp_path.iterdir())


def test_remarked_twin_equals_the_twin_really_run(plan, tmp_path) -> None:
    original = _run(plan, _trial(plan, "cot_decoding"), tmp_path / "1")
    twin = _trial(plan, "cot_decoding", "scrambled:sums")
    really = _run(plan, twin, tmp_path / "2")
    assert remark(original, twin).answers == really.answers


def test_twin_of_a_method_without_labels_is_not_drawn_again(plan, tmp_path, monkeypatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(
        "modicum.executor.run_trial",
        lambda plan, trial, *rest: drawn.append(trial.task) or run_trial(plan, trial, *rest),
    )
    store = Store(tmp_path)
    run(plan, store, Silent())
    store.close()
    assert set(drawn) == {"sums"}


class _Interrupted(Silent):
    """Ends the run as a rung ends."""

    def finished(self, outcome: Outcome) -> None:
        if outcome.trial.method == "self_consistency":
            raise KeyboardInterrupt


@pytest.mark.parametrize("styles", ["default", "all"])
def test_a_run_that_is_interrupted_leaves_a_verdict_on_what_has_ended(styles, tmp_path) -> None:
    methods, store = ["cot_decoding", "self_consistency", "few_shot"], Store(tmp_path)
    plan = plan_for("scripted:latent", "sums", methods, [1], styles=styles, **OPTIONS)
    with pytest.raises(KeyboardInterrupt):
        run(plan, store, _Interrupted())
    done = store.done()
    twins = {t.method for t in plan.trials() if t.is_twin and t.id in done}
    [verdict] = recalled(plan, store)
    assert twins >= {"prompt_style", "plain", "cot_decoding"}
    assert "few_shot" not in {t.method for t in plan.trials() if t.id in done}
    assert "cot_decoding" in {rung.method for rung in verdict.rungs}
    run(plan, store, Silent())
    assert store.done() == {trial.id for trial in plan.trials()}
    store.close()


def test_every_trial_of_a_plan_is_written(plan, tmp_path) -> None:
    store = Store(tmp_path)
    run(plan, store, Silent())
    done = store.done()
    store.close()
    assert done == {trial.id for trial in plan.trials()}


def test_later_trials_are_asked_in_the_floors_style(plan, tmp_path) -> None:
    store = Store(tmp_path)
    run(plan, store, Silent())
    chosen = floor_style(store, Subject(plan, "scripted:latent", "sums"))
    used = store.read(_trial(plan, "self_consistency")).style
    store.close()
    assert used.name == chosen.name


@pytest.fixture
def study(tmp_path) -> Study:
    return Study("scripted:latent", "sums", ["cot_decoding"], out=tmp_path / "s", options=OPTIONS)


def test_study_gives_the_solver_that_it_scored(study) -> None:
    study.run()
    store = Store(study.folder)
    outcome = store.read(_trial(study.plan, "cot_decoding"))
    store.close()
    from modicum.tasks.sums import Sums

    solved = study.solver("cot_decoding").solve(Sums().problems("test", 12))
    assert [s.text for s in solved] == [a.texts[a.chosen] for a in outcome.answers]


def test_solver_of_a_rung_that_did_not_run_is_refused(study) -> None:
    with pytest.raises(ConfigError, match="call run"):
        study.solver("cot_decoding")


def test_solver_of_an_unknown_rung_is_refused(study) -> None:
    with pytest.raises(ConfigError, match="no method fine_tune at 4 shots"):
        study.solver("fine_tune", 4)


def test_a_model_that_can_be_asked_in_no_style_says_so(tmp_path) -> None:
    path = tmp_path / "own.jsonl"
    rows = [{"question": f"Ann has {i} pears. How many?", "answer": str(i)} for i in range(60)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    plan = plan_for("organism", str(path), (), (), test=4, selection=2, samples=2, retain=("none",))
    error = run_trial(plan, plan.subjects()[0].default(), None, tmp_path / "a").error
    assert error.startswith("TrialError: no usable style")
    assert "--template" in error
