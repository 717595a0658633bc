"""One board as one trajectory fills it in, a still a depth."""

from collections.abc import Mapping

from modicum.analysis.board_strip import BoardStrip, cells_of, stills_of
from modicum.analysis.section import Value
from modicum.analysis.section_part import SectionPart
from modicum.nets.grid import BLANK
from modicum.puzzles.puzzle import Puzzle
from modicum.puzzles.sudoku import SudokuPuzzle
from modicum.puzzles.sudoku_solver import BOXES
from modicum.task import Task
from modicum.types import Problem

__all__ = ["filled_in"]


def filled_in(task: Task, problem: Problem, answers: Mapping[int, str]) -> SectionPart:
    """Return the stills of one board; empty where no answer is a whole board.

    Args:
        task: Whose board it is.
        problem: The board, with its gold.
        answers: What one trajectory says at each depth.
    """
    puzzle = task.puzzle
    if puzzle is None:
        return SectionPart()
    n = puzzle.grid.n_answered
    found = [(f"depth {depth}", cells_of(text, n)) for depth, text in sorted(answers.items())]
    known = [cells_of(text, n) for text in task.right_answers(problem)]
    solutions = [cells for cells in known if cells is not None]
    drawn = [(title, cells) for title, cells in found if cells is not None]
    if not (drawn and solutions):
        return SectionPart()
    stills = stills_of(drawn, _given(puzzle, problem), solutions)
    counted = ", ".join(f"{still.wrong} at {still.title}" for still in stills)
    values: dict[str, Value] = {
        f"wrong cells at {still.title}": float(still.wrong) for still in stills
    }
    strip = BoardStrip(
        f"Board {problem.id} as one trajectory fills it in. A cell is wrong where it must change to "
        "reach the nearest solution.",
        puzzle.grid.rows or n,
        stills,
        BOXES[puzzle.size] if isinstance(puzzle, SudokuPuzzle) else (0, 0),
    )
    said = f"One trajectory fills in board {problem.id}, with this many wrong cells: {counted}."
    return SectionPart((said,), strips=(strip,), values=values)


def _given(puzzle: Puzzle, problem: Problem) -> tuple[bool, ...]:
    """Return which answered positions the question gives."""
    ids = zip(puzzle.given(problem.answer), puzzle.grid.answered, strict=True)
    return tuple(one != BLANK for one, counts in ids if counts)
