"""The Python interface gives what the command line gives, and solvers that answer."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import modicum
from modicum.errors import CheckpointError, ConfigError, UnknownNameError
from modicum.executor import Executor, resolve_executor
from modicum.running.planning import default_methods, plan_for
from modicum.study.forecast import forecast
from modicum.task import resolve_task
from tests.support import live_study
from tests.support.sources import ROOT

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


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, "here"),
        ({"workers": 2}, "processes?workers=2"),
        ({"executor": "processes?workers=3"}, "processes?workers=3"),
    ],
)
def test_trials_run_here_unless_processes_are_asked_for(
    given, wanted, tmp_path, monkeypatch
) -> None:
    asked = []

    def here(reference: str) -> Executor:
        asked.append(reference)
        return resolve_executor("here")

    monkeypatch.setattr("modicum.cli.drive.resolve_executor", here)
    study = modicum.Study(
        "scripted:latent", "sums", ["cot_decoding"], out=tmp_path / "s", check=False, **OPTIONS,
        **given,
    )  # fmt: skip
    study.run()
    assert {*asked} == {wanted}


def test_what_only_this_process_has_runs_in_no_other() -> None:
    rows = [{"question": f"{i} + 1?", "answer": str(i + 1)} for i in range(40)]
    study = modicum.Study("scripted:latent", rows, workers=2, test=8)
    with pytest.raises(ConfigError, match="workers=2"):
        study.run()
    assert not study.folder.exists()


def test_check_that_finds_an_error_in_python_keeps_no_plan(tmp_path) -> None:
    study = modicum.Study(
        "scripted:latent", "sums", ["cot_decoding"], out=tmp_path / "s", max_new_tokens=2, **OPTIONS
    )
    with pytest.raises(ConfigError, match="cut off at the limit"):
        study.run()
    with pytest.raises(ConfigError, match="refused or declined before it began"):
        modicum.load(tmp_path / "s")


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


def _elsewhere(folder: Path, form: str) -> dict[str, object]:
    """What the script of `live_study` finds in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.live_study", folder, form],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def live(tmp_path_factory) -> tuple[Path, dict[str, object]]:
    pytest.importorskip("pandas")
    folder = tmp_path_factory.mktemp("live")
    with warnings.catch_warnings():  # the script silences them in its own process
        return folder / "study", live_study.main(folder, "prompt")


def test_records_a_lambda_and_a_loaded_model_give_the_same_figures_in_two_processes(
    live, tmp_path
) -> None:
    _, here = live
    assert len(here["trials"]) > 8
    assert here["answers"] > 0
    assert here == _elsewhere(tmp_path, "prompt")


@pytest.mark.slow
def test_a_loaded_model_that_was_tuned_leaves_as_an_adapter(tmp_path) -> None:
    assert "adapter_model.safetensors" in _elsewhere(tmp_path, "peft")["exported"]


