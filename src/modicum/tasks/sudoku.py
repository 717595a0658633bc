"""Sudoku of 4 x 4, 6 x 6 or 9 x 9, drawn or from a file: every board that keeps the givens is right."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Literal, final

from modicum.errors import ConfigError
from modicum.files.content import content_hash
from modicum.loading.checkpoint_cache import cache_root
from modicum.marking.puzzle_task import MOST_SOLUTIONS, PuzzleTask
from modicum.nets.grid import BLANK, Ids
from modicum.puzzles.puzzle import Puzzle
from modicum.puzzles.splits import read_range, solutions_level, split_of
from modicum.puzzles.sudoku import SudokuPuzzle, board_text
from modicum.puzzles.sudoku_files import Board, boards_in, solved_boards
from modicum.puzzles.sudoku_making import Uniqueness, drawn_questions
from modicum.puzzles.sudoku_solver import BOXES
from modicum.seeds import key, stream
from modicum.types import File, Problem, Split

__all__ = ["Sudoku"]

_CLUES = {4: "3..6", 6: "10..14", 9: "26..32"}
_TRIES = 400
"""Grids a wanted problem may cost before its split counts as exhausted."""
_MOST_IN_FILE = 20_000
"""Puzzles of a file that are used: splitting and solving them takes seconds."""


@final
@dataclass(frozen=True)
class Sudoku(PuzzleTask):
    """Boards with few clues; those of 4 x 4 may have several solutions unless `unique` says otherwise."""

    size: int = 4
    """Rows, columns and digits: 4, 6 or 9; a box of 6 x 6 has two rows and three columns."""
    clues: str = ""
    """Cells that are given, `LOW..HIGH`; 3..6, 10..14 or 26..32 where empty, by size. With 0 alone the
    board is blank: one problem a split, and any full grid is right."""
    unique: Literal["", "true", "false", "any"] = ""
    """Whether a board has one solution, several, or either; any at 4 x 4 and one above where empty."""
    file: File = ""
    """Puzzles to use instead of drawn ones: a line each with 0 or a dot for an empty cell, or CSV with
    the columns source, question, answer, rating."""

    def check(self) -> None:
        """Refuse sizes and ranges that are none, and a file that is none."""
        self._range()
        if self.file and (self.clues or self.unique):
            raise ConfigError(
                f"file={self.file} beside clues or unique",
                "one of them",
                "a file has its own clues",
            )
        if self.file:
            self._boards  # noqa: B018 - reading is the check

    @property
    def fingerprint(self) -> str:
        """A hash of the file; empty where boards are drawn."""
        return content_hash(Path(self.file)) if self.file else ""

    @property
    def notes(self) -> tuple[str, ...]:
        """Say what was left out of a file, and what a blank board is."""
        if self.file and sum(map(len, self._boards.values())) == _MOST_IN_FILE:
            return (f"the first {_MOST_IN_FILE:,} puzzles of the file are used",)
        if self._is_blank:
            return (
                "each split is the one blank board: nothing is held out, any full grid is right",
            )
        return ()

    @property
    def instead(self) -> str:
        """Say how nets that draw boards from nothing are measured."""
        if not self._is_blank:
            return ""
        sized = "" if self.size == min(_CLUES) else f"size={self.size}&"
        return (
            "a study has nothing to hold out here; count the full grids that a net draws: modicum "
            f"pretrain measure recursive:FOLDER --task 'sudoku?{sized}clues=0' --samples 1000"
        )

    @property
    def _puzzle(self) -> Puzzle:
        return SudokuPuzzle(self.size)

    @property
    def available(self) -> Mapping[str, int]:
        """Puzzles of the file by split, one blank board, or no limit."""
        if self.file:
            return {split: len(boards) for split, boards in self._boards.items()}
        return {"shots": 1, "selection": 1, "test": 1} if self._is_blank else {}

    def asked(self, question: Ids) -> str:
        """Return the question in words."""
        n, (high, wide) = self.size, BOXES[self.size]
        return (
            f"Fill in this Sudoku of {n} x {n} cells: each row, each column and each box of {high} x {wide} "
            f"cells holds 1 to {n}, each once; a dot is an empty cell. Give the full board in the same form, "
            f"rows with spaces between them: {board_text(n, question)}"
        )

    def problems(self, split: Split, n: int) -> tuple[Problem, ...]:
        """Return the first n distinct boards of a split.

        Raises:
            ConfigError: the split has fewer, as far as could be seen.
        """
        if self.file:
            boards = self._boards[split][:n]
            found = [self._of_file(board) for board in self._solved(boards)]
        else:
            found = list(islice(self._drawn(split, _TRIES * (n + 10)), n))
        if len(found) < n:
            raise ConfigError(
                f"{len(found)} distinct {self.size} x {self.size} boards in split {split!r}",
                f"{n}",
                "ask for fewer, or widen the range of clues",
            )
        return tuple(found)

    def origin(self, problem: Problem) -> str:
        """Say which line of the file it is from."""
        if not self.file:
            return super().origin(problem)
        question = self.puzzle.given(problem.answer)
        lines = [
            b.line for boards in self._boards.values() for b in boards if b.question == question
        ]
        return f"{self.file}, line {lines[0]}" if lines else super().origin(problem)

    def _range(self) -> tuple[int, int]:
        most = SudokuPuzzle(self.size).grid.length - 1
        return read_range(self.clues or _CLUES[self.size], least=0, most=most, what="clues")

    @property
    def _is_blank(self) -> bool:
        return not self.file and self._range() == (0, 0)

    @property
    def _uniqueness(self) -> Uniqueness:
        return self.unique or ("any" if self.size == min(_CLUES) else "true")

    def _drawn(self, split: Split, tries: int) -> Iterator[Problem]:
        """Yield distinct boards of a split, one a drawn grid."""
        if self._is_blank:
            yield self._problem((BLANK,) * self.size**2)
            return
        low, high = self._range()
        rng = stream("sudoku", split, self.size, low, high, self._uniqueness)
        seen: set[Ids] = set()
        for _ in range(tries):
            for question in drawn_questions(self.size, low, high, self._uniqueness, rng):
                if question not in seen and split_of(self.puzzle, question) == split:
                    seen.add(question)
                    yield self._problem(question)
                    break

    def _problem(self, question: Ids) -> Problem:
        """Return a drawn board with one of its solutions, chosen by a hash, as gold."""
        name = self._name(question)
        solutions = self.puzzle.solutions(question, MOST_SOLUTIONS)
        gold = solutions[key("sudoku gold", name) % len(solutions)]
        level = solutions_level(len(solutions))
        return self.problem(name, question, gold, self._clues(question) if self._is_one else level)

    @property
    def _is_one(self) -> bool:
        """Whether each board has one solution, so that clues tell more of its difficulty."""
        return self._uniqueness == "true"

    def _of_file(self, board: Board) -> Problem:
        level = _rating_level(board.rating) or self._clues(board.question)
        return self.problem(self._name(board.question), board.question, board.answer, level)

    def _name(self, question: Ids) -> str:
        return f"sudoku/{board_text(self.size, question).replace(' ', '')}"

    def _clues(self, question: Ids) -> str:
        return f"{len(question) - question.count(BLANK)} clues"

    @cached_property
    def _boards(self) -> dict[Split, list[Board]]:
        """Puzzles of the file by split, in its order."""
        found: dict[Split, list[Board]] = {"shots": [], "selection": [], "test": []}
        for board in boards_in(Path(self.file), self.size, _MOST_IN_FILE):
            found[split_of(self.puzzle, board.question)].append(board)
        return found

    def _solved(self, boards: list[Board]) -> tuple[Board, ...]:
        """Return puzzles with solutions; those of a whole file are found and kept together."""
        if all(board.answer for board in boards):
            return tuple(boards)
        return tuple(self._solutions[board.question] for board in boards)

    @cached_property
    def _solutions(self) -> dict[Ids, Board]:
        """All puzzles of the file with their solutions, by question."""
        boards = [board for split in self._boards.values() for board in split]
        kept = cache_root() / "sudoku" / f"{self.fingerprint[:16]}-{self.size}.txt"
        solved = solved_boards(Path(self.file), boards, self.size, kept)
        return {board.question: board for board in solved}


def _rating_level(rating: str) -> str:
    """Return a rating by its number of digits, so that enough puzzles share a level.

    >>> _rating_level("0"), _rating_level("37"), _rating_level("")
    ('rating 0', 'rating 10 to 99', '')
    """
    if not (rating.isascii() and rating.isdigit()):
        return ""
    n = len(rating.lstrip("0"))
    return f"rating {10 ** (n - 1)} to {10**n - 1}" if n else "rating 0"
