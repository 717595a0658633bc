"""How a recursive net does on boards that it did not learn from: one sample, a vote, and coverage."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from modicum.nets.grid import Ids
from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_rollouts import Rolling, roll, varies
from modicum.plain import JsonValue, table_of
from modicum.puzzles.coverage import Coverage, coverage, n_found
from modicum.puzzles.puzzle import Puzzle
from modicum.stats import Figure, proportion
from modicum.training.recursive_boards import Labelled

__all__ = ["HeldOut", "held_out", "judged"]


@dataclass(frozen=True)
class HeldOut:
    """Figures on held-out boards, each a mean over boards in [0, 1]."""

    boards: int
    samples: int
    """Trajectories of each board."""
    depth: int
    """Supervision steps of each trajectory."""
    one: Figure
    """Share of single samples that are valid."""
    vote: Figure
    """Share of boards on which the commonest answer is valid; of equally common ones the first."""
    reached: Figure
    """Share of boards on which any sample is valid: what an exact checker would pick."""
    coverage: Coverage
    """Share of the solutions that were found, with both ceilings."""

    def plain(self) -> dict[str, JsonValue]:
        """Return it as plain values."""
        several = self.coverage.several.inputs > 0
        found = table_of(self.coverage)
        return {**table_of(self), "coverage": found if several else {**found, "several": None}}


def held_out(
    net: RecursiveNet, puzzle: Puzzle, boards: Sequence[Labelled], samples: int = 20
) -> HeldOut:
    """Measure a net on boards; their noise goes by the board, so that figures of equal nets are equal.

    Args:
        net: On its device.
        puzzle: Whose boards they are.
        boards: With all their solutions; at least one.
        samples: Trajectories of each, at least 1.
    """
    depth = net.shape.n_steps
    questions = torch.tensor([board.question for board in boards], device=net.head.device)
    addresses = [" ".join(map(str, board.question)) for board in boards]
    rolling = Rolling(depth, stream="held out")
    rolling = replace(rolling, width=samples if varies(net, rolling) else 1)
    answers = roll(net, questions, addresses, rolling).answers.tolist()
    return judged(puzzle, boards, answers, samples, depth)


def judged(
    puzzle: Puzzle,
    boards: Sequence[Labelled],
    answers: Sequence[Sequence[Ids]],
    samples: int,
    depth: int,
) -> HeldOut:
    """Return the figures of drawn answers.

    Args:
        puzzle: Whose boards they are.
        boards: With all their solutions; at least one.
        answers: Of each board, at most `samples`: fewer where all others would be the same.
        samples: Trajectories that they stand for, at least 1.
        depth: Supervision steps of each.
    """
    read = [_read(puzzle, board, one) for board, one in zip(boards, answers, strict=True)]
    one, vote, reached = (np.array(part, dtype=np.float64) for part in zip(*read, strict=True))
    found = [_found(puzzle, board, drawn) for board, drawn in zip(boards, answers, strict=True)]
    solutions = [len(_texts(puzzle, board.question, board.answers)) for board in boards]
    return HeldOut(
        boards=len(boards),
        samples=samples,
        depth=depth,
        one=proportion(one),
        vote=proportion(vote),
        reached=proportion(reached),
        coverage=coverage(found, solutions, samples),
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
