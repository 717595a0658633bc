"""Puzzles from files."""

from pathlib import Path

import pytest

from modicum.errors import ConfigError
from modicum.puzzles.sudoku import SudokuPuzzle
from modicum.puzzles.sudoku_files import boards_in, solved_boards
from modicum.tasks.sudoku import Sudoku

ONE = "1..............."
SOLVED = "1234341221434321"


def _written(folder: Path, text: str, name: str = "boards.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_lines_are_read_once_each_with_dots_or_zeros_and_remarks(tmp_path) -> None:
    path = _written(tmp_path, f"{ONE}\n{ONE.replace('.', '0')}\n\n12..............-- hard\n")
    found = boards_in(path, 4, 10)
    assert [(b.question[:3], b.line) for b in found] == [((1, 0, 0), 1), ((1, 2, 0), 4)]


def test_the_columns_of_sudoku_extreme_are_read(tmp_path) -> None:
    text = f"source,question,answer,rating\nkaggle,{ONE},{SOLVED},12\n"
    (board,) = boards_in(_written(tmp_path, text), 4, 10)
    assert (board.rating, board.line) == ("12", 2)
    assert SudokuPuzzle(4).is_valid(board.question, board.answer)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "no puzzle"),
        ("12345", "line 1"),
        (ONE + "\n" + ONE.replace("1", "9"), "line 2"),
        (f"source,question,answer,rating\na,{ONE},{SOLVED[:-1]}2,0\n", "breaks a rule"),
        (f"source,question,answer,rating\na,{ONE},{SOLVED}\n", "3 columns"),
    ],
)
def test_what_is_no_puzzle_is_refused_with_its_line(tmp_path, text: str, found: str) -> None:
    with pytest.raises(ConfigError, match=found):
        boards_in(_written(tmp_path, text), 4, 10)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\xff"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path, content: bytes | None) -> None:
    path = tmp_path / "boards.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match="readable file"):
        boards_in(path, 4, 10)


def test_solutions_are_kept_and_taken_from_there(tmp_path, monkeypatch) -> None:
    path, kept = _written(tmp_path, ONE), tmp_path / "cache" / "kept.txt"
    boards = boards_in(path, 4, 10)
    first = solved_boards(path, boards, 4, kept)
    monkeypatch.setattr("modicum.puzzles.sudoku_files.solutions_of", None)
    assert solved_boards(path, boards, 4, kept) == first
    assert SudokuPuzzle(4).is_valid(first[0].question, first[0].answer)


@pytest.mark.parametrize("spoilt", ["", "x", "1" * 16, SOLVED.replace("1", "2"), "é"])
def test_kept_solutions_that_are_wrong_are_found_again(tmp_path, spoilt: str) -> None:
    path, kept = _written(tmp_path, ONE), _written(tmp_path, spoilt, "kept.txt")
    (board,) = solved_boards(path, boards_in(path, 4, 10), 4, kept)
    assert SudokuPuzzle(4).is_valid(board.question, board.answer)


def test_a_puzzle_without_solution_is_refused_with_its_line(tmp_path) -> None:
    path = _written(tmp_path, f"{ONE}\n11..............\n")
    with pytest.raises(ConfigError, match="line 2: a puzzle without solution"):
        solved_boards(path, boards_in(path, 4, 10), 4, tmp_path / "kept.txt")


def test_the_task_of_a_file_holds_each_puzzle_in_one_split(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MODICUM_CACHE", str(tmp_path / "cache"))
    lines = [f"{'.' * i}1{'.' * (15 - i)}" for i in range(4)] + [f"1234{'.' * 12}", f"12{'.' * 14}"]
    task = Sudoku(file=str(_written(tmp_path, "\n".join(lines))))
    sizes = task.sheet.available
    assert sum(sizes.values()) == len(lines)
    found = [
        p for split in ("shots", "selection", "test") for p in task.problems(split, sizes[split])
    ]
    assert len({p.id for p in found}) == len(lines)
    assert {task.origin(p) for p in found} == {f"{task.file}, line {i}" for i in range(1, 7)}
    with pytest.raises(ConfigError, match="distinct"):
        task.problems("test", sizes["test"] + 1)


def test_a_file_beside_clues_is_refused(tmp_path) -> None:
    with pytest.raises(ConfigError, match="beside clues"):
        Sudoku(file=str(_written(tmp_path, ONE)), clues="3..4").check()
