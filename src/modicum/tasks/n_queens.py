"""N queens with some of them hidden: every placement that completes the board is right."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import final

from modicum.errors import ConfigError
from modicum.marking.puzzle_task import MOST_SOLUTIONS, PuzzleTask
from modicum.nets.grid import Ids
from modicum.puzzles.puzzle import Puzzle
from modicum.puzzles.queens import QueensPuzzle, queens_questions
from modicum.puzzles.splits import read_range, solutions_level, split_of
from modicum.seeds import key
from modicum.types import Problem, Split

__all__ = ["NQueens"]


@final
@dataclass(frozen=True)
class NQueens(PuzzleTask):
    """Every board that n placed queens leave when some are hidden, each once."""

    n: int = 8
    """Queens, rows and columns, 4 to 10."""
    hidden: str = "6..7"
    """Queens that are not shown, `LOW..HIGH`."""

    def check(self) -> None:
        """Refuse a board or a range that is none."""
        self._range()

    @property
    def _puzzle(self) -> Puzzle:
        return QueensPuzzle(self.n)

    @property
    def available(self) -> Mapping[str, int]:
        """All boards there are, by split."""
        return {split: len(questions) for split, questions in self._questions.items()}

    def asked(self, question: Ids) -> str:
        """Return the question in words."""
        n = self.n
        return (
            f"Place {n} queens on a board of {n} x {n}, one in each row, so that no two share a column or a "
            f"diagonal. These are their columns from the first row down, with a dot for a row that is "
            f"still empty; give all of them in this form: {self.puzzle.decode(question, question)}"
        )

    def problems(self, split: Split, n: int) -> tuple[Problem, ...]:
        """Return the first n boards of a split, in hash order.

        Raises:
            ConfigError: the split has fewer.
        """
        questions = self._questions[split]
        if n > len(questions):
            raise ConfigError(
                f"{len(questions)} boards of {self.n} queens with {self.hidden} hidden in {split!r}",
                f"{n}",
                "ask for fewer, or widen the range of hidden queens",
            )
        return tuple(self._problem(question) for question in questions[:n])

    def _problem(self, question: Ids) -> Problem:
        name = self.puzzle.decode(question, question).replace(" ", "-")
        solutions = self.puzzle.solutions(question, MOST_SOLUTIONS)
        gold = solutions[key("n_queens gold", name) % len(solutions)]
        level = solutions_level(len(solutions))
        return self.problem(f"n_queens/{name}", question, gold, level)

    def _range(self) -> tuple[int, int]:
        return read_range(self.hidden, least=1, most=QueensPuzzle(self.n).n, what="hidden")

    @cached_property
    def _questions(self) -> dict[Split, list[Ids]]:
        return _by_split(self.n, *self._range())


@lru_cache(maxsize=4)
def _by_split(n: int, low: int, high: int) -> dict[Split, list[Ids]]:
    """Return all questions in hash order, by split."""
    found: dict[Split, list[Ids]] = {"shots": [], "selection": [], "test": []}
    puzzle = QueensPuzzle(n)
    for question in sorted(queens_questions(n, low, high), key=lambda q: key("n_queens order", q)):
        found[split_of(puzzle, question)].append(question)
    return found
