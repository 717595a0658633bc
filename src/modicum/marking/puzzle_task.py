"""A task whose problems are those of a puzzle: every answer that keeps the givens is right.

The gold of a problem carries its givens, so that it can be judged by itself: its scrambled twin, which
has another problem's gold, wants that problem's board.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import final

from modicum.nets.grid import Ids
from modicum.puzzles.puzzle import FoundAnswer, Puzzle
from modicum.task import QUESTION_ANSWER, Sheet, Task
from modicum.types import Grade, Mark, Problem

__all__ = ["MOST_SOLUTIONS", "PuzzleTask"]

MOST_SOLUTIONS = 512
"""Right answers of a problem that are listed; of boards with more, the first."""
_ANSWER = "Answer:"


class PuzzleTask(Task):
    """Problems of a puzzle; subclasses say which puzzle, and draw them."""

    @final
    @property
    def puzzle(self) -> Puzzle:
        """Its questions and answers as token ids."""
        return self._puzzle

    @property
    @abstractmethod
    def _puzzle(self) -> Puzzle:
        """The puzzle that its settings mean."""

    @abstractmethod
    def asked(self, question: Ids) -> str:
        """Return a question in words, with what is given."""

    @property
    def available(self) -> Mapping[str, int]:
        """Problems in each split; a split that is left out has no limit."""
        return {}

    @final
    @cached_property
    def sheet(self) -> Sheet:
        """The bare question, and room for a board with a few words before it."""
        return Sheet(
            template="{question}\n",
            max_new_tokens=32 + 2 * self.puzzle.grid.n_answered,
            triggers=(replace(QUESTION_ANSWER, name="question-answer"),),
            available=self.available,
        )

    @final
    def problem(self, name: str, question: Ids, ids: Ids, difficulty: str) -> Problem:
        """Return the problem of a question with one of its solutions as gold."""
        return Problem(
            id=name,
            question=self.asked(question),
            answer=self.puzzle.gold(question, ids),
            difficulty=difficulty,
        )

    @final
    def read(self, text: str) -> str | None:
        """Read the last whole answer, with what the text itself says right before it was given."""
        found = self.puzzle.find(text)
        return None if found is None else self._written(found)

    @final
    def mark(self, problem: Problem, text: str) -> Mark:
        """Judge a text; strictly, its last line must be the answer alone, or behind `Answer:`."""
        found = self.puzzle.find(text)
        if found is None:
            return Mark(None, Grade.UNREADABLE, Grade.UNREADABLE)
        grade = Grade.CORRECT if _is_right(self.puzzle, problem, found) else Grade.INCORRECT
        answer = self.puzzle.decode(found.ids, found.ids)
        line = text.rstrip().rpartition("\n")[2].strip().removeprefix(_ANSWER).strip()
        is_exact = line in (answer, self._written(found))
        return Mark(answer, grade, grade if is_exact else Grade.UNREADABLE)

    @final
    def stated(self, problem: Problem) -> str:
        """Write the gold's answer without its givens."""
        ids = self.puzzle.target(problem.answer)
        return f"{_ANSWER} {self.puzzle.decode(ids, ids)}"

    @final
    def golds(self, problem: Problem) -> tuple[str, ...]:
        """Return the gold, then every right answer as it is read, its own first."""
        return (problem.answer, *self.right_answers(problem))

    @final
    def right_answers(self, problem: Problem) -> tuple[str, ...]:
        """Return every right answer as it is read, the gold's first; of many, the first 512."""
        return _solutions(self.puzzle, problem.answer)

    def _written(self, found: FoundAnswer) -> str:
        if found.given is None:
            return self.puzzle.decode(found.ids, found.ids)
        return self.puzzle.gold(found.given, found.ids)


def _is_right(puzzle: Puzzle, problem: Problem, found: FoundAnswer) -> bool:
    """Say whether an answer completes the gold's givens; one that states others answers those."""
    try:
        given = puzzle.given(problem.answer)
    except ValueError:  # a gold that somebody else wrote
        return False
    return found.given in (None, given) and puzzle.is_valid(given, found.ids)


@lru_cache(maxsize=4096)
def _solutions(puzzle: Puzzle, gold: str) -> tuple[str, ...]:
    given, ids = puzzle.given(gold), puzzle.target(gold)
    all_of_them = [ids, *puzzle.solutions(given, MOST_SOLUTIONS)]
    texts = dict.fromkeys(puzzle.decode(given, solution) for solution in all_of_them)
    return tuple(texts)[:MOST_SOLUTIONS]
