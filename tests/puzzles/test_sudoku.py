"""Boards, solver, symmetries and readings of Sudoku."""

from itertools import product
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modicum.errors import ConfigError
from modicum.puzzles.splits import split_of
from modicum.puzzles.sudoku import SudokuPuzzle, all_grids, board_text
from modicum.puzzles.sudoku_making import drawn_grid, drawn_questions
from modicum.puzzles.sudoku_solver import is_solved, solutions_of, units_of
from tests.support.texts import anything

SIZES = (4, 6, 9)
HARD = "4.....8.5.3..........7......2.....6.....8.4......1.......6.3.7.5..2.....1.4......"
"""A puzzle of Norvig's list of hard ones, with one solution."""
HOSTILE = [
    "1" * 50_000,
    "1 " * 25_000,
    "1. " * 17_000 + "=",
    "row 1" * 10_000,
    "= " * 25_000,
    "1-" * 25_000,
]


def _ids(text: str) -> tuple[int, ...]:
    return tuple(0 if cell == "." else int(cell) for cell in text.replace(" ", ""))


def _emptied(size: int, keep: int, seed: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A board with some clues of a drawn grid, and the grid."""
    rng = np.random.default_rng(seed)
    grid = drawn_grid(size, rng)
    kept = set(rng.permutation(size**2)[:keep].tolist())
    return tuple(digit if cell in kept else 0 for cell, digit in enumerate(grid)), grid


def test_there_are_288_grids_of_four() -> None:
    assert len(set(all_grids())) == 288
    assert all(is_solved(4, grid) for grid in all_grids())


def test_the_solver_itself_finds_the_288_grids() -> None:
    assert set(solutions_of(4, [0] * 16, 1000)) == set(all_grids())


@pytest.mark.parametrize("seed", range(5))
def test_solutions_of_four_are_those_of_brute_force(seed: int) -> None:
    question, _ = _emptied(4, 11, seed)
    holes = [cell for cell, digit in enumerate(question) if not digit]
    found = set()
    for digits in product(range(1, 5), repeat=len(holes)):
        board = list(question)
        for cell, digit in zip(holes, digits, strict=True):
            board[cell] = digit
        rows = [board[i : i + 4] for i in range(0, 16, 4)]
        boxes = [
            [rows[r + i][c + j] for i in (0, 1) for j in (0, 1)] for r in (0, 2) for c in (0, 2)
        ]
        if all(len(set(unit)) == 4 for unit in [*rows, *zip(*rows, strict=True), *boxes]):
            found.add(tuple(board))
    assert set(SudokuPuzzle(4).solutions(question, 1000)) == found
    assert set(solutions_of(4, question, 1000)) == found


@pytest.mark.parametrize("seed", range(4))
def test_solutions_of_six_are_different_valid_and_hold_the_grid(seed: int) -> None:
    question, grid = _emptied(6, 12, seed)
    puzzle = SudokuPuzzle(6)
    found = puzzle.solutions(question, 10_000)
    assert len(set(found)) == len(found)
    assert grid in found
    assert all(puzzle.is_valid(question, ids) for ids in found)


def test_solutions_of_six_add_up_over_the_digits_of_one_cell() -> None:
    question, _ = _emptied(6, 10, 1)
    cell = question.index(0)
    parts = [(*question[:cell], digit, *question[cell + 1 :]) for digit in range(1, 7)]
    whole = solutions_of(6, question, 100_000)
    assert sorted(whole) == sorted(s for part in parts for s in solutions_of(6, part, 100_000))


def test_a_hard_puzzle_has_one_solution() -> None:
    found = solutions_of(9, _ids(HARD), 2)
    assert len(found) == 1
    assert SudokuPuzzle(9).is_valid(_ids(HARD), found[0])


@pytest.mark.parametrize("cells", [{0: 1, 1: 1}, {0: 1, 10: 1}, {8: 9, 80: 9}])
def test_a_board_that_contradicts_itself_has_no_solution(cells: dict[int, int]) -> None:
    assert solutions_of(9, [cells.get(cell, 0) for cell in range(81)], 1) == []


def test_a_cell_without_candidates_leaves_no_solution() -> None:
    assert solutions_of(4, _ids("123. ...4 .... ...."), 1) == []


def test_most_limits_the_solutions() -> None:
    assert len(solutions_of(9, [0] * 81, 7)) == 7
    assert len(SudokuPuzzle(4).solutions([0] * 16, 7)) == 7


def test_an_unknown_size_is_refused() -> None:
    with pytest.raises(ConfigError, match="4, 6 or 9"):
        SudokuPuzzle(5)


def test_every_cell_is_in_three_units() -> None:
    for size in SIZES:
        cells = [cell for unit in units_of(size).cells for cell in unit]
        assert {cells.count(cell) for cell in range(size**2)} == {3}
        assert len(units_of(size).cells) == 3 * size


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fault", ["given", "rule", "blank", "large", "short"])
def test_the_checker_sees_every_fault(size: int, fault: str) -> None:
    question, grid = _emptied(size, 5, 3)
    puzzle, wrong = SudokuPuzzle(size), list(grid)
    assert puzzle.is_valid(question, grid)
    if fault == "given":
        one, other = sorted(set(question) - {0})[:2] if len(set(question)) > 2 else (1, 2)
        wrong = [{one: other, other: one}.get(digit, digit) for digit in grid]
    elif fault == "short":
        wrong.pop()
    else:
        wrong[-1] = {"rule": wrong[-1] % size + 1, "blank": 0, "large": size + 1}[fault]
    assert not puzzle.is_valid(question, wrong)


@pytest.mark.parametrize("size", SIZES)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=15)
def test_symmetries_keep_solutions_split_and_invariant(size: int, seed: int) -> None:
    question, grid = _emptied(size, size * 2, 5)
    puzzle = SudokuPuzzle(size)
    asked, answer = puzzle.transformed(question, grid, np.random.default_rng(seed))
    assert puzzle.is_valid(asked, answer)
    assert [bool(digit) for digit in asked].count(True) == size * 2
    assert puzzle.invariant(asked) == puzzle.invariant(question)
    assert split_of(puzzle, asked) == split_of(puzzle, question)


def test_symmetries_reach_all_forms_of_a_grid_of_four() -> None:
    rng, puzzle = np.random.default_rng(0), SudokuPuzzle(4)
    grid = all_grids()[0]
    reached = {puzzle.transformed(grid, grid, rng)[0] for _ in range(2500)}
    same = {g for g in all_grids() if puzzle.invariant(g) == puzzle.invariant(grid)}
    assert reached == same
    assert len({puzzle.invariant(g) for g in all_grids()}) == 2  # the two known classes


@pytest.mark.parametrize("size", SIZES)
def test_unique_boards_have_one_solution_and_their_number_of_clues(size: int) -> None:
    low, high = {4: (5, 7), 6: (11, 14), 9: (27, 30)}[size]
    boards = drawn_questions(size, low, high, "true", np.random.default_rng(2))
    assert boards
    assert {len(solutions_of(size, board, 2)) for board in boards} == {1}
    assert {size**2 - board.count(0) for board in boards} <= set(range(low, high + 1))


def test_boards_wanted_with_several_solutions_have_several() -> None:
    boards = drawn_questions(4, 3, 9, "false", np.random.default_rng(2))
    assert boards
    assert all(len(SudokuPuzzle(4).solutions(board, 2)) == 2 for board in boards)


@pytest.mark.parametrize("size", SIZES)
@given(seed=st.integers(0, 2**32), keep=st.integers(0, 16))
@settings(max_examples=10)
def test_boards_go_to_text_and_back(size: int, seed: int, keep: int) -> None:
    question, grid = _emptied(size, keep, seed)
    puzzle = SudokuPuzzle(size)
    assert puzzle.encode(f"Board 4 of 9. Fill it: {board_text(size, question)}") == question
    gold = puzzle.gold(question, grid)
    assert (puzzle.given(gold), puzzle.target(gold)) == (question, grid)
    found = puzzle.find(f"Answer: {gold}.")
    assert found is not None
    assert (found.ids, found.given) == (grid, question)
    assert puzzle.target(puzzle.decode(question, grid)) == grid


@pytest.mark.parametrize("text", ["", "no board", "1234 3412 2143", "12345 3412 2143 4321 1"])
def test_a_text_without_board_is_no_question(text: str) -> None:
    with pytest.raises(ValueError, match="no 4 x 4 board"):
        SudokuPuzzle(4).encode(text)


@pytest.mark.parametrize(
    "gold", ["", "1... .... .... ....=1... .... .... ....", "x=1234 3412 2143 432"]
)
def test_what_is_no_gold_is_refused(gold: str) -> None:
    with pytest.raises(ValueError, match="board"):
        SudokuPuzzle(4).target(gold)


@pytest.mark.parametrize(
    "text",
    [
        "1234 3412 2143 4321",
        "So for size 4:\n1234\n3412\n2143\n4321\nDone.",
        "1234341221434321",
        "1 2 3 4\n3 4 1 2\n2 1 4 3\n4 3 2 1",
        "| 1 | 2 | 3 | 4 |\n|---|---|---|---|\n| 3 | 4 | 1 | 2 |\n| 2 | 1 | 4 | 3 |\n| 4 | 3 | 2 | 1 |",
        "12|34\n34|12\n--+--\n21|43\n43|21",
        "[[1, 2, 3, 4], [3, 4, 1, 2], [2, 1, 4, 3], [4, 3, 2, 1]]",
        "Row 1: 1 2 3 4\nRow 2: 3 4 1 2\nRow 3: 2 1 4 3\nRow 4: 4 3 2 1",
        "1... ..1. .... ....\n\nFirst try: 4321 2143 3412 1234. Better: 1234/3412/2143/4321",
        "**1234 3412 2143 4321**",
    ],
)
def test_boards_are_read_however_they_are_drawn(text: str) -> None:
    found = SudokuPuzzle(4).find(text)
    assert found is not None
    assert board_text(4, found.ids) == "1234 3412 2143 4321"


@pytest.mark.parametrize(
    "text", ["", "1234 3412 2143", "12.4 3412 2143 4321", "5234 3412 2143 4321"]
)
def test_a_board_that_is_not_full_is_not_read(text: str) -> None:
    assert SudokuPuzzle(4).find(text) is None


@pytest.mark.parametrize("size", SIZES)
@given(text=anything)
@settings(max_examples=20)
def test_reading_never_raises(size: int, text: str) -> None:
    found = SudokuPuzzle(size).find(text)
    assert found is None or len(found.ids) == size**2


@pytest.mark.parametrize("text", HOSTILE)
def test_reading_takes_time_linear_in_the_text(text: str) -> None:
    began = process_time()
    SudokuPuzzle(4).find(text)
    assert process_time() - began < 0.5
