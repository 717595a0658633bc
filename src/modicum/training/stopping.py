"""Chooses by how much an energy has to fall for a net to think on, losing next to nothing by it."""

from collections.abc import Sequence

import numpy as np
import torch

from modicum.ledger import Ledger
from modicum.nets.energy import EnergyNet
from modicum.nets.energy_thinking import BoardThinking, think
from modicum.nets.grid import Ids
from modicum.nets.stopping import Stopping
from modicum.puzzles.puzzle import Puzzle
from modicum.training.traced_answers import TracedAnswers

__all__ = ["choose_stopping", "ended"]

_SHARES = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0)
"""Tolerances that are tried, as shares of the mean fall over all steps; the first stops soonest."""
_LOST = 0.005
"""What may be lost at most: half a point."""
_ROUNDING = 1e-9


def choose_stopping(
    net: EnergyNet, puzzle: Puzzle, questions: Sequence[Ids], steps: int, ledger: Ledger
) -> Stopping:
    """Return the largest tolerance that loses at most half a point of valid boards.

    Candidates are held against themselves with all steps: where one would have ended follows from its
    energies. Where every tolerance loses more, it is 0, with what that loses.

    Args:
        net: On its device, with energies.
        puzzle: Whose checker says what is valid.
        questions: That nothing was learned from; at least one.
        steps: Of a candidate at most.
        ledger: Counts the thinking.
    """
    names = [" ".join(map(str, question)) for question in questions]
    how = BoardThinking(steps, stream="stopping", is_traced=True)
    found = think(net, torch.tensor(questions, device=net.device), names, how)
    n, grid = len(questions), puzzle.grid
    per_board = grid.length * (steps * net.shape.step_flops + net.shape.pass_flops)
    ledger.ran(sampled=n * grid.n_answered, flops_per_token=per_board / grid.n_answered)
    if found.traced is None or found.traced_energies is None:
        raise AssertionError("traced thinking keeps what it traced")
    traced = found.traced.cpu().numpy()
    valid, answers = TracedAnswers.read(puzzle, questions, traced).valid[:, 0], traced[:, 0]
    energies = found.traced_energies[:, 0].double().cpu().numpy()
    full = float(valid[:, -1].mean())
    fall = max(0.0, float((energies[:, 0] - energies[:, -1]).mean()))
    for share in _SHARES:
        tolerance = share * fall
        last = ended(energies, answers, tolerance)
        kept = float(np.take_along_axis(valid, last[:, None] - 1, 1).mean())
        if kept >= full - _LOST - _ROUNDING or share == _SHARES[-1]:
            break
    return Stopping(tolerance, steps, n, kept, full, float(last.mean()))


def ended(energies: np.ndarray, answers: np.ndarray, tolerance: float) -> np.ndarray:
    """Return after how many steps candidates end, which is the evaluations of the energy that each takes.

    Args:
        energies: Before the first step and after each, `[candidates, steps + 1]`.
        answers: After each step, `[candidates, steps, length]`.
        tolerance: A candidate ends where a step changes no id of its answer and the one before lowered the
            energy by no more than this.

    >>> energies = np.array([[9.0, 3.0, 3.0, 1.0], [9.0, 4.0, 3.9, 3.8]])
    >>> answers = np.array([[[1], [2], [2]], [[1], [1], [1]]])
    >>> ended(energies, answers, 0.5), ended(energies, answers, 8.0)
    (array([3, 3]), array([3, 2]))
    """
    steps = answers.shape[1]
    gained = energies[:, :-1] - energies[:, 1:]
    is_still = (answers[:, 1:] == answers[:, :-1]).all(-1)
    is_over = is_still & (gained[:, : steps - 1] <= tolerance)
    found: np.ndarray = np.where(is_over.any(1), is_over.argmax(1) + 2, steps)
    return found
