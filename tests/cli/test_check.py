"""`check` says what it sees, and `run` lets it look first."""

import json
import re

import pytest

from modicum.cli.check_text import scan_text
from modicum.cli.progress import Steps
from modicum.doctor.scan import Scan, Tried, row_of
from modicum.store.database import Store
from tests.support.commands import SMALL, modicum

CUT = (*SMALL, "--max-new-tokens", 2)
"""A study whose answers are all cut: a fault."""


def test_check_says_that_nothing_was_found() -> None:
    said = modicum("check", "scripted:latent", "sums", "--test", 64)
    assert said.code == 0
    assert "No problems found" in said.out


def test_check_of_a_fault_is_exit_code_two_and_says_what_to_do() -> None:
    said = modicum("check", "scripted:latent", "sums", "--max-new-tokens", 2)
    assert said.code == 2
    assert "error" in said.out
    assert "--max-new-tokens" in said.out


def test_check_prints_json() -> None:
    said = modicum("check", "scripted:latent", "sums", "--json")
    found = json.loads(said.out)
    assert {f["level"] for f in found["findings"]} == {"fact"}
    assert found["costs"]["labels"] > 0


@pytest.mark.parametrize("arguments", [["scripted"], ["scripted", "sums", "--scan", "gym"]])
def test_check_wants_a_task_or_a_scan(arguments: list[str]) -> None:
    said = modicum("check", *arguments)
    assert said.code == 2
    assert "modicum check MODEL TASK" in said.err


def test_check_refuses_an_unknown_task_with_a_suggestion() -> None:
    assert "did you mean 'sums'" in modicum("check", "scripted", "smus").err


def test_scan_prints_a_table_and_its_pick(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("modicum.cli.verbs.check.GYM", ("sums", "sums?low=200&high=299"))
    said = modicum("check", "scripted:latent", "--scan", "gym", "--out", tmp_path)
    assert said.code == 0, said.err
    assert "pass@4" in said.out
    assert "Pick: sums" in said.out


def test_scan_without_a_pick_names_the_nearest_with_its_figures() -> None:
    zeros = (0.0,) * 24
    tried = Tried(
        "sums", "selection", "raw", (False,) * 24, (1, *(0,) * 23), zeros, 8, 0.0, 0.0, 9.0, 1.0
    )
    said = scan_text(Scan("scripted", (row_of(tried),), (row_of(tried),), ""))
    assert "No pick: none of them holds on fresh problems; nearest sums, 4.2 [" in " ".join(
        said.split()
    )


def test_scan_prints_json(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("modicum.cli.verbs.check.GYM", ("sums",))
    said = modicum("check", "scripted:latent", "--scan", "gym", "--out", tmp_path, "--json")
    found = json.loads(said.out)["scan"]
    assert found["pick"] == "sums"
    assert set(found["rows"][0]["pass_k"]) == {"value", "low", "high", "n"}


def test_scan_refuses_a_folder_that_cannot_be_written(tmp_path) -> None:
    (tmp_path / "file").write_text("x")
    said = modicum("check", "scripted", "--scan", "gym", "--out", tmp_path / "file" / "scan")
    assert said.code == 2
    assert "cannot be written" in said.err


def test_run_stops_at_a_fault_before_it_spends_anything(tmp_path) -> None:
    said = modicum("run", *CUT, "--out", tmp_path)
    assert said.code == 2
    assert "cut off at the limit of 2 tokens" in said.err
    assert Store(tmp_path).done() == set()


def test_run_goes_on_with_force_and_keeps_the_fault(tmp_path) -> None:
    said = modicum("run", *CUT, "--out", tmp_path, "--force")
    assert said.code == 0, said.err
    assert re.search(r"^  ! .*cut off at the limit", said.out, re.MULTILINE)


def test_run_without_check_says_nothing_of_the_doctor(tmp_path) -> None:
    said = modicum("run", *CUT, "--out", tmp_path, "--no-check", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["verdicts"][0]["findings"] == []


def test_run_prints_doubts_and_goes_on(tmp_path) -> None:
    few = [*SMALL[:5], 12, *SMALL[6:]]
    said = modicum("run", *few, "--out", tmp_path)
    assert said.code == 0, said.err
    sentence = "12 test problems: gains of 52 points or more are detected"
    assert said.err.count(sentence) == 1
    assert " ".join(said.out.split()).count(sentence) == 1


def test_verdict_holds_findings_and_the_cost_of_the_look(tmp_path) -> None:
    said = modicum("run", *SMALL, "--out", tmp_path, "--json")
    verdict = json.loads(said.out)["verdicts"][0]
    assert {f["code"] for f in verdict["findings"]} >= {"accuracy", "detectable"}
    assert "time" not in {f["code"] for f in verdict["findings"]}
    assert verdict["check_costs"]["labels"] == 32


def test_second_run_does_not_look_again(tmp_path, monkeypatch) -> None:
    modicum("run", *SMALL, "--out", tmp_path)
    monkeypatch.setattr(
        "modicum.cli.doctor_first.visit", lambda *given: pytest.fail("looked again")
    )
    assert modicum("run", *SMALL, "--out", tmp_path).code == 0


def test_slow_look_says_after_two_seconds_what_it_does(monkeypatch, capsys) -> None:
    import time

    monkeypatch.setattr("modicum.cli.progress.PATIENCE_S", 0.01)
    monkeypatch.setattr("modicum.cli.progress.BEAT_S", 0.02)
    with Steps(2) as steps:
        steps.begin("the doctor looks")
        time.sleep(0.1)
        steps.beat(3000.0)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "the doctor looks …"
    assert "3k tokens" in lines[1]
