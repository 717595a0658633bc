"""`modicum ask`: a new question, answered with the floor and with the recommended nudge."""

import dataclasses
import json
from pathlib import Path

import pytest

from modicum.analysis.verdict import Ship
from modicum.cli.verbs import ask
from tests.support.commands import SMALL, Said, modicum

QUESTION = "What is 112 + 230?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("study")
    assert modicum("run", *SMALL, "--out", out).code == 0
    return out


def _asked(*arguments: object) -> dict:
    said = modicum("ask", *arguments, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_recommended_nudge_stands_beside_the_floor(folder) -> None:
    floor, nudged = _asked(folder, QUESTION)["answers"]
    assert (floor["rung"], nudged["rung"]) == ("floor", "cot_decoding")
    assert (floor["answer"] == "342", nudged["answer"]) == (False, "342")


def test_answers_count_tokens_and_cost(folder) -> None:
    said = _asked(folder, QUESTION)
    for answer in said["answers"]:
        assert answer["tokens_sampled"] > 0
        assert answer["tokens_prompt"] > 0
        assert answer["flops"] > 0
    assert "the floor's FLOPs here" in said["serving"]


def test_text_sets_both_side_by_side(folder) -> None:
    out = modicum("ask", folder, QUESTION).out
    line = next(line for line in out.splitlines() if line.startswith("floor"))
    assert "│ cot_decoding" in line
    assert "read as 342" in out
    assert "Cost     cot_decoding took" in out


def test_named_rung_is_asked_instead(folder) -> None:
    answers = _asked(folder, QUESTION, "--rung", "self-consistency")["answers"]
    assert (answers[1]["rung"], answers[1]["drawn"]) == ("self_consistency", 10)


def _shipping(monkeypatch, name: str | None) -> None:
    """Make the verdict recommend something else."""
    recalled = ask.recalled

    def other(plan, store):
        ship = Ship(name, "nothing is worth it", "serve", 0.05)
        return [dataclasses.replace(v, ship=ship) for v in recalled(plan, store)]

    monkeypatch.setattr(ask, "recalled", other)


@pytest.mark.parametrize(
    ("name", "words"), [(None, "ships nothing"), ("prompt", "no method is shown to beat")]
)
def test_floor_alone_answers_where_nothing_is_recommended(folder, monkeypatch, name, words) -> None:
    _shipping(monkeypatch, name)
    said = _asked(folder, QUESTION)
    assert [answer["rung"] for answer in said["answers"]] == ["floor"]
    assert words in said["why"]
    assert words in modicum("ask", folder, QUESTION).out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["  "], "an empty question"),
        ([QUESTION, "--rung", "fine_tune"], "no method fine_tune"),
        ([QUESTION, "--rung", "cot_decoding", "--n-shots", 4], "at 4 shots"),
        ([QUESTION, "--n-shots", 4], "name the method"),
        ([QUESTION, "--task", "other"], "0 pairs"),
    ],
)
def test_wrong_use_is_exit_code_two_and_named(folder, arguments, words: str) -> None:
    said: Said = modicum("ask", folder, *arguments)
    assert said.code == 2
    assert words in said.err


def test_folder_without_a_study_is_named(tmp_path) -> None:
    said = modicum("ask", tmp_path, QUESTION)
    assert (said.code, "no study in" in said.err) == (2, True)


def test_nudge_that_was_removed_is_named(folder, tmp_path) -> None:
    import shutil

    other = tmp_path / "copy"
    shutil.copytree(folder, other)
    shutil.rmtree(other / "artefacts")
    said = modicum("ask", other, QUESTION)
    assert (said.code, "no nudge of" in said.err) == (2, True)


def test_hostile_question_reaches_no_terminal(folder) -> None:
    out = modicum("ask", folder, "What is \x1b[31m 1 + \u202e 2?").out
    assert "\x1b" not in out
    assert "\u202e" not in out


@pytest.fixture(scope="module")
def tuned(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("tuned")
    said = modicum(
        "run", "--model", "organism", "--task", "word_sums", "--methods", "fine_tune",
        "--shots", "1,2", "--seeds", 1, "--test", 8, "--selection", 4, "--samples", 2,
        "--set", "fine_tune.steps=2", "--set", "fine_tune.passes=1", "--set", "fine_tune.rank=2",
        "--workers", 1, "--out", out,
    )  # fmt: skip
    assert said.code == 0, said.err
    return out


def test_tuned_rung_answers_with_its_stored_adapter(tuned) -> None:
    question = "Ann has 564 pears, loses 433, gets 204, gets 212. How many?"
    floor, nudged = _asked(tuned, question, "--rung", "fine_tune", "--n-shots", 1)["answers"]
    assert (floor["rung"], nudged["rung"]) == ("floor", "fine_tune n=1")
    assert nudged["text"]


def test_largest_budget_is_taken_unless_said(tuned) -> None:
    said = _asked(tuned, "Ann has 5 pears, gets 3. How many?", "--rung", "fine_tune")
    assert said["answers"][1]["rung"] == "fine_tune n=2"
