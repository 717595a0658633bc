"""N queens as a puzzle."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modicum.errors import ConfigError
from modicum.puzzles.queens import QueensPuzzle, all_placements, queens_questions
from modicum.puzzles.splits import split_of
from tests.support.texts import anything


def _is_peaceful(columns: tuple[int, ...]) -> bool:
    pairs = [(a, b) for b in range(len(columns)) for a in range(b)]
    return all(abs(columns[a] - columns[b]) not in (0, b - a) for a, b in pairs)


def test_there_are_92_placements_of_eight_and_724_of_ten() -> None:
    assert (len(set(all_placements(8))), len(set(all_placements(10)))) == (92, 724)


def test_placements_are_those_of_brute_force() -> None:
    expected = [columns for columns in permutations(range(1, 7)) if _is_peaceful(columns)]
    assert list(all_placements(6)) == expected


def test_the_checker_agrees_with_brute_force() -> None:
    puzzle, blank = QueensPuzzle(5), (0,) * 5
    for columns in permutations(range(1, 6)):
        assert puzzle.is_valid(blank, columns) == _is_peaceful(columns)


def test_questions_are_as_many_as_published() -> None:
    assert len(queens_questions(8, 5, 7)) == 5148
    pairs = sum(len(QueensPuzzle(8).solutions(q, 92)) for q in queens_questions(8, 5, 7))
    assert pairs == 8464


def test_solutions_keep_what_is_given() -> None:
    puzzle = QueensPuzzle(8)
    for question in queens_questions(8, 6, 7)[::60]:
        expected = [
            ids
            for ids in all_placements(8)
            if all(q in (0, c) for q, c in zip(question, ids, strict=True))
        ]
        assert puzzle.solutions(question, 92) == expected
        assert all(puzzle.is_valid(question, ids) for ids in expected)


@pytest.mark.parametrize("ids", [(1, 2, 3, 4), (2, 4, 1, 0), (2, 4, 1), (2, 4, 1, 5), (2, 4, 2, 3)])
def test_faulty_placements_are_not_valid(ids: tuple[int, ...]) -> None:
    assert not QueensPuzzle(4).is_valid((0, 0, 0, 0), ids)


def test_a_valid_placement_against_the_given_is_not_valid() -> None:
    puzzle = QueensPuzzle(4)
    assert puzzle.is_valid((0, 4, 0, 0), (2, 4, 1, 3))
    assert not puzzle.is_valid((0, 1, 0, 0), (2, 4, 1, 3))


def test_the_eight_symmetries_keep_solutions_and_split() -> None:
    puzzle, rng = QueensPuzzle(8), np.random.default_rng(0)
    question = queens_questions(8, 6, 6)[100]
    answer = puzzle.solutions(question, 1)[0]
    forms = [puzzle.transformed(question, answer, rng) for _ in range(200)]
    assert all(puzzle.is_valid(asked, ids) for asked, ids in forms)
    assert len({ids for _, ids in forms}) == 8
    assert {puzzle.invariant(asked) for asked, _ in forms} == {puzzle.invariant(question)}
    assert {split_of(puzzle, asked) for asked, _ in forms} == {split_of(puzzle, question)}


@given(place=st.integers(0, 723), hidden=st.sets(st.integers(0, 9), max_size=9))
@settings(max_examples=30)
def test_placements_go_to_text_and_back(place: int, hidden: set[int]) -> None:
    puzzle, answer = QueensPuzzle(10), all_placements(10)[place]
    question = tuple(0 if row in hidden else column for row, column in enumerate(answer))
    assert puzzle.encode(f"10 queens: {puzzle.decode(question, question)}") == question
    gold = puzzle.gold(question, answer)
    assert (puzzle.given(gold), puzzle.target(gold)) == (question, answer)
    found = puzzle.find(f"Answer: {gold}.")
    assert found is not None
    assert (found.ids, found.given) == (answer, question)


@pytest.mark.parametrize(
    "text",
    ["2 4 1 3", "2413", "[2, 4, 1, 3]", "Row 1: 2\nRow 2: 4\nRow 3: 1\nRow 4: 3", "So 2, 4, 1, 3."],
)
def test_placements_are_read_in_many_forms(text: str) -> None:
    found = QueensPuzzle(4).find(text)
    assert found is not None
    assert found.ids == (2, 4, 1, 3)


@given(text=anything)
@settings(max_examples=20)
def test_reading_never_raises(text: str) -> None:
    found = QueensPuzzle(10).find(text)
    assert found is None or len(found.ids) == 10


@pytest.mark.parametrize("n", [3, 11])
def test_boards_that_are_not_listed_are_refused(n: int) -> None:
    with pytest.raises(ConfigError, match="4 to 10"):
        QueensPuzzle(n)


@pytest.mark.parametrize("text", ["", "1 2 3", ". . ."])
def test_a_text_without_placement_is_no_question(text: str) -> None:
    with pytest.raises(ValueError, match="no placement"):
        QueensPuzzle(4).encode(text)
