"""Near-equal questions are found where they were planted, and nowhere else."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from modicum.seeds import stream
from modicum.tables.near import LEAST, near_equal
from modicum.task import Task, resolve_task
from modicum.types import Problem

WORDS = [
    "farmer",
    "river",
    "yellow",
    "basket",
    "under",
    "seven",
    "winter",
    "slowly",
    "market",
    "bridge",
    "silver",
    "copper",
    "candle",
    "window",
    "barley",
    "stone",
    "garden",
    "merchant",
    "carried",
    "between",
    "orchard",
    "lantern",
    "sailor",
    "weaving",
    "hollow",
    "timber",
]


def _stories(rng: np.random.Generator, n: int) -> list[str]:
    """Questions that share no more than their form."""
    return [
        f"{' '.join(rng.choice(WORDS, 18))} {rng.integers(1, 99)} and {rng.integers(1, 99)}. "
        f"How many {' '.join(rng.choice(WORDS, 4))}?"
        for _ in range(n)
    ]


@pytest.mark.parametrize(
    "task", ["word_sums", "row_pushes", "letter_swaps", "dial_marks", "digit_wheels", "sums"]
)
def test_a_tasks_own_form_is_no_cluster(task: str) -> None:
    assert near_equal([p.question for p in resolve_task(task).problems("test", 400)]) == []


def _other_numbers(text: str, rng: np.random.Generator) -> str:
    return re.sub(r"\d+", lambda _: str(rng.integers(1, 99)), text)


@pytest.mark.parametrize("size", [LEAST, 10])
def test_planted_groups_are_found_whole(size: int) -> None:
    rng = stream("test", "near", size)
    for _ in range(20):
        own = _stories(rng, 60)
        copies = [_other_numbers(own[0], rng) for _ in range(size - 1)]
        [group] = near_equal([*own, *copies])
        assert group == [0, *range(60, 59 + size)]


def test_fewer_than_five_are_not_told() -> None:
    rng = stream("test", "near", "few")
    own = _stories(rng, 60)
    assert near_equal([*own, *(_other_numbers(own[0], rng) for _ in range(LEAST - 2))]) == []


def test_stories_told_alike_that_ask_for_different_things_are_no_cluster() -> None:
    body = "A baker mixes 3 cups of rye flour with 5 spoons of salt on a cold Monday morning. "
    asked = ("How many cups does it take?", "What does the salt cost?", "When was it baked?",
             "Who ate the bread?", "Why was it cold?")  # fmt: skip
    assert (
        near_equal([*_stories(stream("test", "near", "asked"), 60), *(body + a for a in asked)])
        == []
    )


def _other_words(text: str, rng: np.random.Generator, n: int) -> str:
    """Put n names that no question holds in the place of words."""
    for _ in range(n):
        old = rng.choice(re.findall(r"[a-z]{4,}", text))
        text = text.replace(old, "".join(rng.choice(list("bcdfgklmnprst"), 7)), 1)
    return text


@pytest.mark.parametrize("changed", [1, 2])
def test_planted_groups_with_words_changed_are_found(changed: int) -> None:
    rng = stream("test", "near", "words", changed)
    found = 0
    for _ in range(20):
        own = _stories(rng, 60)
        copies = [_other_numbers(_other_words(own[0], rng, changed), rng) for _ in range(7)]
        found += any({*range(60, 67)} <= set(group) for group in near_equal([*own, *copies]))
    assert found >= 18


def test_words_of_a_story_that_change_places_ask_for_something_else() -> None:
    """Questions of SVAMP's kind: one story, asked for other pairs of its parts."""
    rng = stream("test", "near", "places")
    days = ("monday", "tuesday", "wednesday")
    asked = [
        f"Julia played tag with {rng.integers(2, 99)} kids on monday, {rng.integers(2, 99)} kids on "
        f"tuesday and {rng.integers(2, 99)} kids on wednesday. How many more kids did she play with "
        f"on {a} than on {b}?"
        for a in days
        for b in days
        if a != b
    ]
    assert near_equal([*_stories(rng, 60), *asked]) == []


def test_near_equal_questions_of_a_file_hang_together_where_asked(tmp_path: Path) -> None:
    rng = stream("test", "near", "file")
    own = _stories(rng, 60)
    asked = [*own, *(_other_numbers(own[0], rng) for _ in range(7))]
    file = tmp_path / "sums.jsonl"
    file.write_text(
        "\n".join(json.dumps({"question": q, "answer": str(i)}) for i, q in enumerate(asked))
    )
    plain, grouped = (resolve_task(f"{file}{more}") for more in ("", "?cluster=near_equal"))
    assert not any(problem.cluster for problem in _all(plain))
    found = [{p.question for p in members if p.cluster} for members in _roles(grouped)]
    assert sorted(map(len, found)) == [0, 0, 8]
    assert set.union(*found) == {own[0], *asked[60:]}


def _roles(task: Task) -> list[tuple[Problem, ...]]:
    return [task.problems(role, n) for role, n in task.sheet.available.items()]


def _all(task: Task) -> list[Problem]:
    return [problem for members in _roles(task) for problem in members]
