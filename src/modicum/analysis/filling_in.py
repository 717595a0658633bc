"""One board as one trajectory fills it in, a still a depth; made from texts, without the task's rules."""

from collections.abc import Mapping, Sequence

from modicum.analysis.board_strip import BoardStrip, cells_of, stills_of
from modicum.analysis.section import Value
from modicum.analysis.section_part import SectionPart
from modicum.puzzles.reading import EQUALS
from modicum.puzzles.sudoku_solver import BOXES
from modicum.types import Problem

__all__ = ["filled_in"]

_BLANK = "."


def filled_in(
    problem: Problem,
    solutions: Sequence[str],
    answers: Mapping[int, str],
    words: tuple[str, str] = ("depth", "trajectory"),
) -> SectionPart:
    """Return the stills of one board; empty where no answer is a whole board.

    Args:
        problem: The board, with its gold: what is given, `=` and a whole answer.
        solutions: Its right answers as they are read.
        answers: What one trajectory says at each depth.
        words: What a depth is called, and what goes through them.
    """
    n, across = _size(solutions[0]) if solutions else (0, 0)
    known = [cells for text in solutions if (cells := cells_of(text, n)) is not None]
    drawn = [
        (f"{words[0]} {depth}", cells)
        for depth, text in sorted(answers.items())
        if (cells := cells_of(text, n)) is not None
    ]
    if not (drawn and known):
        return SectionPart()
    question = cells_of(problem.answer.rpartition(EQUALS)[0], n)
    given = [cell != _BLANK for cell in question] if question is not None else [False] * n
    stills = stills_of(drawn, given, known)
    counted = ", ".join(f"{still.wrong} at {still.title}" for still in stills)
    values: dict[str, Value] = {
        f"wrong cells at {still.title}": float(still.wrong) for still in stills
    }
    # a square board of one of these sizes is a Sudoku, whose boxes are to be seen
    box = BOXES.get(across, (0, 0)) if n == across**2 else (0, 0)
    strip = BoardStrip(
        f"Board {problem.id} as one {words[1]} fills it in. A cell is wrong where it must change to "
        "reach the nearest solution.",
        across,
        stills,
        box,
    )
    said = f"One {words[1]} fills in board {problem.id}, with this many wrong cells: {counted}."
    return SectionPart((said,), strips=(strip,), values=values)


def _size(text: str) -> tuple[int, int]:
    """Return how many cells a whole answer has, and how many a row: words are rows where they are square.

    >>> _size("12 21"), _size("2 4 1 3"), _size("10 2 1")
    ((4, 2), (4, 4), (3, 3))
    """
    words = text.split()
    wide = len(words[0]) if words else 0
    if wide > 1 and {len(word) for word in words} == {wide} and len(words) == wide:
        return wide**2, wide
    return len(words), max(1, len(words))
