"""Chooses how sure a net must be to end a trajectory, so that ending it loses next to nothing."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from modicum.ledger import Ledger
from modicum.nets.grid import Ids
from modicum.nets.halting import Halting
from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_rollouts import Rolling, roll, varies
from modicum.puzzles.puzzle import Puzzle
from modicum.training.traced_answers import TracedAnswers

__all__ = ["SURE", "choose_halting"]

SURE = (0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998)
"""Thresholds that are tried, from the one that ends trajectories earliest."""
_LOST_ONE, _LOST_VOTE = 0.005, 0.01
"""What may be lost at most: half a point of single samples, one of votes."""
_ROUNDING = 1e-9


def choose_halting(
    net: RecursiveNet,
    puzzle: Puzzle,
    asked: tuple[Sequence[Ids], Sequence[str]],
    how: Rolling,
    ledger: Ledger,
) -> Halting:
    """Return the lowest threshold that loses at most half a point of single samples and one of votes.

    Both are held against running to the end, by the same trajectories: these are rolled out once, for
    where one would have ended follows from what the head said after each step. Where every threshold
    loses more, the net never halts: 1.

    Args:
        net: On its device.
        puzzle: Whose checker says what is valid.
        asked: Questions that nothing was learned from, and what names the noise of each; at least one.
        how: How deep and how wide answers will be.
        ledger: Counts the rollouts.
    """
    questions, names = asked
    how = replace(how, width=how.width if varies(net, how) else 1, halts=False, is_traced=True)
    boards = torch.tensor(questions, device=net.head.device)
    found = roll(net, boards, names, how)
    if found.traced is None or found.traced_halt is None:
        raise AssertionError("a traced rollout keeps what it traced")
    steps, grid = int(found.steps.sum()), puzzle.grid
    ran = len(questions) * how.width * grid.n_answered
    ledger.ran(sampled=ran, flops_per_token=steps * net.shape.step_flops * grid.length / ran)
    said = TracedAnswers.read(puzzle, questions, found.traced.cpu().numpy())
    probability = found.traced_halt.sigmoid().cpu()
    full = said.ended(np.full(probability.shape[:2], how.depth - 1))
    for sure in SURE:
        ends = (probability > sure).numpy()
        ends[..., -1] = True
        last = ends.argmax(-1)
        one, vote = said.ended(last)
        least = full[0] - _LOST_ONE - _ROUNDING, full[1] - _LOST_VOTE - _ROUNDING
        if one >= least[0] and vote >= least[1]:
            mean = float(last.mean()) + 1
            return _halting(sure, how, len(questions), ((one, vote), full), mean)
    return _halting(1.0, how, len(questions), (full, full), float(how.depth))


def _halting(
    sure: float,
    how: Rolling,
    boards: int,
    valid: tuple[tuple[float, float], tuple[float, float]],
    steps: float,
) -> Halting:
    """Return the choice, with single samples and votes that are valid by it and at full depth."""
    (one, vote), (one_full, vote_full) = valid
    return Halting(sure, how.depth, boards, how.width, one, one_full, vote, vote_full, steps)
