"""How a net does on boards that it did not learn from: one sample, a vote, and coverage."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modicum.marking.puzzle_task import MOST_SOLUTIONS
from modicum.nets.grid import Ids
from modicum.nets.halting import Halting
from modicum.plain import JsonValue, table_of
from modicum.puzzles.coverage import Coverage, coverage, n_found
from modicum.puzzles.puzzle import Puzzle
from modicum.stats import Figure, proportion
from modicum.training.board_learner import AnswersDrawn, BoardLearner
from modicum.training.recursive_boards import Labelled

__all__ = ["HeldOut", "held_out", "judged"]


@dataclass(frozen=True)
class HeldOut:
    """Figures on held-out boards, each a mean over boards in [0, 1]."""

    boards: int
    samples: int
    """Answers to each board: trajectories of a recursive net."""
    depth: int
    """Supervision steps of each trajectory; 0 of nets without."""
    one: Figure
    """Share of single samples that are valid."""
    vote: Figure
    """Share of boards on which the commonest answer is valid; of equally common ones the first."""
    reached: Figure
    """Share of boards on which any sample is valid: what an exact checker would pick."""
    coverage: Coverage
    """Share of the solutions that were found, with both ceilings, over boards whose solutions are listed."""
    greedy: Figure | None = None
    """Share of boards on which the likeliest tokens are valid; None of nets that have no such answer."""
    halting: Halting | None = None
    """When trajectories end that may end early, for none of the above did; None where nothing was chosen."""

    def plain(self) -> dict[str, JsonValue]:
        """Return it as plain values."""
        parts = {"everywhere": self.coverage.everywhere, "several": self.coverage.several}
        found = {name: table_of(part) if part.inputs else None for name, part in parts.items()}
        said = {**table_of(self), "coverage": found}
        return {name: one for name, one in said.items() if one is not None}


def held_out(
    learner: BoardLearner, puzzle: Puzzle, boards: Sequence[Labelled], samples: int = 20
) -> HeldOut:
    """Measure a net on boards; what it draws goes by the board, so that figures of equal nets are equal.

    Args:
        learner: The net, on its device.
        puzzle: Whose boards they are.
        boards: With all their solutions; at least one.
        samples: Answers to each, at least 1.
    """
    drawn = learner.answers(puzzle, [board.question for board in boards], samples)
    return judged(puzzle, boards, drawn, samples)


def judged(
    puzzle: Puzzle, boards: Sequence[Labelled], drawn: AnswersDrawn, samples: int
) -> HeldOut:
    """Return the figures of drawn answers.

    Args:
        puzzle: Whose boards they are.
        boards: With all their solutions; at least one.
        drawn: Of each board at most `samples`: fewer where all others would be the same.
        samples: Answers that they stand for, at least 1.
    """
    pairs = list(zip(boards, drawn.samples, strict=True))
    read = [_read(puzzle, board, one) for board, one in pairs]
    one, vote, reached = (np.array(part, dtype=np.float64) for part in zip(*read, strict=True))
    greedy = None
    if drawn.greedy is not None:
        asked = zip(boards, drawn.greedy, strict=True)
        valid = [puzzle.is_valid(board.question, said) for board, said in asked]
        greedy = proportion(np.array(valid, dtype=np.float64))
    # of boards with more solutions than are listed no share can be said
    listed = [pair for pair in pairs if len(pair[0].answers) < MOST_SOLUTIONS]
    found = [_found(puzzle, board, answers) for board, answers in listed]
    solutions = [len(_texts(puzzle, board.question, board.answers)) for board, _ in listed]
    return HeldOut(
        boards=len(boards),
        samples=samples,
        depth=drawn.depth,
        one=proportion(one),
        vote=proportion(vote),
        reached=proportion(reached),
        coverage=coverage(found, solutions, samples),
        greedy=greedy,
    )


def _read(
    puzzle: Puzzle, board: Labelled, drawn: Sequence[Sequence[int]]
) -> tuple[float, float, float]:
    """Return the share of valid answers, whether the vote is valid, and whether any is."""
    valid = [puzzle.is_valid(board.question, answer) for answer in drawn]
    texts = [puzzle.decode(board.question, answer) for answer in drawn]
    commonest = Counter(texts).most_common(1)[0][0]
    return sum(valid) / len(valid), float(valid[texts.index(commonest)]), float(any(valid))


def _found(puzzle: Puzzle, board: Labelled, drawn: Sequence[Sequence[int]]) -> int:
    texts = [puzzle.decode(board.question, answer) for answer in drawn]
    return n_found(texts, _texts(puzzle, board.question, board.answers))


def _texts(puzzle: Puzzle, question: Ids, answers: Sequence[Ids]) -> set[str]:
    return {puzzle.decode(question, answer) for answer in answers}
