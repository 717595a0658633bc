"""Answers read as people write them: one reading a marker, lenient and strict alike, in linear time."""

import json
import os
import time
from pathlib import Path

import pytest
from benchmarks.reading import gsm8k_figures
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from modicum.answers import (
    FORMS,
    Announced,
    Formulas,
    Letters,
    Numbers,
    Place,
    Texts,
    boxes,
    span_of,
)
from modicum.marker import resolve_marker
from modicum.types import Grade, Problem
from tests.support.texts import anything

LINE = FORMS["line"]
READINGS = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "support" / "readings.jsonl")
    .read_text()
    .splitlines()
]
"""Marker, gold, text, and whether it is right: answers as models write them."""
SUBJECTS = sorted({(marker, gold) for marker, gold, *_ in READINGS})


def _is_right(marker: str, gold: str, text: str, form: str = "line") -> bool:
    if marker == "math_verify":
        pytest.importorskip("math_verify")
        marker = "math_verify?timeout_s=20"
    reader = resolve_marker(marker)
    mark = reader.mark(Problem("p", "?", reader.gold(gold)), text, FORMS[form])
    return mark.lenient == Grade.CORRECT


@pytest.mark.parametrize(
    ("marker", "gold", "text", "is_right"),
    [
        # units, LaTeX spacing, fractions, remarks, powers: kind 8
        ("number", "12", "Answer: 12 cm^2", True),
        ("number", "2", "Answer: 12 cm^2", False),
        ("number", "9500", "\\boxed{9{,}500}", True),
        ("number", "500", "\\boxed{9{,}500}", False),
        ("number", "1/2", "\\boxed{\\frac{1}{2}}", True),
        ("number", "2", "\\boxed{\\frac{1}{2}}", False),
        ("number", "5", "Answer: 5 (not 6)", True),
        ("number", "6", "Answer: 5 (not 6)", False),
        ("number", "12", "Answer: 12 of the 20 students", True),
        ("number", "20", "Answer: 12 of the 20 students", False),
        ("number", "1500000", "Answer: 1.5 \\times 10^6", True),
        ("number", "6", "Answer: 1.5 \\times 10^6", False),
        ("number", "1000", "Answer: 10^3", True),
        ("number", "3", "Answer: 10^3", False),
        ("number", "500", "Answer: ５００", True),
        ("number", "3/2", "Answer: 1 1/2", True),
        ("number", "9500", "Answer: 9 500", True),
        ("number", "9500", "Answer: 9'500", True),
        ("number", "1500000", "Answer: 1.5 million", True),
        ("number", "5", "Answer: 5. There were 12 people.", True),
        # signs: kind 9
        ("number", "300", "Answer: -$300", False),
        ("number", "-300", "Answer: -$300", True),
        ("number", "-5", "Answer: – 5", True),
        # choices: kind 10
        ("choice", "B", "B\n\nExplanation: A is wrong because C is larger than D.", True),
        ("choice", "D", "B\n\nExplanation: A is wrong because C is larger than D.", False),
        ("choice", "B", "**B**\n\nExplanation: A is wrong.", True),
        ("choice", "B", "(b)", True),
        ("choice", "B", "b) four", True),
        ("choice", "C", "The correct choice is C, by Theorem A.", True),
        ("choice", "A", "The correct choice is C, by Theorem A.", False),
        ("choice", "B", "Answer: A, no, B", True),
        # the last stated place: kind 11
        ("number", "15", "First part: \\boxed{12}. Second part.\n**Answer:** 15", True),
        ("number", "12", "First part: \\boxed{12}. Second part.\n**Answer:** 15", False),
        # formulas: kind 12
        ("math_verify", "1.6\\times10^{-19}", "\\boxed{9.1\\times10^{-31}}", False),
        ("math_verify", "0.0000001", "\\boxed{0.0000002}", False),
        ("math_verify", "listen", "\\boxed{\\text{silent}}", False),
        ("math_verify", "60", "Answer: 60°", True),
        ("math_verify", "9500", "\\boxed{9\\,500}", True),
        ("math_verify", "-5", "Answer: –5", True),
        ("math_verify", "2,3", "$x = \\boxed{2}$ or $x = \\boxed{3}$", True),
        # texts: kind 13
        ("exact", "café", "Answer: cafe\u0301", True),
        ("exact", "don't", "Answer: don’t", True),
        ("exact", "x-y", "Answer: x–y", True),
        ("exact", "yes", "Yes, it is.", True),
        ("exact", "no", "Yes, it is.", False),
    ],
)
def test_inputs_of_bug_reports_are_read_rightly(marker, gold, text, is_right) -> None:
    assert _is_right(marker, gold, text) == is_right


