"""Nets that `benchmarks.gram` compares: trained once, kept in a folder, asked with or without noise."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from modicum.ledger import Ledger
from modicum.nets.autoregressive_folder import (
    AUTOREGRESSIVE_CONFIG,
    read_autoregressive_card,
    read_autoregressive_net,
)
from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_folder import CONFIG, read_recursive_card, read_recursive_net
from modicum.nets.recursive_rollouts import Rolling, roll, varies
from modicum.puzzles.puzzle import Puzzle
from modicum.training.autoregressive_learner import AutoregressiveLearner, AutoregressivePretraining
from modicum.training.board_learner import AnswersDrawn
from modicum.training.held_out_boards import HeldOut, judged
from modicum.training.pretraining import Pretraining, pretrain
from modicum.training.recursive_boards import Labelled, puzzle_of
from modicum.training.recursive_learner import RecursivePretraining

__all__ = ["AUTOREGRESSIVE", "Net", "Recipe", "Writer", "answers_of", "at_depth", "cells", "writer"]

AUTOREGRESSIVE = "autoregressive"


@dataclass(frozen=True)
class Recipe:
    """What nets learn, how long, and where they are kept."""

    name: str
    """Of the task, in the folders' names."""
    task: str
    steps: int
    nets: Path

    def trained(self, preset: str, seed: int) -> tuple[Path, float]:
        """Train a net unless it lies there; return its folder and the processor time that it took."""
        out = self.nets / f"{self.name}-{preset}-{seed}"
        plan: Pretraining = RecursivePretraining(
            self.task, preset=preset, steps=self.steps, seed=str(seed)
        )
        if preset == AUTOREGRESSIVE:
            plan = AutoregressivePretraining(self.task, steps=self.steps, seed=str(seed))
        took = out / "seconds.txt"
        if not any((out / name).exists() for name in (CONFIG, AUTOREGRESSIVE_CONFIG)):
            begun = time.process_time()
            before = float(took.read_text()) if took.exists() else 0.0
            out.mkdir(parents=True, exist_ok=True)

            def watch(_: Ledger) -> None:
                took.write_text(str(before + time.process_time() - begun))

            pretrain(plan, out, "cpu", watch, measured=20)
        return out, float(took.read_text())

    def recursive(self, preset: str, seed: int) -> "Net":
        """Return a recursive net."""
        out, seconds = self.trained(preset, seed)
        net = read_recursive_net(out, read_recursive_card(out))
        return Net(preset, net.eval(), puzzle_of(self.task), seconds)


@dataclass(frozen=True)
class Net:
    """A trained recursive net with what its training took."""

    preset: str
    net: RecursiveNet
    puzzle: Puzzle
    seconds: float
    """Processor time of training and measuring."""

    @property
    def step_flops(self) -> float:
        """FLOPs of one supervision step of one trajectory of one board."""
        return self.net.shape.step_flops * self.net.shape.length


@dataclass(frozen=True)
class Writer:
    """A trained transformer that writes boards cell by cell."""

    learner: AutoregressiveLearner
    puzzle: Puzzle
    seconds: float

    def samples_for(self, flops: float) -> int:
        """Return the samples of one board that cost so much, its question read once; at least 1."""
        shape = self.learner.card.shape
        token = 2.0 * shape.numbers + 4.0 * shape.layers * shape.width * shape.places / 2
        return max(1, round((flops / token - shape.length - 1) / shape.answered))

    def judged(self, boards: Sequence[Labelled], samples: int) -> HeldOut:
        """Return what so many samples of each board give."""
        drawn = self.learner.answers(self.puzzle, [b.question for b in boards], samples)
        return judged(self.puzzle, boards, drawn, samples)


def writer(recipe: Recipe, seed: int) -> Writer:
    """Return the autoregressive net."""
    out, seconds = recipe.trained(AUTOREGRESSIVE, seed)
    card = read_autoregressive_card(out)
    net = read_autoregressive_net(out, card).eval()
    return Writer(AutoregressiveLearner(net, card), puzzle_of(recipe.task), seconds)


def answers_of(one: Net, boards: Sequence[Labelled], how: Rolling) -> tuple[torch.Tensor, float]:
    """Return the answer after every supervision step, `[boards, width, depth, length]`, and its seconds."""
    questions = torch.tensor([board.question for board in boards], device=one.net.head.device)
    addresses = [" ".join(map(str, board.question)) for board in boards]
    begun = time.perf_counter()
    if not varies(one.net, how):
        how = replace(how, width=1)
    found = roll(one.net, questions, addresses, replace(how, is_traced=True)).traced
    assert found is not None
    return found.cpu(), time.perf_counter() - begun


def at_depth(one: Net, boards: Sequence[Labelled], found: torch.Tensor, depth: int) -> HeldOut:
    """Judge the answers after some supervision steps."""
    answers = found[:, :, depth - 1].tolist()
    return judged(one.puzzle, boards, AnswersDrawn(answers, depth=depth), found.shape[1])


def cells(boards: Sequence[Labelled], found: torch.Tensor, depth: int) -> float | None:
    """Return the share of open cells that single samples get right, of boards with one solution.

    None where no board has one solution.
    """
    kept = [n for n, board in enumerate(boards) if len(board.answers) == 1]
    if not kept:
        return None
    asked = torch.tensor([boards[n].question for n in kept])
    right = torch.tensor([boards[n].answers[0] for n in kept])
    said, still_open = found[kept][:, :, depth - 1], (asked == 0).double()
    same = (said == right[:, None]).double().mean(1)
    return float((same * still_open).sum() / still_open.sum())
