"""What every marker must do; a new file in `markers/` is tested the moment it is listed here."""

import importlib.util
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modicum.answers import FORMS
from modicum.marker import MARKERS, Marker, resolve_marker
from modicum.marking.own_function import lend_function
from modicum.types import Grade, Mark, Problem
from tests.support.own_marks import is_last_word
from tests.support.texts import anything

OWN = f"python:{Path(__file__).parents[1] / 'support' / 'own_marks.py'}:is_last_word"
LENT = lend_function(is_last_word)
REFERENCES = {
    "exact": ("exact", ["Paris", "New York", "a b"]),
    "number": ("number", ["42", "-7", "1234.5", "1/2"]),
    "choice": ("choice", ["A", "D", "J"]),
    "regex": (r"regex:total is (\w+)", ["42", "seven"]),
    "math_verify": ("math_verify", ["\\frac{1}{2}", "x^2 + 1", "12"]),
    "python": (OWN, ["42", "seven"]),
    "function": (f"function:{LENT.name}", ["42", "seven"]),
}
"""A reference of each marker, and golds that it knows."""
LINE = FORMS["line"]
HOSTILE = [
    "",
    " " * 50_000,
    "{" * 30_000,
    "\\boxed{" * 3_000,
    "\\boxed{" * 3_000 + "}" * 3_000,
    "answer is" + " " * 30_000 + "\n" * 10_000,
    "answer" * 20_000,
    "####\n" * 10_000,
    "$" * 20_000,
    "1," * 20_000,
    "9" * 20_000,
    "Answer: " + "9" * 10_000,
    "<answer>" * 5_000,
    "Answer: 1/0",
    "Answer: 1e999",
    "Answer: __import__('os').system('true')",
    "Answer: " + "9^" * 900 + "9",
]


def _names() -> list[str]:
    return [n for n in REFERENCES if n != "math_verify" or importlib.util.find_spec("math_verify")]


@pytest.fixture(scope="module", params=_names())
def marker(request) -> Marker:
    return resolve_marker(REFERENCES[request.param][0])


@pytest.fixture(scope="module")
def problems(marker) -> list[Problem]:
    golds = REFERENCES[type(marker).__module__.rpartition(".")[2]][1]
    return [Problem(f"p{i}", "What?", gold) for i, gold in enumerate(golds)]


def test_every_plugin_is_among_the_tested_ones() -> None:
    assert set(REFERENCES) == set(MARKERS.entries)


def test_gold_is_its_own_canonical_form(marker, problems) -> None:
    assert [marker.gold(p.answer) for p in problems] == [p.answer for p in problems]


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_stated_gold_is_correct_in_both_readings(marker, problems, form) -> None:
    marked = [marker.mark(p, marker.stated(p.answer, form), form) for p in problems]
    assert {(m.lenient, m.strict) for m in marked} == {(Grade.CORRECT, Grade.CORRECT)}


def test_stated_gold_reads_as_itself(marker, problems) -> None:
    read = [marker.read(marker.stated(p.answer, LINE), LINE) for p in problems]
    assert read == [p.answer for p in problems]


def test_another_gold_is_incorrect_in_both_readings(marker, problems) -> None:
    texts = [marker.stated(p.answer, LINE) for p in problems]
    marked = [marker.mark(p, t, LINE) for p, t in zip(problems, texts[1:] + texts[:1], strict=True)]
    assert {(m.lenient, m.strict) for m in marked} == {(Grade.INCORRECT, Grade.INCORRECT)}


def test_words_after_the_stated_gold_break_the_format_alone(marker, problems) -> None:
    if type(marker).__name__ in ("Python", "Function"):
        pytest.skip("both readings are the user's own")
    text = marker.stated(problems[0].answer, LINE) + " .\nThat was it, the end."
    mark = marker.mark(problems[0], text, LINE)
    assert (mark.lenient, mark.strict) == (Grade.CORRECT, Grade.UNREADABLE)


@settings(max_examples=25, deadline=None)
@given(
    texts=st.lists(anything, min_size=3, max_size=3),
    glue=st.sampled_from(["Answer: ", "<answer>", "\\boxed{", "####", "$", " "]),
)
def test_any_text_gets_a_mark_and_unreadable_is_not_incorrect(marker, problems, texts, glue):
    for problem, text in zip(problems, texts, strict=False):
        for said in (text, glue + text, text + glue + problem.answer + text):
            mark = marker.mark(problem, said, LINE)
            assert isinstance(mark, Mark)
            assert (mark.answer is None) == (mark.lenient == Grade.UNREADABLE)


@pytest.mark.parametrize("text", HOSTILE, ids=[repr(text[:12]) for text in HOSTILE])
def test_hostile_text_is_marked_within_two_seconds(marker, problems, text: str) -> None:
    start = time.process_time()
    mark = marker.mark(problems[0], text, LINE)
    assert mark.lenient != Grade.CORRECT
    assert time.process_time() - start < 2


def test_ten_megabytes_are_marked_by_their_end(marker, problems) -> None:
    start = time.process_time()
    said = marker.stated(problems[0].answer, LINE)
    mark = marker.mark(problems[0], "x \\boxed{ answer is\n" * 500_000 + said, LINE)
    assert mark.lenient == Grade.CORRECT
    assert time.process_time() - start < 2


def test_same_settings_are_the_same_marker(marker) -> None:
    reference = REFERENCES[type(marker).__module__.rpartition(".")[2]][0]
    assert resolve_marker(reference) == marker
