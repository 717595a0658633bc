"""A function that marks is known by its code, called as it wants, and believed only where it makes sense."""

import functools
import re
import subprocess
import sys

import numpy as np
import pytest

from modicum.answers import FORMS
from modicum.errors import ConfigError, JudgeError
from modicum.marker import resolve_marker
from modicum.marking.code_identity import code_hash
from modicum.marking.own_function import LENDER, lend_function
from modicum.types import Grade, Problem

LINE = FORMS["line"]
PROBLEM = Problem("p", "What is 2 + 2?", "4")
TOLERANCE = 0.5


def within(text, answer):
    return abs(float(text) - float(answer)) <= TOLERANCE


def by_helper(text, answer):
    return within(text, answer)


def mark(function, text: str = "4"):
    loan = lend_function(function)
    return resolve_marker(f"function:{loan.name}").mark(PROBLEM, text, LINE)


@pytest.mark.parametrize(
    "function",
    [
        lambda text, answer: text == answer,
        lambda said, gold: said == gold,
        lambda answer, text: (answer, text) == ("4", "4"),
        lambda said, gold, asked: said == gold and "2 + 2" in asked,
        lambda text, answer, question: text == answer and "2 + 2" in question,
        lambda said, gold, tolerance=0.0: said == gold and tolerance == 0.0,
        lambda *both: both[0] == both[1],
        functools.partial(lambda ending, said, gold: said == gold + ending, ""),
    ],
)
def test_it_is_called_by_its_names_or_by_position(function) -> None:
    assert mark(function).lenient == Grade.CORRECT


def test_names_count_before_places() -> None:
    marked = mark(lambda answer, text: text == "four" and answer == "4", "four")
    assert marked.lenient == Grade.CORRECT


@pytest.mark.parametrize(
    ("said", "grade"),
    [
        (True, Grade.CORRECT),
        (np.bool_(True), Grade.CORRECT),
        (np.float32(0.5), Grade.INCORRECT),
        (1.0, Grade.CORRECT),
        (0, Grade.INCORRECT),
        (None, Grade.UNREADABLE),
        ({"correct": True, "answer": "four"}, Grade.CORRECT),
    ],
)
def test_what_it_says_becomes_a_mark(said, grade) -> None:
    assert mark(lambda text, answer: said).lenient == grade


def test_what_is_no_mark_and_what_it_raises_are_told_with_the_line() -> None:
    with pytest.raises(JudgeError, match="gave 'maybe'; expected True, False"):
        mark(lambda text, answer: "maybe")
    with pytest.raises(
        JudgeError, match=r"ValueError: could not convert .* \(line \d+ of within\)"
    ):
        mark(within, "four")


@pytest.mark.parametrize("function", [lambda: True, lambda text: True, lambda a, b, *, c: True, 3])
def test_a_function_that_cannot_be_called_is_refused(function) -> None:
    with pytest.raises(ConfigError, match=r"a function of \(text, answer\)"):
        lend_function(function)


def test_a_function_that_nobody_keeps_is_not_found() -> None:
    name = lend_function(lambda text, answer: text == answer == "gone").name
    with pytest.raises(ConfigError, match="not in this process"):
        resolve_marker(f"function:{name}")
    kept = lend_function(lambda text, answer: text == answer == "here")
    assert LENDER.find(kept.name) is kept.thing


def test_other_code_is_another_function_and_the_same_code_the_same() -> None:
    def made(ending: str):
        return lambda text, answer: text.endswith(answer + ending)

    assert code_hash(made("!")) == code_hash(made("!"))
    assert code_hash(made("!")) != code_hash(made("?"))
    functions = [
        lambda text, answer: answer in text,
        lambda text, answer: text in answer,
        lambda text, answer: answer in text.lower(),
        lambda text, answer: answer in {"a", "b", text},
        lambda text, answer, question="": answer in text,
        within,
        by_helper,
        functools.partial(made, "!"),
    ]
    assert len({code_hash(function) for function in functions}) == len(functions)


def test_what_a_function_reads_outside_of_itself_counts(monkeypatch) -> None:
    before = code_hash(within), code_hash(by_helper)
    monkeypatch.setitem(globals(), "TOLERANCE", 0.1)
    assert code_hash(within) != before[0]
    assert code_hash(by_helper) != before[1]
    monkeypatch.setitem(globals(), "TOLERANCE", re.compile("x"))
    assert code_hash(within) != before[0]


TOLD = """
from modicum.marking.code_identity import code_hash
WORDS = {"yes", "no", "maybe", "perhaps", "never"}
print(code_hash(lambda text, answer: answer in WORDS and text in {"a", "b", "c"}))
"""


def test_the_hash_is_the_same_in_another_process() -> None:
    said = {
        subprocess.run(
            [sys.executable, "-c", TOLD],
            capture_output=True,
            text=True,
            check=True,
            env={**__import__("os").environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


def test_a_name_stands_for_the_code() -> None:
    loan = lend_function(lambda text, answer: True, "mine-1")
    assert loan.name == "mine-1"
    with pytest.raises(ConfigError, match="marker_name"):
        lend_function(lambda text, answer: True, "a b")
