"""Test questions are completed from their first words, and so are the same ones with other numbers."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modicum.analysis.contamination import read_completed
from modicum.ledger import Ledger
from modicum.study import completing
from modicum.study.completing import FEWEST, LONGEST, common_length, completed, overlap, parted
from modicum.study.forecast import draws, forecast
from modicum.study.plan import Grid, Plan, Subject
from modicum.types import Problem
from tests.support.patients import Patient

WORDS = st.lists(st.sampled_from("abcd"), max_size=12)
NAMES = ("Ann", "Bob", "Cid", "Dan", "Eve", "Fay")


def _story(i: int) -> Problem:
    """A question whose rest is its own, with a number in either part."""
    tail = " ".join(NAMES[(i // 6**k + k) % 6] for k in range(6))
    return Problem(
        f"p{i}",
        f"There are {12 + i} farms near the town of {NAMES[i % 6]} and {tail} own {31 + i} of them now.",
    )


def _template(i: int) -> Problem:
    """A question that differs from the others in its numbers alone."""
    n = 12 + i
    return Problem(
        f"p{i}",
        f"There are {n} farms near the town. How many of them are left in all when {n} more are sold there?",
    )


STORIES = [_story(i) for i in range(12)]
TEMPLATES = [_template(i) for i in range(12)]


def _knows(problems: Sequence[Problem]) -> Callable[[str, int], str]:
    """Complete questions that were learnt by heart, to the letter."""

    def says(prompt: str, luck: int) -> str:
        del luck
        whole = next((p.question for p in problems if p.question.startswith(prompt)), prompt)
        return whole[len(prompt) :] or " a long way to go from here, and none of it is known."

    return says


def _template_says(prompt: str, luck: int) -> str:
    """Complete the template, whatever its numbers."""
    del luck
    return f" left in all when {prompt.split()[2]} more are sold there?"


def _longest(one: Sequence[str], other: Sequence[str]) -> int:
    """The textbook recursion."""
    if not one or not other:
        return 0
    rows = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            rows[i + 1][j + 1] = rows[i][j] + 1 if a == b else max(rows[i][j + 1], rows[i + 1][j])
    return rows[-1][-1]


@given(WORDS, WORDS)
def test_overlap_is_the_harmonic_mean_of_the_common_subsequences_shares(one, other) -> None:
    length = _longest(one, other)
    assert common_length(one, other) == length
    if length:
        recall, precision = length / len(other), length / len(one)
        assert overlap(one, other) == pytest.approx(2 * recall * precision / (recall + precision))
    else:
        assert overlap(one, other) == 0


@given(st.text(st.sampled_from("ab 12.?\n"), max_size=400))
def test_a_question_is_parted_at_a_word_after_the_first_60_per_cent(question) -> None:
    part = parted(question)
    if part is None:
        return
    words = question.split()
    assert question.startswith(part.head + part.tail)
    assert part.head.split() == words[: -(-6 * len(words) // 10)]
    assert part.tail[0].isspace()


def test_short_and_long_rests_are_left_out_and_cut() -> None:
    assert parted("What is 3 + 4?") is None
    assert parted("") is None
    part = parted("word " * 400)
    assert part is not None
    assert FEWEST < len(part.tail) <= LONGEST
    assert part.tail.endswith(" word")


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=6))
def test_other_numbers_keep_their_digits_and_nothing_else_moves(numbers) -> None:
    question = " and ".join(f"{n} sheep" for n in numbers) + "?"
    pool = [str(n) for n in range(200)]
    other = completing.with_other_numbers(question, pool, "p1")
    assert len(other) == len(question)
    pairs = list(zip(question.split(), other.split(), strict=True))
    assert all(a == b for a, b in pairs if not a.isdigit())
    changed = dict(pair for pair in pairs if pair[0].isdigit())
    assert all(a != b for a, b in changed.items())
    assert len(set(changed.values())) == len(changed)
    assert completing.with_other_numbers(question, pool, "p1") == other


def test_what_was_learnt_by_heart_is_completed_and_not_with_other_numbers() -> None:
    found = completed(Patient(_knows(STORIES)), STORIES, Ledger())
    assert len(found) == len(STORIES)
    assert all(one.own.exact and one.own.overlap == 1 for one in found)
    assert not any(one.other.exact for one in found)
    assert not any(one.altered is None or one.altered.exact for one in found)


def test_a_template_is_completed_whatever_its_numbers() -> None:
    found = completed(Patient(_template_says), TEMPLATES, Ledger())
    read = read_completed(found, TEMPLATES, completing.CUT)
    assert read.overlap.value > 0.8
    assert read.overlap_over_control is not None
    assert read.overlap_over_control.value < 0.05
    assert not read.is_known


def test_tokens_of_completions_are_counted_and_bounded_by_the_rest() -> None:
    ledger = Ledger()
    endless = Patient(lambda prompt, luck: " on" * 500, ends=False)
    completed(endless, STORIES, ledger)
    assert 0 < ledger.tokens_sampled <= 2 * len(STORIES) * completing.LIMITS[1]


def test_a_model_that_takes_chat_alone_completes_nothing() -> None:
    assert completed(Patient(takes_raw=False), STORIES, Ledger()) == ()


def _subject(model: str, test: int = 400) -> Subject:
    plan = Plan((Grid((model,), ("sums",)),), test=test)
    return plan.subjects()[0]


def test_models_of_outside_texts_alone_get_the_trial() -> None:
    for model, test, first in (("smollm2-135m", 400, 40), ("some/model", 12, 12)):
        subject = _subject(model, test)
        trial = subject.completed()
        assert trial is not None
        assert trial in subject.measures()
        assert trial.scope.first == first
    assert _subject("organism").completed() is None
    assert _subject("scripted:latent").completed() is None


def test_its_tokens_are_forecast() -> None:
    subject = _subject("smollm2-135m")
    trial = subject.completed()
    assert trial is not None
    ahead = draws(subject.plan, trial)
    assert (ahead.answers, ahead.completed) == (40, 80)
    assert forecast(subject.plan, [trial]).tokens == 40 * ahead.limit + 80 * completing.LIMITS[-1]
    assert draws(subject.plan, subject.default()).completed == 0


def test_a_scope_without_a_cut_names_none() -> None:
    subject = _subject("smollm2-135m")
    trial = subject.completed()
    assert trial is not None
    assert trial.scope.plain()["cut"] == 0.6
    assert "cut" not in subject.default().scope.plain()
    assert type(trial.scope).thawed(trial.scope.plain()) == trial.scope
