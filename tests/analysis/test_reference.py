"""A second model as yardstick: scored in its own style, divided by honestly, allowed to fail."""

import dataclasses
import json
from pathlib import Path

import pytest

from modicum.analysis.verdict import Reference
from modicum.errors import ConfigError, UnknownNameError
from modicum.readings.reference import reference_section
from modicum.running.planning import plan_for
from modicum.store.database import Store
from modicum.study import trial as trials
from modicum.study.checks import check_plan
from modicum.study.plan import Grid, Plan, Subject
from modicum.study.trial import open_model
from modicum.workbench import Study
from tests.support import verdicts as built
from tests.support.commands import SMALL, Said, modicum
from tests.support.verdicts import figure

OPTIONS = {"test": 64, "selection": 8, "samples": 16, "reference": "scripted:shown"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("study") / "out"


@pytest.fixture(scope="module")
def said(folder) -> Said:
    return modicum("run", *SMALL, "--reference", "scripted:shown", "--out", folder, "--json")


@pytest.fixture(scope="module")
def verdict(said) -> dict:
    return json.loads(said.out)["verdicts"][0]


def _correct(folder: Path, trial) -> dict[str, list[bool]]:
    store = Store(folder)
    outcome = store.read(trial)
    store.close()
    return {a.problem: [m.lenient == 1 for m in a.marks] for a in outcome.answers}


@pytest.fixture(scope="module")
def solved(said, folder) -> tuple[dict[str, list[bool]], dict[str, list[bool]]]:
    """What the reference and the samples got right, by problem."""
    plan = plan_for("scripted:latent", "sums", ["cot_decoding"], **OPTIONS)
    subject = Subject(plan, "scripted:latent", "sums")
    return _correct(folder, subject.reference()), _correct(folder, subject.samples())


def test_reference_has_its_greedy_score(verdict, solved) -> None:
    right = [marks[0] for marks in solved[0].values()]
    assert verdict["reference"]["score"]["value"] == sum(right) / len(right) > 0.9


def test_reference_is_asked_in_its_own_floors_style(verdict) -> None:
    assert verdict["reference"]["style"] == "raw"
    assert verdict["reference"]["trial"] != verdict["trials"]["floor"]


def test_problems_on_which_the_ceilings_disagree_are_named(verdict, solved) -> None:
    by_reference, by_samples = solved
    beyond = {p for p, marks in by_reference.items() if marks[0] and not any(by_samples[p])}
    behind = {p for p, marks in by_reference.items() if not marks[0] and any(by_samples[p])}
    assert beyond
    assert behind
    assert set(verdict["reference"]["beyond_samples"]) == beyond
    assert set(verdict["reference"]["samples_beyond"]) == behind


def test_gap_against_the_reference_is_score_over_reference_where_the_floor_is_zero(verdict) -> None:
    top = verdict["reference"]["score"]["value"]
    assert verdict["floor"]["value"] == 0  # the correction for guessing cancels
    rungs = [r for r in verdict["rungs"] if r["method"] != "prompt"]
    found = [rung["gap_against_reference"] for rung in rungs]
    assert [f["value"] for f in found] == [
        pytest.approx(rung["score"]["value"] / top) for rung in rungs
    ]
    assert all(f["low"] <= f["value"] <= f["high"] for f in found)
    assert any(f["low"] < f["high"] for f in found)


def test_gap_against_sampling_stands_beside_it(verdict) -> None:
    rung = next(r for r in verdict["rungs"] if r["method"] == "cot_decoding")
    assert rung["gap_recovered"] is not None
    assert rung["gap_recovered"]["value"] != rung["gap_against_reference"]["value"]


def test_second_run_runs_the_reference_no_more(said, folder, monkeypatch) -> None:
    monkeypatch.setattr("modicum.executor.run_trial", lambda *given: pytest.fail("ran again"))
    again = modicum("run", *SMALL, "--reference", "scripted:shown", "--out", folder, "-v")
    assert "11 trials, 11 done" in again.err
    assert "Reference" in again.out


def test_report_names_every_disagreeing_problem(said, folder, verdict) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert ", ".join(verdict["reference"]["beyond_samples"]) in page


def test_without_a_reference_nothing_is_said_of_one(tmp_path) -> None:
    said = json.loads(modicum("run", *SMALL, "--out", tmp_path, "--json").out)["verdicts"][0]
    assert said["reference"] is None
    assert {rung["gap_against_reference"] for rung in said["rungs"]} == {None}


@pytest.fixture
def broken(monkeypatch) -> None:
    """Make every trial of the reference fail."""

    def opened(reference: str):
        if reference == "scripted:shown":
            raise KeyError("planted")
        return open_model(reference)

    monkeypatch.setattr(trials, "open_model", opened)


def test_verdict_stands_where_the_reference_fails(broken, tmp_path) -> None:
    study = Study("scripted:latent", "sums", ["cot_decoding"], out=tmp_path, options=OPTIONS)
    verdict = study.run()
    assert verdict.ability == "latent"
    assert verdict.reference is None
    assert any("reference scripted:shown could not be scored" in d for d in verdict.doubts)


def test_failed_reference_is_exit_code_one(broken, tmp_path) -> None:
    said = modicum("run", *SMALL, "--reference", "scripted:shown", "--out", tmp_path)
    assert said.code == 1
    assert "LATENT" in said.out


def test_reference_without_the_ability_leaves_its_gap_undefined(tmp_path) -> None:
    options = {**OPTIONS, "reference": "scripted:absent"}
    study = Study("scripted:latent", "sums", ["cot_decoding"], out=tmp_path, options=options)
    verdict = study.run()
    assert {row.gap_against_reference for row in verdict.rungs} == {None}
    assert "not above the floor" in verdict.sections["reference"].brief


def test_answers_that_were_cut_are_a_doubt(tmp_path) -> None:
    options = {**OPTIONS, "max_new_tokens": 3}
    study = Study("scripted:latent", "sums", ["cot_decoding"], out=tmp_path, options=options)
    assert any("of the reference's answers were cut" in d for d in study.run().doubts)


def test_reference_is_the_trial_of_that_models_own_floor() -> None:
    plan = plan_for("scripted:latent", "sums", ["cot_decoding"], **OPTIONS)
    trial = Subject(plan, "scripted:latent", "sums").reference()
    assert trial == Subject(plan, "scripted:shown", "sums").floor()


def test_model_is_not_its_own_reference() -> None:
    plan = plan_for("scripted:latent", "sums", ["cot_decoding"], reference="scripted:latent")
    with pytest.raises(ConfigError, match="the very model under study"):
        check_plan(plan)


def test_one_of_several_models_may_be_the_reference() -> None:
    grid = Grid(("scripted:latent", "scripted:shown"), ("sums",), ("cot_decoding",))
    plan = Plan((grid,), reference="scripted:shown")
    check_plan(plan)
    wanted = [subject.reference() is not None for subject in plan.subjects()]
    assert wanted == [True, False]


def test_unknown_reference_is_refused_before_weights_load() -> None:
    plan = plan_for("scripted:latent", "sums", ["cot_decoding"], reference="scriptd")
    with pytest.raises(UnknownNameError, match="scripted"):
        check_plan(plan)


def test_text_counts_the_disagreements_and_names_the_first() -> None:
    known = Reference(
        "twin", figure(0.9), figure(0.9), "chat", 64, ("a", "b", "c", "d"), ("e",), "t"
    )
    section = reference_section(dataclasses.replace(built.latent(), reference=known))
    said = section.brief
    assert "solves 4 problems (a, b, c, …) that none of 64 samples solves" in said
    assert "some sample solves 1 problem (e) that it does not" in said
