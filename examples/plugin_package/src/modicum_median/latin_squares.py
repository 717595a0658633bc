"""Latin squares of four by four with a few cells left open: a puzzle of one solution."""

import itertools
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, final

from modicum.seeds import key, stream
from modicum.task import Sheet, Task
from modicum.types import Grade, Mark, Problem, Split

__all__ = ["LatinSquares", "board_in", "squares"]

Role = Literal["shots", "selection", "test", "training"]
_ROLES: tuple[Role, ...] = ("shots", "selection", "test", "training", "training")
"""Whose a square is, by a hash: what a net was trained on is never asked."""
_ROW = r"(?<![\d.])[1-4]{4}(?![\d.])"
_GRID = re.compile(rf"{_ROW}(?: {_ROW}){{3}}")
_STRICT = re.compile(rf"Answer: ({_GRID.pattern})")
_BOARD = re.compile(r"(?<![\d.])[1-4.]{4}(?: [1-4.]{4}){3}(?![\d.])")


@final
@dataclass(frozen=True)
class LatinSquares(Task):
    """Asks for the digits 1 to 4, each once in every row and column."""

    open: int = 9
    """Cells left open at most, 1 to 12; fewer where more than one square would fit."""

    def __post_init__(self) -> None:
        """Refuse other numbers of cells."""
        if not 1 <= self.open <= 12:
            msg = f"open = {self.open}, expected 1 to 12"
            raise ValueError(msg)

    @property
    def sheet(self) -> Sheet:
        """The form of the task."""
        return Sheet(max_new_tokens=20, question_answer=False)

    def problems(self, split: Split, n: int) -> tuple[Problem, ...]:
        """Return the first n puzzles of a split."""
        rng, own = stream("latin_squares", split, self.open), squares(split)
        found: dict[str, Problem] = {}
        while len(found) < n:
            square = own[int(rng.integers(len(own)))]
            question = square
            for cell in rng.permutation(16):
                emptied = _written(question, int(cell))
                if question.count(".") < self.open and _fitting(emptied) == 1:
                    question = emptied
            found.setdefault(question, Problem(f"latin/{question}", _rows(question), _rows(square)))
        return tuple(found.values())

    def read(self, text: str) -> str | None:
        """Read the last four rows of four digits, such as `1234 2143 3412 4321`."""
        rows = re.findall(_GRID, text)
        return rows[-1] if rows else None

    def mark(self, problem: Problem, text: str) -> Mark:
        """Judge a text; strictly, it must be `Answer: ` and the rows alone."""
        exact = _STRICT.fullmatch(text.strip())
        answer, strict = self.read(text), exact[1] if exact else None
        return Mark(answer, _grade(answer, problem.answer), _grade(strict, problem.answer))


def squares(role: Role) -> tuple[str, ...]:
    """Return the Latin squares of a role, 16 digits each, row by row."""
    return tuple(one for one in _all() if _ROLES[key("latin", one) % len(_ROLES)] == role)


def board_in(prompt: str) -> str | None:
    """Return the last board of a prompt as 16 characters, open cells as points; None where none is."""
    boards = _BOARD.findall(prompt)
    return boards[-1].replace(" ", "") if boards else None


@lru_cache(maxsize=1)
def _all() -> tuple[str, ...]:
    """Return all 576."""
    rows = ["".join(row) for row in itertools.permutations("1234")]
    found: list[tuple[str, ...]] = [()]
    for _ in range(4):
        found = [
            (*above, row)
            for above in found
            for row in rows
            if all(a != b for other in above for a, b in zip(other, row, strict=True))
        ]
    return tuple("".join(one) for one in found)


@lru_cache(maxsize=100_000)
def _fitting(board: str) -> int:
    """Return how many squares have the digits of a board."""
    given = [(i, digit) for i, digit in enumerate(board) if digit != "."]
    return sum(all(square[i] == digit for i, digit in given) for square in _all())


def _written(board: str, cell: int) -> str:
    return f"{board[:cell]}.{board[cell + 1 :]}"


def _rows(board: str) -> str:
    return " ".join(board[i : i + 4] for i in range(0, 16, 4))


def _grade(answer: str | None, gold: str) -> Grade:
    if answer is None:
        return Grade.UNREADABLE
    return Grade.CORRECT if answer == gold else Grade.INCORRECT
