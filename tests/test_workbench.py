"""The Python interface gives what the command line gives, and solvers that answer."""

import dataclasses
import shutil
from pathlib import Path

import pytest

import modicum
from modicum.errors import CheckpointError, ConfigError
from modicum.running.planning import default_methods, plan_for
from modicum.study.forecast import forecast
from modicum.task import resolve_task

OPTIONS = {"test": 30, "selection": 10, "samples": 8}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> "modicum.Study":
    out = tmp_path_factory.mktemp("study")
    made = modicum.Study("scripted:latent", "sums", ["cot_decoding"], out=out, options=OPTIONS)
    made.run()
    return made


def test_second_run_gives_the_same_verdict_and_runs_nothing(study) -> None:
    class Counting:
        ran = 0

        def started(self, total: int, existing: int) -> None:
            assert total == existing

        def spent(self, tokens: float) -> None:
            pass

        def learns(self, line: str) -> None:
            pass

        def finished(self, outcome) -> None:
            self.ran += 1

    watcher = Counting()
    assert study.run(watcher) == study.run()
    assert watcher.ran == 0


def test_solver_of_a_rung_answers_new_problems_without_golds(study) -> None:
    problems = resolve_task("sums").problems("shots", 5)
    solved = study.solver("cot_decoding").solve(problems)
    assert len(solved) == 5
    assert all(s.text for s in solved)


def test_fault_stops_a_study_unless_the_doctor_is_left_out(tmp_path) -> None:
    options = {**OPTIONS, "max_new_tokens": 2}
    given = ("scripted:latent", "sums", ["cot_decoding"])
    with pytest.raises(ConfigError, match="cut off at the limit of 2 tokens"):
        modicum.Study(*given, out=tmp_path, options=options).run()
    assert modicum.Study(*given, out=tmp_path, options=options, check=False).run().findings


def test_unknown_rung_is_refused_with_those_that_exist(study) -> None:
    with pytest.raises(ConfigError, match="cot_decoding n=0"):
        study.solver("cot_decoding", n_shots=3)


def test_default_ladder_leaves_out_what_the_model_cannot_offer() -> None:
    assert default_methods("scripted:latent", "sums") == ("self_consistency", "cot_decoding")
    assert default_methods("organism", "word_sums")[-1] == "fine_tune"


def test_forecast_counts_every_answer_once() -> None:
    plan = plan_for("scripted:latent", "sums", ["cot_decoding"], controls=True, **OPTIONS)
    trials = [t for t in plan.trials() if t.method == "plain" and "samples" in t.settings]
    samples = [t for t in trials if t.settings["samples"] == 8]
    assert forecast(plan, samples).completions == 30 * 8
    scrambled = [t for t in plan.trials() if t.task.startswith("scrambled:")]
    assert scrambled
    assert forecast(plan, scrambled).completions == 0


@pytest.mark.parametrize("held", [b"", b"12345", b"\xff\xfe", b"[" * 100_000, b"{}"])
def test_damaged_nudge_is_told_in_words(held: bytes, study, tmp_path) -> None:
    folder = Path(shutil.copytree(study.folder, tmp_path / "study"))
    for place in (folder / "artefacts").glob("*/solver.json"):
        place.write_bytes(held)
    with pytest.raises(CheckpointError, match="cannot be read"):
        dataclasses.replace(study, out=folder).solver("cot_decoding")
