"""Sudoku as a puzzle: boards of 4 x 4, 6 x 6 and 9 x 9 as text and as ids, one a cell."""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import final

import numpy as np
import numpy.typing as npt

from modicum.nets.grid import BLANK, Ids, TokenGrid
from modicum.puzzles.puzzle import FoundAnswer, Puzzle
from modicum.puzzles.reading import EQUALS, before_equals, last_cells, split_gold
from modicum.puzzles.sudoku_solver import BOXES, is_solved, solutions_of, units_of
from modicum.puzzles.sudoku_symmetry import drawn_symmetry, sudoku_invariant

__all__ = ["SudokuPuzzle", "all_grids", "board_text"]

_LISTED = 4
"""Size up to which all full grids are listed: 288 at 4 x 4, 28 million at 6 x 6."""


@cache
def all_grids() -> tuple[Ids, ...]:
    """Return the 288 full grids of 4 x 4, in a fixed order."""
    return tuple(sorted(solutions_of(_LISTED, [BLANK] * _LISTED**2, 289)))


@cache
def _listed() -> npt.NDArray[np.int8]:
    return np.array(all_grids(), dtype=np.int8)


def board_text(size: int, ids: Sequence[int]) -> str:
    """Return a board as rows of digits with spaces between them, a dot for each empty cell.

    >>> board_text(4, [1, 0, 0, 4] + [0] * 12)
    '1..4 .... .... ....'
    """
    text = "".join(str(digit) if digit else "." for digit in ids)
    return " ".join(text[i : i + size] for i in range(0, len(text), size))


@final
@dataclass(frozen=True)
class SudokuPuzzle(Puzzle):
    """Boards of one size; several solutions are allowed, and each is right.

    >>> puzzle = SudokuPuzzle(4)
    >>> question = puzzle.encode("Fill it in: 1... ..3. .... ...2")
    >>> [puzzle.decode(question, ids) for ids in puzzle.solutions(question, 2)]
    ['1324 2431 4213 3142', '1324 4231 2143 3412']
    """

    size: int = 4
    """Rows, columns and digits: 4, 6 or 9; boxes of 6 x 6 have two rows and three columns."""

    def __post_init__(self) -> None:
        """Refuse a size without boxes."""
        units_of(self.size)

    @property
    def grid(self) -> TokenGrid:
        """One position a cell, row by row; ids are digits, and all positions are answered."""
        n = self.size**2
        return TokenGrid(n, self.size + 1, (True,) * n, self.size)

    def encode(self, question: str) -> Ids:
        """Return the ids of the last board in a question, `[size * size]`.

        Raises:
            ValueError: it holds none.
        """
        row = rf"[1-{self.size}.]{{{self.size}}}"
        found = re.findall(rf"(?<![\w.]){row}(?: {row}){{{self.size - 1}}}(?![\w.])", question)
        if not found:
            raise ValueError(f"no {self.size} x {self.size} board in {question[-100:]!r}")
        return self._cells(found[-1])

    def decode(self, question: Sequence[int], ids: Sequence[int]) -> str:  # noqa: ARG002 - all is in the answer
        """Return a board as text."""
        return board_text(self.size, ids)

    def target(self, answer: str) -> Ids:
        """Return the ids of a gold's full board.

        Raises:
            ValueError: it is no gold, or its board is not full.
        """
        ids = self._cells(split_gold(answer)[1])
        if BLANK in ids:
            raise ValueError(f"a full board was expected, not {answer!r:.200}")
        return ids

    def given(self, answer: str) -> Ids:
        """Return the ids of a gold's givens.

        Raises:
            ValueError: it is no gold.
        """
        return self._cells(split_gold(answer)[0])

    def gold(self, question: Sequence[int], ids: Sequence[int]) -> str:
        """Return givens and full board, joined by `=`."""
        return board_text(self.size, question) + EQUALS + board_text(self.size, ids)

    def find(self, text: str) -> FoundAnswer | None:
        """Return the last full board in a text, however it is drawn."""
        size = self.size
        found = last_cells(text, size * size, size, (1, BOXES[size][1], size, size * size))
        if found is None:
            return None
        ids, start = found
        given = before_equals(text, start, "123456789. ")
        try:
            return FoundAnswer(ids, None if given is None else self._cells(given))
        except ValueError:  # an equals sign behind something else
            return FoundAnswer(ids)

    def is_valid(self, question: Sequence[int], ids: Sequence[int]) -> bool:
        """Say whether each unit holds each digit once, and every given is kept."""
        return is_solved(self.size, ids) and all(
            given in (BLANK, digit) for given, digit in zip(question, ids, strict=True)
        )

    def solutions(self, question: Sequence[int], most: int) -> list[Ids]:
        """Return the solutions of a board, the first `most` of them in a fixed order."""
        if self.size > _LISTED:
            return solutions_of(self.size, question, most)
        asked, listed = np.array(question, dtype=np.int8), _listed()
        fits = ((listed == asked) | (asked == BLANK)).all(axis=1)
        grids = all_grids()
        return [grids[i] for i in fits.nonzero()[0][:most].tolist()]

    def transformed(
        self, question: Sequence[int], ids: Sequence[int], rng: np.random.Generator
    ) -> tuple[Ids, Ids]:
        """Return both under one drawn symmetry of digits, lines, bands and the diagonal."""
        cells, names = drawn_symmetry(self.size, rng)
        return tuple([names[question[c]] for c in cells]), tuple([names[ids[c]] for c in cells])

    def invariant(self, question: Sequence[int]) -> Hashable:
        """Return what all symmetric forms of a board share."""
        return sudoku_invariant(self.size, question)

    def _cells(self, text: str) -> Ids:
        """Return the ids of a board as `board_text` writes it."""
        cells = text.replace(" ", "")
        digits = "." + "".join(map(str, range(1, self.size + 1)))
        if len(cells) != self.size**2 or set(cells) - set(digits):
            raise ValueError(f"no {self.size} x {self.size} board: {text!r:.200}")
        return tuple(digits.index(cell) for cell in cells)
