"""The plan of `run`: small sizes, and a dry run that leaves nothing behind."""

from pathlib import Path

import pytest

from tests.support.commands import SMALL, modicum


@pytest.fixture(autouse=True)
def _there(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)


def test_dry_run_prints_the_cost_of_every_rung_and_writes_nothing() -> None:
    said = modicum("run", *SMALL, "--dry-run")
    assert said.code == 0
    assert {"self_consistency", "cot_decoding", "floor and ceiling"} <= {
        line.strip().partition("  ")[0] for line in said.out.splitlines()
    }
    assert list(Path().iterdir()) == []


def test_dry_run_of_a_finished_study_has_nothing_to_do() -> None:
    modicum("run", *SMALL, "--out", "study")
    before = {path: path.stat().st_mtime_ns for path in Path("study").rglob("*")}
    assert "0 trials to run, 10 done" in modicum("run", *SMALL, "--out", "study", "--dry-run").out
    assert {path: path.stat().st_mtime_ns for path in Path("study").rglob("*")} == before


def test_dry_run_refuses_what_a_run_would() -> None:
    said = modicum(
        "run", "--model", "scripted:latent", "--task", "sums", "--methods", "fine_tune", "--dry-run"
    )
    assert said.code == 2


def test_quick_look_says_first_what_it_cannot_show() -> None:
    said = modicum("run", "--quick", "--dry-run")
    assert said.err.startswith("quick look (60 test problems, 16 samples, 1 seed): cannot show")


def test_size_that_is_given_wins_over_the_quick_one() -> None:
    assert "(90 test problems" in modicum("run", "--quick", "--test", 90, "--dry-run").err


def test_task_alone_is_read_as_a_task() -> None:
    assert "word_sums on organism" in modicum("run", "word_sums", "--dry-run").out


def test_study_file_alone_is_read_as_a_study() -> None:
    text = '[[grid]]\nmodels = ["scripted:shown"]\ntasks = ["sums"]\nmethods = ["few_shot"]\n'
    Path("own.toml").write_text(text)
    assert "sums on scripted:shown" in modicum("run", "own.toml", "--dry-run").out
