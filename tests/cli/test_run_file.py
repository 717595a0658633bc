"""`modicum run` on the user's own file: one command, with what was guessed and what it can show."""

import json
from pathlib import Path

import pytest

from modicum.analysis.detect import detectable_text
from tests.support.commands import modicum
from tests.support.tables import WORD_PROBLEMS, numbers, write_jsonl

OWN = Path(__file__).parents[1] / "support" / "own_marks.py"
FEW = (
    "--model", "scripted:latent", "--methods", "self_consistency", "--samples", 4, "--no-check",
)  # fmt: skip
"""The scripted model knows sums only: of these files it can say nothing, and the doctor would stop."""


@pytest.fixture(autouse=True)
def _there(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)


def test_word_problems_go_through_run_and_report_in_one_command() -> None:
    said = modicum("run", *FEW, "--task", WORD_PROBLEMS)
    assert said.code == 0
    assert Path("runs/word_problems--scripted-latent/report.html").exists()
    assert "preset gsm8k" in said.err
    assert "180 of 180 test, 40 of 45 selection" in said.err


def test_gain_and_equivalence_that_the_labels_can_show_are_said_before_the_run() -> None:
    said = modicum("run", *FEW, "--task", WORD_PROBLEMS)
    sentence = detectable_text(180)
    assert "180 test problems: gains of 9 points or more are detected (80 % power)" in sentence
    assert "showing that an ability is absent takes 198" in sentence
    assert said.err.count(sentence) == 1


def test_sizes_that_were_not_asked_for_shrink_and_that_is_said(tmp_path) -> None:
    path = write_jsonl(tmp_path / "small.jsonl", numbers(60))
    said = modicum("run", *FEW, "--task", path)
    assert said.code == 0
    assert "36 test problems, all there are, instead of 400" in said.err
    assert "9 selection problems, all there are, instead of 40" in said.err


def test_options_become_part_of_the_tasks_name(tmp_path) -> None:
    rows = [{"frage": f"{i}?", "antwort": i, "weg": "So."} for i in range(60)]
    path = write_jsonl(tmp_path / "own.jsonl", rows)
    columns = ("--question", "frage", "--answer", "antwort", "--solution", "weg")
    said = modicum("run", *FEW, "--task", path, *columns, "--marker", "number", "--json")
    assert said.code == 0, said.err
    task = json.loads(said.out)["verdicts"][0]["task"]
    assert task == f"jsonl:{path}?question=frage&answer=antwort&solution=weg&marker=number"


def test_own_marker_marks_the_run(tmp_path) -> None:
    path = write_jsonl(tmp_path / "own.jsonl", numbers(60))
    said = modicum("run", *FEW, "--task", path, "--mark-with", f"{OWN}:is_last_word")
    assert said.code == 0, said.err


def test_marker_that_hangs_is_a_failed_trial_and_exit_code_one(tmp_path) -> None:
    counter = tmp_path / "calls"
    (tmp_path / "own.py").write_text(
        "import time\n"
        "def slow(text, answer):\n"
        "    if text.startswith('Answer: '):\n"
        "        return True\n"
        f"    open({str(counter)!r}, 'a').write('x')\n"
        "    time.sleep(60)\n"
    )
    path = write_jsonl(tmp_path / "own.jsonl", numbers(60))
    marker = f"python?name={tmp_path / 'own.py'}:slow%26timeout_s=0.3"
    said = modicum("run", *FEW, "--task", f"{path}?marker={marker}", "--test", 4, "--selection", 2)
    assert said.code == 1
    assert "JudgeError" in said.err
    assert sum(line.startswith("trial ") for line in said.err.splitlines()) > 1
    assert len(counter.read_text()) == 2  # all say the same; it is asked twice, not twice a trial


def test_second_run_on_the_same_file_draws_nothing(tmp_path) -> None:
    path = write_jsonl(tmp_path / "own.jsonl", numbers(60))
    modicum("run", *FEW, "--task", path)
    again = modicum("run", *FEW, "--task", path)
    assert "to do:" not in again.err


def test_twin_of_a_file_can_be_studied(tmp_path) -> None:
    path = write_jsonl(tmp_path / "own.jsonl", numbers(60))
    assert modicum("run", *FEW, "--task", f"scrambled:{path}").code == 0


def test_relative_paths_work_from_where_the_user_stands(tmp_path) -> None:
    (tmp_path / "data").mkdir()
    write_jsonl(tmp_path / "data" / "own.jsonl", numbers(60))
    assert modicum("run", *FEW, "--task", Path("data") / "own.jsonl").code == 0
