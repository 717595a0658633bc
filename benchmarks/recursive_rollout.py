"""Folded, halting, compacted rollouts beside a naive loop over trajectories, at equal validity."""

import sys
import time
from collections import Counter
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks import Figure, Report
from modicum.ledger import Ledger
from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_rollouts import Rolling, roll
from modicum.nets.recursive_shape import miniature
from modicum.puzzles.sudoku import SudokuPuzzle, all_grids
from modicum.seeds import stream
from modicum.training.halting import choose_halting
from modicum.training.judging import Judging, learn_to_judge
from modicum.training.prior_looks import Boards
from modicum.training.recursive import RecursiveRecipe, train_recursive

__all__ = ["compare_rollouts"]

WIDTH, DEPTH, CELLS = 20, 16, 16
GOAL, POINT = 3.0, 0.01


class Boards4:
    """Boards of 4 x 4 with 3 to 6 givens: 4,800 to learn from, 600 to choose on, 600 to measure on."""

    def __init__(self) -> None:
        """Draw the boards; the grids that fit each are its solutions."""
        rng = stream("bench", "boards")
        self.grids = np.array(all_grids())
        self.grids = self.grids + 1 - self.grids.min()
        found: dict[bytes, np.ndarray] = {}
        while len(found) < 6000:
            question = np.zeros(CELLS, np.int64)
            given = rng.permutation(CELLS)[: rng.integers(3, 7)]
            question[given] = self.grids[rng.integers(len(self.grids))][given]
            found.setdefault(question.tobytes(), question)
        self.questions = np.array(list(found.values()))
        self.codes = np.sort(self.grids @ 5 ** np.arange(CELLS))

    @cached_property
    def pairs(self) -> np.ndarray:
        """Questions to learn from with each of their solutions: `[pairs, 2]`, numbers of both."""
        asked = self.questions[:4800, None]
        return np.argwhere(((asked == 0) | (asked == self.grids)).all(2))

    def right(self, questions: Tensor, answers: Tensor) -> Tensor:
        """Say of each row whether it is a solution."""
        asked, said = questions.numpy(), answers.numpy()
        code = said @ 5 ** np.arange(CELLS)
        near = np.searchsorted(self.codes, code).clip(0, len(self.codes) - 1)
        return torch.from_numpy(
            (self.codes[near] == code) & ((asked == 0) | (asked == said)).all(1)
        )

    def draw(self, batch: int, number: int) -> tuple[Tensor, Tensor]:
        """Return questions and one solution of each."""
        rng = stream("bench", "batch", number)
        chosen = self.pairs[rng.integers(len(self.pairs), size=batch)]
        return (
            torch.from_numpy(self.questions[chosen[:, 0]]),
            torch.from_numpy(self.grids[chosen[:, 1]].astype(np.int64)),
        )


def compare_rollouts(path: Path, report: Report, *, quick: bool) -> None:
    """Choose the threshold on validation boards, then time both sides on test boards."""
    boards = Boards4()
    net = trained(path, boards, quick=quick)
    n = 40 if quick else 100
    chosen, told = threshold(net, boards, 100 if quick else 200)
    report.figures.append(
        Figure.of_value("rollout: threshold of halting", chosen, goal=None, note=told)
    )
    asked = torch.from_numpy(boards.questions[5400 : 5400 + n])
    names = [str(number) for number in range(n)]
    how = Rolling(DEPTH, WIDTH)
    if chosen < 1:
        how = replace(how, halts=True, sure=chosen)
    speeds: tuple[list[float], list[float]] = [], []
    singles: tuple[list[float], list[float]] = [], []
    votes: tuple[list[float], list[float]] = [], []
    steps = 0.0
    for number in range(1 if quick else 3):
        start = time.process_time()
        rolled = roll(net, asked, names, replace(how, stream=f"ours-{number}"))
        speeds[0].append(1 / (time.process_time() - start))
        steps = float(rolled.steps.double().mean())
        start = time.process_time()
        looped = one_by_one(net, asked, names, number)
        speeds[1].append(1 / (time.process_time() - start))
        for side, answers in enumerate((rolled.answers, looped)):
            single, vote = validity(boards, asked, answers)
            singles[side].append(single)
            votes[side].append(vote)
    note = f"{n} boards; {steps:.2f} steps a trajectory; processor seconds"
    name = f"rollout {WIDTH} x {DEPTH}: halting, compacted over a loop"
    report.figures.append(Figure.of_rounds(name, *speeds, goal=GOAL, note=note))
    for what, (ours, theirs) in (("a single sample", singles), ("the vote", votes)):
        lost = round(float(np.mean(theirs) - np.mean(ours)), 4)
        said = f"{np.mean(ours):.4f} and {np.mean(theirs):.4f}"
        name = f"rollout: difference of {what}'s validity"
        report.figures.append(Figure.of_value(name, lost, goal=POINT, note=said))