@pytest.mark.parametrize(("marker", "gold"), SUBJECTS)
def test_answers_as_models_write_them_are_read_rightly(marker: str, gold: str) -> None:
    rows = [(text, right) for m, g, text, right in READINGS if (m, g) == (marker, gold)]
    wrong = [text for text, right in rows if _is_right(marker, gold, text) != right]
    assert not wrong


def test_readings_hold_hundreds_of_right_and_of_wrong_answers() -> None:
    assert min(sum(r[3] for r in READINGS), sum(not r[3] for r in READINGS)) > 400


@pytest.mark.slow
@pytest.mark.skipif("MODICUM_GSM8K_SOLUTIONS" not in os.environ, reason="names no file")
def test_published_verdicts_on_gsm8k_are_agreed_with() -> None:
    """The file is `example_model_solutions.jsonl` of openai/grade-school-math."""
    found = gsm8k_figures(Path(os.environ["MODICUM_GSM8K_SOLUTIONS"]))[0]
    assert "5,276 of 5,276" in found.note


# Properties


MARKERS = ("number", "choice", "exact", "exact?among=yes|no")
PIECES = st.sampled_from(
    ["Answer: ", "\\boxed{", "}", "<answer>", "</answer>", "\n", "#### ", "the answer is ", "12", "-", "$",
     "no, ", " or ", "B", "(C)", "yes", "1/2", "\\frac{1}{2}", " cm^2", ", ", "= ", "million", "."]
)  # fmt: skip
TALK = st.lists(PIECES | anything, max_size=10).map("".join)


@settings(max_examples=60, deadline=None)
@given(text=TALK, form=st.sampled_from(sorted(FORMS)), marker=st.sampled_from(MARKERS))
def test_what_is_right_strictly_is_right_leniently(text: str, form: str, marker: str) -> None:
    reader = resolve_marker(marker)
    for gold in ("12", "-12", "1/2", "B", "C", "yes", "no"):
        canonical = reader.gold(gold)
        if canonical is not None:
            mark = reader.mark(Problem("p", "?", canonical), text, FORMS[form])
            assert mark.lenient == Grade.CORRECT or mark.strict != Grade.CORRECT


def _spellings(value: int) -> list[str]:
    """A whole number in the spellings that every number has."""
    sign, digits = ("-" if value < 0 else ""), f"{abs(value):,}"
    spelled = [
        digits,
        digits.replace(",", ""),
        digits.replace(",", "{,}"),
        digits.replace(",", "\u2009"),
    ]
    spelled += [digits.replace(",", "'"), digits.replace(",", "\\,"), digits.replace(",", " ")]
    with_signs = [sign + one for one in spelled] + [
        f"{sign}${spelled[0]}",
        f"{sign}{spelled[0]} cm^2",
    ]
    minus = [one.replace("-", "− ") for one in with_signs]
    return [
        *with_signs,
        *minus,
        f"{sign}{spelled[1]}.0",
        f"{value}%",
        f"{sign}{abs(value)} \\times 10^0",
    ]


PLACES = ("Answer: {}", "**Answer:** {}.", "\\boxed{{{}}}", "so the answer is {}, I think", "{}",
          "<answer>{}</answer>", "#### {}", "答案：{}", "Final answer:\n{}\n")  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(value=st.integers(-(10**9), 10**9), place=st.sampled_from(PLACES), data=st.data())
def test_text_that_states_only_the_gold_is_right(value: int, place: str, data) -> None:
    spelled = data.draw(st.sampled_from(_spellings(value)))
    assert _is_right("number", str(value), place.format(spelled))


BESIDE = ("There are {gold}.\nAnswer: {said}", "Answer: {said} (not {gold})", "Answer: {gold}, no, {said}",
          "\\boxed{{{gold}}}\nAnswer: {said}", "Answer: {said} because {gold} is too much",
          "Answer: {gold}\nAnswer: {said}", "Answer: {said}. {gold} was the first guess.",
          "<answer>{said}</answer> and not {gold}", "Answer: not {gold} but {said}")  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(
    gold=st.integers(-(10**6), 10**6),
    other=st.integers(-(10**6), 10**6),
    place=st.sampled_from(BESIDE),
    data=st.data(),
)
def test_text_that_states_another_value_is_wrong_wherever_the_gold_stands(gold, other, place, data):
    assume(gold != other)
    said = data.draw(st.sampled_from(_spellings(other)))
    text = place.format(gold=gold, said=said)
    assert not _is_right("number", str(gold), text)
    assert _is_right("number", str(other), text)


