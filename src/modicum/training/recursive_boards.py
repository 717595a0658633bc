"""Boards to learn from: drawn anew each update, each with one of its answers, under a drawn symmetry."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from modicum.errors import CheckpointError, ConfigError
from modicum.files.foreign import words_of
from modicum.marking.puzzle_task import MOST_SOLUTIONS
from modicum.nets.grid import BLANK, Ids
from modicum.puzzles.puzzle import Puzzle
from modicum.seeds import stream
from modicum.study.powers import task_powers
from modicum.task import TASKS, Task, resolve_task, task_parts
from modicum.task_names import split_task
from modicum.training.recursive import RecursiveRecipe

__all__ = [
    "Labelled",
    "checker_of",
    "drawing",
    "first_beta_of",
    "log_solutions",
    "puzzle_of",
    "stored_puzzle",
]


@dataclass(frozen=True)
class Labelled:
    """A question with the answers that are known to be right."""

    question: Ids
    answers: tuple[Ids, ...]
    """At least one."""


def puzzle_of(reference: str) -> Puzzle:
    """Return the puzzle of a task.

    Raises:
        ConfigError: no such task, or one without a puzzle.
    """
    puzzle = resolve_task(reference).puzzle
    if puzzle is None:
        raise ConfigError(
            f"task {reference!r}, which has no boards",
            "a task whose questions and answers stand as tokens",
            "such as sudoku, n_queens or graph_colouring",
        )
    return puzzle


def stored_puzzle(task: str, what: str, folder: Path, size: tuple[int, int]) -> Puzzle:
    """Return the puzzle of the task that a net's folder names; a stranger may have written it.

    Nothing that runs code, asks a server or reads a file is built: boards alone are.

    Args:
        task: Its reference.
        what: Kind of net, for the error.
        folder: Of the net.
        size: Positions and ids that the net has.

    Raises:
        CheckpointError: such a task, or none with a puzzle of that size.
    """
    _, reference = split_task(task)
    why = "which is none with a puzzle"
    try:
        kind, settings = task_parts(reference)
        found = None
        if task_powers(task):
            why = "which asks for more than boards"
        else:
            built = TASKS.build(kind, settings)
            found = built.puzzle if isinstance(built, Task) else None
    except (ConfigError, TypeError, ValueError) as error:
        found, why = None, words_of(error)
    grid = None if found is None else found.grid
    if grid is not None and (grid.length, grid.vocabulary) != size:
        found, why = None, f"which has {grid.length} positions, where the net has {size[0]}"
    if found is None:
        raise CheckpointError(
            f"the {what} net in {str(folder)!r:.200} for task {task!r:.80}: {why}",
            "a task of boards, such as sudoku",
            "give another folder",
        )
    return found


def drawing(
    puzzle: Puzzle, boards: Sequence[Labelled], batch: int, name: str
) -> Callable[[int], tuple[Tensor, Tensor]]:
    """Return what draws the boards of an update: questions and targets, `[batch, length]` each.

    A symmetric form of a board is right by the rules alone, so that it is no further label.

    Args:
        puzzle: Whose boards they are.
        boards: What is drawn from, evenly; at least one.
        batch: Boards an update.
        name: Names the random stream; the boards of an update depend on it and its number alone.
    """

    def draw(number: int) -> tuple[Tensor, Tensor]:
        rng = stream("boards", name, number)
        pairs = []
        for place in rng.integers(len(boards), size=batch).tolist():
            board = boards[place]
            answer = board.answers[int(rng.integers(len(board.answers)))]
            pairs.append(puzzle.transformed(board.question, answer, rng))
        questions, answers = zip(*pairs, strict=True)
        return torch.tensor(questions), torch.tensor(answers)

    return draw


def checker_of(puzzle: Puzzle) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the puzzle's exact checker for rows of ids."""

    def check(questions: Tensor, answers: Tensor) -> Tensor:
        pairs = zip(questions.tolist(), answers.tolist(), strict=True)
        return torch.tensor([puzzle.is_valid(asked, said) for asked, said in pairs])

    return check


def first_beta_of(boards: Sequence[Labelled]) -> float:
    """Return what the divergence's weight is multiplied by at first, for nets of these boards.

    Dear telling lets a net learn first what follows from the givens. Blank boards give nothing: a net
    would wait for nothing, so that the weight stays as it is.

    >>> first_beta_of([Labelled((0, 0), ((1, 2),))]), first_beta_of([Labelled((0, 2), ((1, 2),))])
    (1.0, 10.0)
    """
    is_blank = all(token == BLANK for board in boards for token in board.question)
    return 1.0 if is_blank else RecursiveRecipe.first_beta


def log_solutions(puzzle: Puzzle, boards: Sequence[Labelled]) -> float:
    """Return the mean log of the number of solutions of boards, in nats; of very many 512 are counted.

    For the record alone, beside the divergence of a posterior: nothing is learned from it.
    """
    sizes = [len(puzzle.solutions(board.question, MOST_SOLUTIONS)) for board in boards]
    return float(np.mean(np.log(sizes)))