def test_a_loaded_model_comes_back_as_it_was(tmp_path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        made = live_study.make(tmp_path, methods=["fine_tune"], controls=False)
        kinds = [type(part) for part in made.model.modules()]
        frozen = next(made.model.parameters()).requires_grad_(False)
        made.run()
    assert [type(part) for part in made.model.modules()] == kinds
    assert [p.requires_grad for p in made.model.parameters()].count(False) == 1
    assert not frozen.requires_grad
    assert all(p.grad is None for p in made.model.parameters())


def test_a_live_study_is_read_without_what_it_was_made_with(live, monkeypatch) -> None:
    for lender in ("loading.live", "tables.lent_rows", "marking.own_function"):
        monkeypatch.setattr(f"modicum.{lender}.LENDER._loans", {})
    again = modicum.load(live[0])
    assert again.run().brief == again.verdict.brief
    assert json.loads(again.methods_df().to_json()) == live[1]["methods"]
    assert sorted(again.answers_df().text) == live[1]["texts"]
    assert again.report().is_file()
    with pytest.raises(ConfigError, match="the study is read, and draws nothing"):
        again.solver("floor")


def test_the_first_use_of_a_function_says_that_nothing_stops_it(tmp_path) -> None:
    rows = [{"question": f"Is {i} odd?", "answer": "yes" if i % 2 else "no"} for i in range(30)]
    made = modicum.Study(
        "scripted:latent", rows, ["cot_decoding"], out=tmp_path, check=False, progress=False,
        marker=lambda text, answer: text.endswith(answer), test=8, selection=4, samples=2,
    )  # fmt: skip
    with pytest.warns(UserWarning, match="cannot be stopped"):
        made.run()
    made.run()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tests": 3}, "did you mean 'test'"),
        ({"max-new-tokens": 3}, "did you mean 'max_new_tokens'"),
        ({"options": {"sample": 3}}, "did you mean 'samples'"),
        ({"test": -1}, "test = -1"),
        ({"options": {"samples": "many"}}, "samples = 'many'"),
        ({"budget": "2x"}, "budget 2x"),
        ({"max_tokens": 0}, "max_tokens=0"),
        ({"models": ["organism"]}, "model and models"),
        ({"marker": 3}, "a marker of type int"),
        ({"task": []}, "no task"),
        ({"task": [1, 2]}, "record 1 is a int"),
    ],
)
def test_what_cannot_be_is_refused_where_it_is_written(given, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        modicum.Study(**{"model": "scripted:latent", "task": "sums", **given})
    assert "--" not in str(caught.value)


def test_an_unknown_keyword_is_an_error_of_names() -> None:
    with pytest.raises(UnknownNameError):
        modicum.Study("scripted:latent", "sums", tset=3)


def test_every_option_of_a_plan_is_a_keyword_with_its_type() -> None:
    known = {field.name: field for field in dataclasses.fields(modicum.Study)}
    plan = {field.name for field in dataclasses.fields(modicum.Plan)} - {"grids"}
    assert plan <= set(known)
    assert all(known[name].type not in (object, "object") for name in plan)


def test_keywords_are_what_options_are() -> None:
    keywords = modicum.Study(
        "scripted:latent", "sums", test=30, samples=8, prefer="labels", seeds=2
    )
    table = modicum.Study(
        "scripted:latent", "sums", seeds=2, options={"test": 30, "samples": 8, "prefer": "labels"}
    )
    assert keywords.plan == table.plan
    assert keywords.plan.test == 30
    assert modicum.Study("scripted:latent", "sums", quick=True, samples=4).plan.samples == 4
    assert modicum.Study("scripted:latent", "sums", quick=True, samples=64).plan.samples == 64
    assert modicum.Study("scripted:latent", "sums", quick=True).plan.test < keywords.plan.test * 4


def test_several_models_and_tasks_are_one_study(tmp_path, capsys) -> None:
    made = modicum.Study(
        ["scripted:latent", "scripted:absent"], "sums", ["cot_decoding"], out=tmp_path, check=False,
        **OPTIONS,
    )  # fmt: skip
    verdicts = made.run()
    assert [verdict.ability for verdict in verdicts] == ["latent", "undecided"]
    assert verdicts.of(model="scripted:absent").pick is None
    assert str(verdicts).count("scripted:latent") > str(verdicts[0]).count("scripted:latent")
    with pytest.raises(ConfigError, match=r"model='scripted:latent', task='sums'"):
        made.solver("cot_decoding")
    chosen = made.solver(model="scripted:latent")
    assert chosen.read(chosen.solve("What is 2 + 5?")[0].text) == "7"


def test_the_pick_is_what_a_solver_without_a_name_uses(study) -> None:
    verdict = study.run()
    assert verdict.pick.accuracy == verdict.pick.score.value
    assert verdict.pick.labels == 0
    [first] = study.solver().solve("What is 12 + 5?")
    [second] = study.solver(verdict.pick.name).solve(["What is 12 + 5?"])
    assert first == second


def test_a_verdict_prints_what_the_terminal_does_and_is_short_in_a_list(study) -> None:
    from modicum.cli.verdict_text import verdict_text

    verdict = study.run()
    assert str(verdict) == verdict_text(verdict)
    assert len(repr(verdict)) < 80
    assert verdict.least_data == ()
    assert repr(verdict.least_data) == "<none needed: cot_decoding takes no labels>"
    assert len(repr(verdict.pick)) < 80
    assert len(repr(study)) < 200


def test_a_card_holds_the_word_and_escapes_what_a_model_may_say(study) -> None:
    verdict = dataclasses.replace(study.run(), model="<script>x</script>", doubts=("<b>&",))
    card = verdict._repr_html_()
    assert "LATENT" in card
    assert "<script>" not in card
    assert "&lt;script&gt;" in card
    assert "http" not in card


def test_a_run_writes_its_report(study) -> None:
    assert (study.folder / "report.html").is_file()


def test_tab_finds_every_public_name() -> None:
    assert set(modicum.__all__) <= set(dir(modicum))
    said = "import modicum; print('Study' in dir(modicum), 'modicum.workbench' in __import__('sys').modules)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_studies_and_their_methods_are_compared_in_pairs(study, tmp_path) -> None:
    other = modicum.Study(
        "scripted:absent", "sums", ["cot_decoding"], out=tmp_path, check=False, options=OPTIONS
    )
    verdict = other.run()
    found = modicum.compare(study, other)
    assert (found.names, found.difference.value, found.is_paired) == (
        ("cot_decoding", "floor"), -1, True
    )  # fmt: skip
    assert found == modicum.compare(study.folder, f"{tmp_path}:floor")
    assert found == modicum.compare((study, "cot_decoding"), (tmp_path, "floor"))
    own = modicum.compare((study, "floor"), (study, study.run().pick))
    assert own.difference.value == 1
    assert "+100.0 points" in str(own)
    assert "+100.0 points" in repr(own)
    assert "<pre" in own._repr_html_()
    assert verdict.ability == "undecided"
    with pytest.raises(ConfigError, match="did you mean 'cot_decoding'"):
        modicum.compare((study, "cot_decodin"), study)


def test_a_dry_run_says_what_it_costs_and_spends_nothing(tmp_path) -> None:
    made = modicum.Study("scripted:latent", "sums", quick=True, out=tmp_path / "s")
    said = made.plan_text()
    assert not made.folder.exists()
    assert "cot_decoding" in said
    assert "quick look" in said
    assert "--" not in said
    assert max(map(len, said.splitlines())) <= 80
    with pytest.raises(ConfigError, match="at most"):
        modicum.Study("scripted:latent", live_study.ROWS, test=5000).plan_text()
