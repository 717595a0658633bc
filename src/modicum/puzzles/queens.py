"""N queens as a puzzle: one token a row, which is the column of its queen; some rows are given."""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import final

import numpy as np
import numpy.typing as npt

from modicum.errors import ConfigError
from modicum.nets.grid import BLANK, Ids, TokenGrid
from modicum.puzzles.puzzle import FoundAnswer, Puzzle
from modicum.puzzles.reading import EQUALS, before_equals, last_cells, split_gold

__all__ = ["QueensPuzzle", "all_placements", "queens_questions"]

_SMALLEST, _LARGEST = 4, 10


@cache
def all_placements(n: int) -> tuple[Ids, ...]:
    """Return every way to place n queens, in order: 92 at 8, 724 at 10."""
    found: list[Ids] = []
    stack: list[Ids] = [()]
    while stack:
        columns = stack.pop()
        row = len(columns)
        if row == n:
            found.append(columns)
            continue
        stack += [
            (*columns, column)
            for column in range(n, 0, -1)
            if all(abs(column - c) not in (0, row - r) for r, c in enumerate(columns))
        ]
    return tuple(found)


@cache
def _listed(n: int) -> npt.NDArray[np.int8]:
    return np.array(all_placements(n), dtype=np.int8)


@cache
def queens_questions(n: int, low: int, high: int) -> tuple[Ids, ...]:
    """Return every question with `low` to `high` queens hidden, each once, in order.

    >>> len(queens_questions(8, 5, 7)), len(queens_questions(8, 6, 7))
    (5148, 1116)
    """
    rows = range(n)
    hidden = [set(some) for k in range(low, high + 1) for some in combinations(rows, k)]
    return tuple(
        sorted(
            {
                tuple([BLANK if row in gone else columns[row] for row in rows])
                for columns in all_placements(n)
                for gone in hidden
            }
        )
    )


@final
@dataclass(frozen=True)
class QueensPuzzle(Puzzle):
    """Boards of n x n; what is given are the queens of some rows.

    >>> puzzle = QueensPuzzle(4)
    >>> puzzle.solutions(puzzle.encode("Place the rest: . 4 . ."), 2)
    [(2, 4, 1, 3)]
    """

    n: int = 8
    """Rows, columns and queens, 4 to 10."""

    def __post_init__(self) -> None:
        """Refuse boards whose solutions cannot be listed.

        Raises:
            ConfigError: fewer than 4 or more than 10 queens.
        """
        if not _SMALLEST <= self.n <= _LARGEST:
            raise ConfigError(
                f"{self.n} queens", f"{_SMALLEST} to {_LARGEST}", "choose a board of that size"
            )

    @property
    def grid(self) -> TokenGrid:
        """One position a row; an id is a column, and all positions are answered."""
        return TokenGrid(self.n, self.n + 1, (True,) * self.n, 1)

    def encode(self, question: str) -> Ids:
        """Return the ids of the last placement in a question, `[n]`.

        Raises:
            ValueError: it holds none.
        """
        cell = r"(?:[1-9][0-9]?|\.)"
        found = re.findall(rf"(?<![\w.]){cell}(?: {cell}){{{self.n - 1}}}(?![\w.])", question)
        if not found:
            raise ValueError(f"no placement of {self.n} rows in {question[-100:]!r}")
        return self._columns(found[-1])

    def decode(self, question: Sequence[int], ids: Sequence[int]) -> str:  # noqa: ARG002 - all is in the answer
        """Return columns as text, a dot for each that is not known."""
        return " ".join(str(column) if column else "." for column in ids)

    def target(self, answer: str) -> Ids:
        """Return the ids of a gold's whole placement.

        Raises:
            ValueError: it is no gold, or rows are missing.
        """
        ids = self._columns(split_gold(answer)[1])
        if BLANK in ids:
            raise ValueError(f"a queen in every row was expected, not {answer!r:.200}")
        return ids

    def given(self, answer: str) -> Ids:
        """Return the ids of a gold's given queens.

        Raises:
            ValueError: it is no gold.
        """
        return self._columns(split_gold(answer)[0])

    def gold(self, question: Sequence[int], ids: Sequence[int]) -> str:
        """Return given and all queens, joined by `=`."""
        return self.decode((), question) + EQUALS + self.decode((), ids)

    def find(self, text: str) -> FoundAnswer | None:
        """Return the last row of n columns in a text."""
        found = last_cells(text, self.n, self.n, (1, self.n))
        if found is None:
            return None
        ids, start = found
        given = before_equals(text, start, "0123456789. ")
        try:
            return FoundAnswer(ids, None if given is None else self._columns(given))
        except ValueError:  # an equals sign behind something else
            return FoundAnswer(ids)

    def is_valid(self, question: Sequence[int], ids: Sequence[int]) -> bool:
        """Say whether no queen attacks another, and every given one stands."""
        rows = range(self.n)
        return (
            len(ids) == self.n
            and all(1 <= column <= self.n for column in ids)
            and all(given in (BLANK, column) for given, column in zip(question, ids, strict=True))
            and len(set(ids)) == self.n
            and len({ids[row] + row for row in rows}) == self.n
            and len({ids[row] - row for row in rows}) == self.n
        )

    def solutions(self, question: Sequence[int], most: int) -> list[Ids]:
        """Return every placement that keeps the given queens, the first `most` in order."""
        asked, listed = np.array(question, dtype=np.int8), _listed(self.n)
        fits = ((listed == asked) | (asked == BLANK)).all(axis=1)
        placements = all_placements(self.n)
        return [placements[i] for i in fits.nonzero()[0][:most].tolist()]

    def transformed(
        self, question: Sequence[int], ids: Sequence[int], rng: np.random.Generator
    ) -> tuple[Ids, Ids]:
        """Return both after one of the eight turns and mirrorings of the board."""
        which = int(rng.integers(8))
        return _turned(question, which), _turned(ids, which)

    def invariant(self, question: Sequence[int]) -> Hashable:
        """Return the least of the eight forms."""
        return min(_turned(question, which) for which in range(8))

    def _columns(self, text: str) -> Ids:
        """Return the ids of a placement as `decode` writes it."""
        cells = text.split()
        known = {".": BLANK, **{str(column): column for column in range(1, self.n + 1)}}
        if len(cells) != self.n or not known.keys() >= set(cells):
            raise ValueError(f"no placement of {self.n} rows: {text!r:.200}")
        return tuple(known[cell] for cell in cells)


def _turned(columns: Sequence[int], which: int) -> Ids:
    """Return a placement under one of eight symmetries; rows without a queen stay possible."""
    n = len(columns)
    placed = [(row, column - 1) for row, column in enumerate(columns) if column]
    if which & 1:
        placed = [(n - 1 - row, column) for row, column in placed]
    if which & 2:
        placed = [(row, n - 1 - column) for row, column in placed]
    if which & 4:
        placed = [(column, row) for row, column in placed]
    turned = [BLANK] * n
    for row, column in placed:
        turned[row] = column + 1
    return tuple(turned)
