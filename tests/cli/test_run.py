"""`modicum run` and `report`: exit codes, outputs and the JSON that design.md fixes."""

import json
import re
from pathlib import Path

import pytest

from modicum.study import trial as trials
from tests.support.commands import SMALL, Said, modicum

VERDICT = {
    "task", "model", "ability", "unlocked_by", "default", "floor", "luck", "near_miss", "ceiling",
    "rungs", "least_data", "ship", "doubts", "next",
}  # fmt: skip
RUNG = {
    "method", "n_shots", "labels", "score", "gap_recovered", "control", "retention",
    "elicitation_flops", "serving_flops", "seeds",
}  # fmt: skip
FIGURE = {"value", "low", "high", "n"}
ABILITIES = {"shown", "latent", "sealed", "learned", "taught", "absent", "undecided"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("study") / "out"


@pytest.fixture(scope="module")
def said(folder) -> Said:
    return modicum("run", *SMALL, "--out", folder, "--json")


@pytest.fixture(scope="module")
def verdict(said) -> dict:
    return json.loads(said.out)["verdicts"][0]


def test_finished_study_is_exit_code_zero(said) -> None:
    assert said.code == 0, said.err


def test_json_alone_stands_on_standard_output(said) -> None:
    assert set(json.loads(said.out)) == {"schema", "verdicts"}


def test_json_names_its_schema(said) -> None:
    assert json.loads(said.out)["schema"] == 1


def test_run_says_first_what_it_will_do(said, folder) -> None:
    first = said.err.splitlines()[0]
    assert first.startswith("sums on scripted:latent: 10 trials, none done yet; measuring uses 72 ")
    assert str(folder) in first


def test_verdict_has_the_keys_that_the_design_fixes(verdict) -> None:
    assert set(verdict) >= VERDICT


def test_rungs_have_the_keys_that_the_design_fixes(verdict) -> None:
    assert [rung["method"] for rung in verdict["rungs"] if not set(rung) >= RUNG] == []


@pytest.mark.parametrize("name", ["default", "floor", "luck", "near_miss"])
def test_figure_has_value_interval_and_n(name: str, verdict) -> None:
    assert set(verdict[name]) == FIGURE


def test_ceiling_has_its_k(verdict) -> None:
    assert set(verdict["ceiling"]) >= {*FIGURE, "k"}


def test_scores_of_rungs_are_figures(verdict) -> None:
    assert {frozenset(rung["score"]) for rung in verdict["rungs"]} == {frozenset(FIGURE)}


def test_ability_is_one_of_the_designs_words(verdict) -> None:
    assert verdict["ability"] in ABILITIES


def test_scripted_latent_model_is_called_latent(verdict) -> None:
    assert verdict["ability"] == "latent"


def test_json_holds_no_number_that_is_none(said) -> None:
    json.loads(said.out, parse_constant=lambda name: pytest.fail(f"{name} in the JSON"))


def test_report_is_written_and_says_the_verdict(said, folder, verdict) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    ability, rung = verdict["ability"].capitalize(), verdict["unlocked_by"]
    assert f"{ability}, unlocked by {rung} with 0 labels." in page
    assert len(set(re.findall('id="trial-([0-9a-f]{16})"', page))) == 10
    assert page.rstrip().endswith("</html>")


def test_second_run_runs_nothing_again(said, folder, monkeypatch) -> None:
    monkeypatch.setattr("modicum.executor.run_trial", lambda *given: pytest.fail("ran again"))
    again = modicum("run", *SMALL, "--out", folder, "--json")
    assert "10 trials, 10 done" in again.err


def test_second_run_gives_the_same_verdict(said, folder) -> None:
    assert modicum("run", *SMALL, "--out", folder, "--json").out == said.out


def test_report_verb_gives_the_same_verdict(said, folder) -> None:
    assert modicum("report", folder, "--json").out == said.out


def test_text_names_the_ability_first(said, folder) -> None:
    text = modicum("run", *SMALL, "--out", folder).out
    assert "LATENT" in text
    assert text.rstrip().endswith("report.html")


def test_figures_do_not_depend_on_the_folder(said, tmp_path) -> None:
    other = json.loads(modicum("run", *SMALL, "--out", tmp_path, "--json").out)["verdicts"][0]
    first = json.loads(said.out)["verdicts"][0]
    names = VERDICT - {"rungs", "ship"}
    assert {n: other[n] for n in names} == {n: first[n] for n in names}


@pytest.fixture
def failing(monkeypatch):
    """Make every trial of self-consistency fail."""
    run_trial = trials.method_of

    def method_of(trial):
        if trial.method == "self_consistency":
            raise KeyError("planted")
        return run_trial(trial)

    monkeypatch.setattr(trials, "method_of", method_of)


def test_failed_trial_is_exit_code_one(failing, tmp_path) -> None:
    assert modicum("run", *SMALL, "--out", tmp_path).code == 1


def test_failed_trial_is_named_on_standard_error(failing, tmp_path) -> None:
    assert "KeyError: 'planted'" in modicum("run", *SMALL, "--out", tmp_path).err


def test_failed_trial_leaves_the_rest_a_verdict(failing, tmp_path) -> None:
    said = modicum("run", *SMALL, "--out", tmp_path, "--json")
    rungs = json.loads(said.out)["verdicts"][0]["rungs"]
    assert {rung["method"] for rung in rungs} == {"prompt", "cot_decoding"}


def test_failed_trial_runs_again_with_the_same_command(tmp_path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trials, "method_of", lambda trial: 1 / 0)
        modicum("run", *SMALL, "--out", tmp_path)
    assert modicum("run", *SMALL, "--out", tmp_path).code == 0


def test_organism_card_prints_the_keys_that_the_design_fixes() -> None:
    said = modicum("organism", "card", "--json")
    found = json.loads(said.out)
    assert set(found) >= {"families", "control"}
    keys = {
        "truth",
        "greedy",
        "pass1",
        "pass64",
        "majority64",
        "forced",
        "instructed",
        "opener_probability",
    }
    assert not {name for name, row in found["families"].items() if not keys <= set(row)}


@pytest.mark.slow
def test_several_workers_give_the_same_verdict(said, tmp_path) -> None:
    options = [*SMALL[:-1], 2]
    other = modicum("run", *options, "--out", tmp_path, "--json")
    one, two = (json.loads(x.out)["verdicts"][0] for x in (said, other))
    names = VERDICT - {"rungs", "ship"}
    assert {n: one[n] for n in names} == {n: two[n] for n in names}
