"""Sudoku boards to fill in: a full grid is drawn, then cells are emptied one after another."""

from typing import Literal

import numpy as np

from modicum.nets.grid import BLANK, Ids
from modicum.puzzles.sudoku import SudokuPuzzle, all_grids
from modicum.puzzles.sudoku_solver import solutions_of

__all__ = ["Uniqueness", "drawn_grid", "drawn_questions"]

Uniqueness = Literal["true", "false", "any"]
"""How many solutions a board may have: one, several, or either."""


def drawn_grid(size: int, rng: np.random.Generator) -> Ids:
    """Draw a full grid: evenly at 4 x 4, above that every grid with some probability."""
    if size == 4:
        return all_grids()[int(rng.integers(len(all_grids())))]
    blank = (BLANK,) * size**2
    grid = solutions_of(size, blank, 1, rng)[0]
    return SudokuPuzzle(size).transformed(grid, grid, rng)[0]


def drawn_questions(
    size: int, low: int, high: int, unique: Uniqueness, rng: np.random.Generator
) -> list[Ids]:
    """Empty the cells of one drawn grid in a drawn order; return the boards on the way, shuffled.

    Args:
        size: 4, 6 or 9.
        low: Fewest clues.
        high: Most clues.
        unique: `true` leaves a clue where the board would have several solutions without it, so
            that few clues may not be reached; `false` leaves out boards with one solution.
        rng: Draws grid and orders.
    """
    board = list(drawn_grid(size, rng))
    n_clues, passed = len(board), []
    order = rng.permutation(len(board)).tolist()
    while n_clues >= low:
        if n_clues <= high and (unique != "false" or len(solutions_of(size, board, 2)) > 1):
            passed.append(tuple(board))
        if not order or n_clues == low:
            break
        cell = order.pop()
        digit, board[cell] = board[cell], BLANK
        if unique == "true" and _has_another(size, board, cell, digit):
            board[cell] = digit
        else:
            n_clues -= 1
    return [passed[i] for i in rng.permutation(len(passed)).tolist()]


def _has_another(size: int, board: list[int], cell: int, digit: int) -> bool:
    """Say whether an emptied cell can hold another digit than it did."""
    return any(
        solutions_of(size, [*board[:cell], other, *board[cell + 1 :]], 1)
        for other in range(1, size + 1)
        if other != digit and not _stands_near(size, board, cell, other)
    )


def _stands_near(size: int, board: list[int], cell: int, digit: int) -> bool:
    row, column = divmod(cell, size)
    return digit in board[row * size : row * size + size] or digit in board[column::size]
