"""The grammar of answers: what it calls right is read as right, its near misses as wrong."""

from collections import Counter

import pytest
from benchmarks.answer_grammar import CASES, GRAMMAR, Case, Said, few, printed, said

from modicum.answers import FORMS
from modicum.marker import Marker, resolve_marker
from modicum.types import Grade, Problem

TEXTS = [found for case in CASES for found in few(case)]
MARKERS = {"number", "choice", "exact", "math_verify"}


def _marker(case: Case) -> Marker:
    if case.marker == "math_verify":
        pytest.importorskip("math_verify")
        return resolve_marker("math_verify?timeout_s=20")
    return resolve_marker(case.marker)


def _misread(case: Case, texts: list[Said]) -> list[str]:
    """Texts of a case that are marked otherwise than the case says, or more strictly right."""
    marker = _marker(case)
    problem = Problem("p", "?", marker.gold(case.gold))
    wrong = []
    for text in texts:
        marks = [marker.mark(problem, text.text, form) for form in FORMS.values()]
        is_right = marks[0].lenient == Grade.CORRECT
        is_stricter = any(m.strict == Grade.CORRECT != m.lenient for m in marks)
        if is_right != case.is_right or is_stricter:
            wrong.append(f"{text.text!r} read as {marks[0].answer!r}")
    return wrong


def _name(case: Case) -> str:
    return f"{case.marker}-{'right' if case.is_right else 'miss'}-{case.values[0]}"


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_spellings_are_read_as_the_case_says(case: Case) -> None:
    assert _misread(case, few(case)) == []


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=_name)
def test_every_spelling_in_every_place_is_read_as_the_case_says(case: Case) -> None:
    assert _misread(case, list(said(case))) == []


def test_there_are_forty_productions_and_each_is_used() -> None:
    every = {f"{symbol}: {text}" for symbol, texts in GRAMMAR.items() for text in texts}
    assert set().union(*(text.productions for text in TEXTS)) == every
    assert len(every) >= 40


@pytest.mark.parametrize("is_right", [True, False], ids=["right", "near misses"])
def test_each_list_holds_four_hundred_texts_of_all_four_markers(is_right: bool) -> None:
    texts = {(t.case.marker, t.text) for t in TEXTS if t.case.is_right == is_right}
    assert len(texts) >= 400
    assert set(Counter(marker for marker, _ in texts)) == MARKERS


def test_no_text_is_in_both_lists() -> None:
    right, wrong = ({t.text for t in TEXTS if t.case.is_right == side} for side in (True, False))
    assert not right & wrong


def test_the_grammar_is_printed_with_every_production() -> None:
    text = printed()
    assert text.count("::=") == len(GRAMMAR)
    assert text.count("\n") + 1 == sum(map(len, GRAMMAR.values()))
