"""Sudoku puzzles from a file: 81 characters a line, or the columns of Sudoku-Extreme."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from modicum.errors import ConfigError
from modicum.nets.grid import BLANK, Ids
from modicum.puzzles.sudoku import SudokuPuzzle
from modicum.puzzles.sudoku_solver import solutions_of

__all__ = ["COLUMNS", "Board", "boards_in", "solved_boards"]

COLUMNS = ("source", "question", "answer", "rating")
"""Head of a file with solutions, as Sudoku-Extreme has it."""


@dataclass(frozen=True)
class Board:
    """One puzzle of a file."""

    question: Ids
    answer: Ids = ()
    """Its solution; empty where the file has none."""
    rating: str = ""
    """How hard it is, as the file says."""
    line: int = 0
    """Where it stands, from 1."""


def boards_in(path: Path, size: int, most: int) -> tuple[Board, ...]:
    """Return the puzzles of a file, each question once, the first `most` of them.

    Args:
        path: Text with a puzzle a line, 0 or a dot for an empty cell; or CSV with the head `COLUMNS`.
        size: 4, 6 or 9.
        most: At least 1.

    Raises:
        ConfigError: no such file, not UTF-8, a line that is no puzzle, or an answer that is none.
    """
    found: dict[Ids, Board] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for board in _boards(path, file, size):
                found.setdefault(board.question, board)
                if len(found) == most:
                    break
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(
            f"{path}: {error}", "a readable file of puzzles in UTF-8", "name a file that is there"
        ) from error
    if not found:
        raise ConfigError(f"no puzzle in {path}", "a puzzle a line", "choose another file")
    return tuple(found.values())


def _boards(path: Path, file: Iterable[str], size: int) -> Iterator[Board]:
    """Yield the puzzles of an open file."""
    lines = iter(file)
    head = next(lines, "").strip()
    if head.split(",") == list(COLUMNS):
        for row in (reader := csv.reader(lines)):
            if len(row) != len(COLUMNS):
                raise _refused(path, reader.line_num + 1, f"{len(row)} columns", "4 columns")
            yield _board(path, reader.line_num + 1, row[1:], size)
        return
    for number, line in enumerate(chain([head], lines), start=1):
        if line.strip():
            yield _board(path, number, (line.strip(), "", ""), size)


def _board(path: Path, line: int, cells: Sequence[str], size: int) -> Board:
    """Return a puzzle from its question, answer and rating; an answer must be right."""
    question, rating = _ids(path, line, cells[0], size), cells[2].strip()
    answer = _ids(path, line, cells[1], size) if cells[1].strip() else ()
    if answer and not SudokuPuzzle(size).is_valid(question, answer):
        raise _refused(path, line, "an answer that breaks a rule or a given", "a solution")
    return Board(question, answer, rating, line)


def _ids(path: Path, line: int, text: str, size: int) -> Ids:
    known = {".": BLANK, **{str(digit): digit for digit in range(size + 1)}}
    cells = text.strip()
    if cells[size**2 :].lstrip()[:2] in (
        "--",
        "#",
    ):  # a remark behind the puzzle, as in public lists
        cells = cells[: size**2]
    if len(cells) != size**2 or not known.keys() >= set(cells):
        raise _refused(
            path,
            line,
            f"{cells[:100]!r}",
            f"{size**2} characters: 1 to {size}, and 0 or . if empty",
        )
    return tuple(known[cell] for cell in cells)


def _refused(path: Path, line: int, found: str, expected: str) -> ConfigError:
    return ConfigError(f"{path}, line {line}: {found}", expected, "correct the line, or drop it")


def solved_boards(path: Path, boards: Sequence[Board], size: int, kept: Path) -> tuple[Board, ...]:
    """Return puzzles with their solutions; what our solver finds is kept, so that it is asked once.

    What was kept is checked before it is believed.

    Args:
        path: Their file, for messages.
        boards: As `boards_in` gave them.
        size: 4, 6 or 9.
        kept: File of solutions, a line each; its name says which puzzles.

    Raises:
        ConfigError: a puzzle without solution.
    """
    open_ones = [board for board in boards if not board.answer]
    known = _read_kept(open_ones, size, kept)
    if open_ones and not known:
        known = [_solution(path, board, size) for board in open_ones]
        text = "".join("".join(map(str, ids)) + "\n" for ids in known)
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_name(f"{kept.name}.{id(known)}.partial")
        partial.write_text(text, encoding="ascii")
        partial.replace(kept)
    answers = iter(known)
    return tuple(
        board if board.answer else Board(board.question, next(answers), board.rating, board.line)
        for board in boards
    )


def _read_kept(boards: Sequence[Board], size: int, kept: Path) -> list[Ids]:
    """Return kept solutions; none where there are none, or one is not right."""
    try:
        lines = kept.read_text(encoding="ascii").split()
        known = [tuple(map(int, line)) for line in lines]
    except (OSError, ValueError):
        return []
    puzzle = SudokuPuzzle(size)
    pairs = zip(boards, known, strict=False)
    is_right = len(known) == len(boards) and all(puzzle.is_valid(b.question, a) for b, a in pairs)
    return known if is_right else []


def _solution(path: Path, board: Board, size: int) -> Ids:
    found = solutions_of(size, board.question, 1)
    if not found:
        raise _refused(path, board.line, "a puzzle without solution", "at least one solution")
    return found[0]