def _slowest(fragment: str, start: str) -> float:
    """Seconds that the slowest reading of 100,000 characters takes."""
    text = start + (fragment * (100_000 // len(fragment) + 1))[:100_000]
    took = []
    for reading in (Numbers(), Letters(), Texts("yes|no"), Formulas()):
        begun = time.process_time()
        reading.both(text, LINE)
        took.append(time.process_time() - begun)
    return max(took)


@settings(max_examples=8, deadline=None)
@given(
    fragment=st.one_of(
        PIECES, anything, st.text("0123456789.,-/^{}\\$ *_~()", min_size=1, max_size=6)
    ),
    start=st.sampled_from(["", "Answer: ", "\\boxed{"]),
)
def test_a_hundred_thousand_characters_of_any_fragment_are_read_in_a_second(
    fragment, start
) -> None:
    assume(fragment)
    assert _slowest(fragment, start) < 1


FRAGMENTS = (
    " ", "{", "\\boxed{", "answer is ", "answer", "answer to ", "answer (", "####\n", "$", "1,", "9",
    "<answer>", "1 ", "1/", "- ", "\n", "A, ", "(A) ", "b) ", "1 and ", "1 or ", "not ", "no, ", "wait ",
    "\\frac{", "\\frac{1}{", "^{", "1^", "**", "\\text{", "x=", "1 = ", "five and ", "twenty-", "A is ",
    "the answer to ", "答", "Ответ: ", "respuesta es ", "0.(3", "1'000", "1 000 ", "1,000,", "~~a", "$a$,",
    "\\boxed{1} and ", "½", "1²", "√", "f(", "yes, ", "1\\,000", "- $ ", "between ", "5 km/", "5 ft 6 in ",
    "</", "a\u0301", "1e9", "1 x 10^", "5 (", "the correct choice is ", "Answer:\n", "# answer\n",
    "\"answer\": ", "1/2/", "1.2.", "1 million ", "-(", "A or ", "actually, ", "I hope ",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("start", ["", "Answer: ", "\\boxed{"])
@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_fragments_of_every_pattern_are_read_in_a_second(fragment: str, start: str) -> None:
    assert _slowest(fragment, start) < 1


# Parts


def test_boxes_without_braces_are_boxes() -> None:
    assert boxes(r"so \boxed 5. or \boxed{\frac{1}{2}} or \fbox{3}") == ["5", r"\frac{1}{2}", "3"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Answer: 5. I check the answer: 2 + 3 = 6?", "5"),
        ("the answer is 5. So the answer is correct.", "5"),
        ("Answer:\n\n5 apples", "5"),
        ("### Final Answer\n5", "5"),
        ("#### 1. Sum\n2 + 3 = 5", "5"),
        ("#### 5 apples", "5"),
        ("The answer is the number of all apples.\nTotal: 5", "5"),
        ("- 4 red\n- 5 green", "5"),
        ("a list 3,5", "5"),
    ],
)
def test_places_are_told_from_what_only_looks_like_one(text: str, said: str) -> None:
    assert Numbers().read(text, LINE) == said


@pytest.mark.parametrize(
    ("text", "answer", "span"),
    [
        ("12 and 112", "12", "12"),
        ("so 9{,}500 it is", "9500", "9{,}500"),
        (r"so \frac{1}{2} it is", "1/2", r"\frac{1}{2}"),
        ("1,234 dollars", "1234", "1,234"),
        ("in 112", "12", "12"),
        ("Paris", "Rome", None),
    ],
)
def test_span_of_an_answer_is_where_its_value_stands(text, answer, span) -> None:
    found = span_of(text, answer)
    assert (None if found is None else text[slice(*found)]) == span


def test_announced_word_is_the_last_one() -> None:
    rule = Announced("Answer")
    assert [rule.read(t) for t in ("Answer 1 Answer 2 x", "Answer", "7", "no idea")] == [
        "2", None, "7", None,
    ]  # fmt: skip


def test_place_of_few_words_counts_though_it_cannot_be_read() -> None:
    assert Place(0, "Paris").is_firm
    assert not Place(0, "the sum of all the numbers").is_firm
    assert Place(0, "cannot be determined from what is given").is_firm
