"""The built-in model that answers a user's file: which one, what is said of it, what it can do."""

import json

import pytest

from modicum.ledger import Ledger
from modicum.study.trial import open_model
from modicum.types import Request, Sampling
from tests.support.commands import modicum
from tests.support.tables import SMALL_SUMS, WORD_PROBLEMS

QUICK = ("--quick", "--methods", "cot_decoding", "--no-reuse", "--workers", 1)


@pytest.fixture(autouse=True)
def _there(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)


def _said(question: str) -> str:
    sampling = Sampling(24, temperature=0.0, stream="test")
    adder = open_model("scripted:adder")
    return adder.generate([Request(question, "one")], sampling, Ledger())[0][0].text


def test_a_file_alone_gives_a_verdict_and_says_who_answered() -> None:
    said = modicum("run", SMALL_SUMS, *QUICK, "--json")
    assert json.loads(said.out)["verdicts"][0]["ability"] == "latent", said.err
    assert "adds up the numbers of a question" in said.err
    assert "--model NAME" in said.err


def test_a_file_that_no_sum_solves_gives_a_verdict_too() -> None:
    said = modicum("run", WORD_PROBLEMS, *QUICK, "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["verdicts"][0]["ability"] in ("absent", "undecided")


def test_check_of_a_file_alone_finds_no_fault() -> None:
    said = modicum("check", SMALL_SUMS, "--quick")
    assert said.code == 0, said.out
    assert "fault" not in said.out
    assert "adds up the numbers" in said.err


def test_nothing_is_said_of_the_stand_in_where_a_model_is_named() -> None:
    said = modicum("run", SMALL_SUMS, "--model", "scripted:latent", "--dry-run")
    assert "adds up" not in said.err


def test_file_is_named_once() -> None:
    said = modicum("run", SMALL_SUMS, "--task", "sums")
    assert said.code == 2
    assert "leave one of them out" in said.err


def test_task_that_is_no_file_still_wants_a_model() -> None:
    assert "without --model" in modicum("run", "sums").err


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("There are 6 pens. Lena adds 7. How many?\nThink", "6 + 7 = 13 Answer: 13"),
        ("Which is red?\nA. rose\nB. sky", "Answer: A"),
        ("Who wrote it?", "Answer: 0"),
    ],
)
def test_stand_in_adds_numbers_names_a_choice_or_says_nought(question: str, said: str) -> None:
    assert _said(question).strip() == said


def test_organism_that_cannot_read_a_file_says_so_in_words() -> None:
    said = modicum("check", "organism", SMALL_SUMS)
    assert said.code == 2
    assert "cannot write the prompts" in said.out
    assert "IndexError" not in said.out
