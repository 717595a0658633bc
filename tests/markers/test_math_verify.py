"""The marker `math_verify` says what the package math-verify says when it is called directly."""

import logging

import pytest

from modicum.answers import FORMS
from modicum.marker import resolve_marker
from modicum.types import Grade, Problem

math_verify = pytest.importorskip("math_verify")

LINE = FORMS["line"]
PAIRS = [
    ("\\frac{1}{2}", "\\frac{2}{4}"),
    ("\\frac{1}{2}", "0.5"),
    ("\\frac{1}{2}", "\\frac{1}{3}"),
    ("x^2 + 2x + 1", "(x+1)^2"),
    ("x^2 + 2x + 1", "(x-1)^2"),
    ("\\sqrt{8}", "2\\sqrt{2}"),
    ("\\sqrt{8}", "2.8"),
    ("3\\pi", "\\pi \\cdot 3"),
    ("(1, 2)", "(1,2)"),
    ("(1, 2)", "(2,1)"),
    ("\\{1, 2\\}", "\\{2, 1\\}"),
    ("[0, 1)", "[0,1]"),
    ("12", "12.0"),
    ("12", "13"),
    ("-\\frac{3}{4}", "-0.75"),
    ("2^{10}", "1024"),
    ("\\begin{pmatrix} 1 & 2 \\end{pmatrix}", "\\begin{pmatrix} 1 & 3 \\end{pmatrix}"),
    ("x \\le 3", "x \\leq 3"),
    ("50\\%", "50%"),
    ("\\text{odd}", "\\text{even}"),
]
"""Golds and answers, right and wrong ones."""


def _direct(gold: str, answer: str) -> bool:
    logging.disable(logging.WARNING)
    try:
        parsed = [math_verify.parse(f"${text}$", parsing_timeout=None) for text in (gold, answer)]
        return math_verify.verify(*parsed, timeout_seconds=None)
    finally:
        logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def marker():
    return resolve_marker("math_verify?timeout_s=20")


@pytest.mark.parametrize(("gold", "answer"), PAIRS)
@pytest.mark.parametrize(
    "said", ["\\boxed{{{}}}", "Let me see.\nAnswer: ${}$", "so **the answer is ${}$.**"]
)
def test_marker_agrees_with_the_package(marker, gold: str, answer: str, said: str) -> None:
    problem = Problem("p", "?", marker.gold(gold))
    found = marker.mark(problem, said.format(answer), LINE).lenient
    assert found == (Grade.CORRECT if _direct(gold, answer) else Grade.INCORRECT)


def test_pairs_hold_right_and_wrong_answers() -> None:
    assert {_direct(*pair) for pair in PAIRS} == {True, False}


def test_tower_of_powers_is_an_error_or_wrong_and_never_hangs(marker) -> None:
    from modicum.errors import JudgeError

    quick = resolve_marker("math_verify?timeout_s=1")
    problem = Problem("p", "?", "9^{9^{9^{9}}}")
    try:
        assert quick.mark(problem, "\\boxed{9^{9^{9^{8}}}}", LINE).lenient != Grade.CORRECT
    except JudgeError as error:
        assert "limit 1 s" in str(error)  # noqa: PT017 - either outcome is right
    assert marker.mark(Problem("p", "?", "x+1"), "\\boxed{1+x}", LINE).lenient == Grade.CORRECT


def test_plain_text_that_looks_like_code_is_never_evaluated(marker, tmp_path) -> None:
    trap = tmp_path / "trap"
    code = f"__import__('pathlib').Path('{trap}').touch()"
    marker.mark(Problem("p", "?", "12"), f"Answer: {code}", LINE)
    assert not trap.exists()