def one_by_one(net: RecursiveNet, asked: Tensor, names: list[str], number: int) -> Tensor:
    """Return answers `[boards, trajectories, cells]` of a loop over trajectories, all boards in each."""
    plain = Rolling(DEPTH, rows=len(asked))
    looped = [
        roll(net, asked, names, replace(plain, stream=f"theirs-{number}-{trajectory}")).answers
        for trajectory in range(WIDTH)
    ]
    return torch.cat(looped, 1)


def validity(boards: Boards4, asked: Tensor, answers: Tensor) -> tuple[float, float]:
    """Return the share of valid answers, and of valid votes."""
    n, width, _ = answers.shape
    right = boards.right(asked.repeat_interleave(width, 0), answers.flatten(0, 1)).view(n, width)
    votes = []
    for i in range(n):
        said = [tuple(row) for row in answers[i].tolist()]
        votes.append(bool(right[i, said.index(Counter(said).most_common(1)[0][0])]))
    return float(right.double().mean()), float(np.mean(votes))


def threshold(net: RecursiveNet, boards: Boards4, n: int) -> tuple[float, str]:
    """Return the lowest threshold that loses next to nothing on validation boards, and what it loses."""
    asked = boards.questions[4800 : 4800 + n].tolist()
    names = [f"validation-{number}" for number in range(n)]
    questions = [tuple(question) for question in asked]
    rolling = Rolling(DEPTH, WIDTH)
    found = choose_halting(net, SudokuPuzzle(4), (questions, names), rolling, Ledger())
    said = f"{found.sure:g}: {found.one:.3f}, {found.vote:.3f}, {found.steps:.1f} steps"
    full = f"{found.one_at_full_depth:.3f} and {found.vote_at_full_depth:.3f} to the end"
    return found.sure, f"{n} validation boards, {full}; {said}"


def trained(path: Path, boards: Boards4, *, quick: bool) -> RecursiveNet:
    """Return the net, from its file where there is one."""
    shape = miniature("gram", CELLS, 5)
    net = RecursiveNet(shape, stream("bench", "net"))
    if path.exists():
        net.load_state_dict(torch.load(path, weights_only=True))
        return net.requires_grad_(False)
    recipe = RecursiveRecipe(steps=300 if quick else 2800)
    drawn = Boards(lambda number: boards.draw(recipe.batch, number), boards.right)
    start = time.process_time()
    net = train_recursive(net, drawn, recipe, "bench", Ledger()).net
    middle = time.process_time()
    judging = Judging(rounds=5) if quick else Judging()
    deeper = Boards(lambda number: boards.draw(judging.trajectories, number), boards.right)
    learn_to_judge(net, deeper, judging, "bench", Ledger())
    spent = middle - start, time.process_time() - middle
    print(f"trained in {spent[0]:.0f} + {spent[1]:.0f} processor seconds", file=sys.stderr)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(net.state_dict(), path)
    return net
