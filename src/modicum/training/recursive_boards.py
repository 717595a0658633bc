"""Boards to learn from: drawn anew each update, each with one of its answers, under a drawn symmetry."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from modicum.errors import ConfigError
from modicum.marking.puzzle_task import MOST_SOLUTIONS
from modicum.nets.grid import Ids
from modicum.puzzles.puzzle import Puzzle
from modicum.seeds import stream
from modicum.task import resolve_task

__all__ = ["Labelled", "checker_of", "drawing", "log_solutions", "puzzle_of"]


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


def log_solutions(puzzle: Puzzle, boards: Sequence[Labelled]) -> float:
    """Return the mean log of the number of solutions of boards, in nats; of very many 512 are counted.

    For the record alone, beside the divergence of a posterior: nothing is learned from it.
    """
    sizes = [len(puzzle.solutions(board.question, MOST_SOLUTIONS)) for board in boards]
    return float(np.mean(np.log(sizes)))
