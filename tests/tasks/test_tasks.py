"""The tasks of sums and of reasoning-gym."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modicum.errors import ConfigError, UnknownNameError
from modicum.task import Task, resolve_task
from modicum.tasks.gym import Gym
from modicum.tasks.sums import Sums
from modicum.types import Grade, Split

pytest.importorskip("reasoning_gym")

SPLITS: tuple[Split, ...] = ("shots", "selection", "test")
GYM = ("chain_sum", "letter_counting", "syllogism", "number_sorting", "rotate_matrix", "acre")


def sample(task: Task) -> list[str]:
    return [p.question for split in SPLITS for p in task.problems(split, 40)]


@pytest.mark.parametrize("reference", ["sums", "gym:chain_sum", "gym:letter_counting"])
def test_no_question_stands_in_two_splits_or_twice(reference: str) -> None:
    questions = sample(resolve_task(reference))
    assert len(questions) == len(set(questions))


@pytest.mark.parametrize("reference", ["sums", "gym:chain_sum"])
def test_more_problems_begin_with_the_fewer(reference: str) -> None:
    task = resolve_task(reference)
    assert task.problems("test", 30)[:10] == resolve_task(reference).problems("test", 10)


def test_solutions_of_sums_are_right() -> None:
    task = Sums()
    for problem in task.problems("shots", 20):
        assert problem.solution is not None
        mark = task.mark(problem, problem.solution)
        assert (mark.lenient, mark.strict) == (Grade.CORRECT, Grade.CORRECT)


@pytest.mark.parametrize(
    ("text", "lenient", "strict"),
    [
        ("Answer 42", Grade.CORRECT, Grade.CORRECT),
        ("Think 12 + 30 = 42 Answer 42", Grade.CORRECT, Grade.CORRECT),
        ("Answer 42 apples", Grade.CORRECT, Grade.UNREADABLE),
        ("it is 42.", Grade.CORRECT, Grade.UNREADABLE),
        ("Answer 43", Grade.INCORRECT, Grade.INCORRECT),
        ("42 Answer 43", Grade.INCORRECT, Grade.INCORRECT),
        ("no idea", Grade.UNREADABLE, Grade.UNREADABLE),
        ("", Grade.UNREADABLE, Grade.UNREADABLE),
        ("Answer " + "9" * 10_000, Grade.INCORRECT, Grade.INCORRECT),
    ],
)
def test_sums_are_marked(text: str, lenient: Grade, strict: Grade) -> None:
    task = Sums()
    problem = task.problems("test", 1)[0]
    a, b = re.findall(r"\d+", problem.question)
    written = text.replace("12", a).replace("30", b).replace("42", problem.answer)
    mark = task.mark(problem, written)
    assert (mark.lenient, mark.strict) == (lenient, strict)


@pytest.mark.parametrize("name", GYM)
def test_gold_answers_of_the_gym_are_right(name: str) -> None:
    task = resolve_task(f"gym:{name}")
    for problem in task.problems("test", 5):
        mark = task.mark(problem, f"Let me see.\nAnswer: {problem.answer}")
        assert (mark.lenient, mark.strict) == (Grade.CORRECT, Grade.CORRECT)


def test_problems_are_marked_by_a_fresh_task_too() -> None:
    problem = Gym("chain_sum").problems("test", 3)[2]
    assert Gym("chain_sum").mark(problem, problem.answer).lenient == Grade.CORRECT


def test_shaped_scores_do_not_count() -> None:
    """The gold within a longer answer earns a part of the score there, and nothing here."""
    task = Gym("spell_backward")
    problem = task.problems("test", 1)[0]
    assert task.mark(problem, f"Answer: {problem.answer}zz").lenient == Grade.INCORRECT


def test_the_scrambled_twin_takes_its_own_golds_only() -> None:
    task, twin = resolve_task("gym:chain_sum"), resolve_task("scrambled:gym:chain_sum")
    pairs = list(zip(task.problems("test", 20), twin.problems("test", 20), strict=True))
    assert all(twin.mark(b, f"Answer: {b.answer}").lenient == Grade.CORRECT for _, b in pairs)
    right = sum(twin.mark(b, f"Answer: {a.answer}").lenient == Grade.CORRECT for a, b in pairs)
    assert right <= 1


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is **1,234**.", "1234"),
        ("The answer to this question is 5", "5"),
        ("Answer: 3 + 4 = 7 apples", "7"),
        ("<answer>12</answer> Answer: 3", "3"),
        (r"so \boxed{7}", "7"),
        ("Answer: none\nbut 7", None),
        ("1 2 3", "3"),
        ("", None),
    ],
)
def test_answers_are_read_leniently(text: str, answer: str | None) -> None:
    assert Gym("chain_sum").read(text) == answer


@pytest.mark.parametrize(
    "answer", ["exec('print(1)')", "9**9**9", "().__class__", "(lambda: 1)()", "open('x')"]
)
def test_answers_that_are_code_never_reach_a_scorer_that_evaluates(answer: str) -> None:
    task = Gym("countdown")
    problem = task.problems("test", 1)[0]
    assert task.mark(problem, f"Answer: {answer}").lenient != Grade.CORRECT


@given(st.text(max_size=200))
@settings(max_examples=60, deadline=None)
def test_marking_never_raises(text: str) -> None:
    for task in (Sums(), Gym("number_sorting")):
        problem = task.problems("test", 1)[0]
        task.mark(problem, text)
        task.mark(problem, f"Answer: {text}")


def test_an_unknown_dataset_gets_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="chain_sum"):
        resolve_task("gym:chain_sums")


def test_a_wrong_setting_of_a_dataset_is_refused() -> None:
    with pytest.raises(ConfigError, match="max_term"):
        resolve_task("gym:chain_sum", {"config": "max_term=2"})


def test_a_dataset_too_small_says_so() -> None:
    with pytest.raises(ConfigError, match="distinct problems"):
        resolve_task("gym:coin_flip", {"config": "min_trials=3,max_trials=4"}).problems("test", 99)
