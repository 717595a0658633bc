"""Trains an energy net of boards: a few steps of thinking, held against the answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional

from modicum.ledger import Ledger
from modicum.nets.energy import EnergyNet
from modicum.nets.energy_steps import AskedBoards, stepped
from modicum.nets.grid import BLANK
from modicum.nets.recursive_losses import ASKED_NOT
from modicum.seeds import key
from modicum.training.averaged_lesson import AveragedLesson
from modicum.training.board_recipe import BoardRecipe, train_boards
from modicum.training.fit import Curve, Descent, Taken
from modicum.training.launch import Alone, Ranks
from modicum.training.prior_looks import Boards

__all__ = ["EnergyLesson", "LearnedEnergy", "train_energy"]


@dataclass(frozen=True, eq=False)
class LearnedEnergy:
    """What came of it."""

    net: EnergyNet
    """The moving average."""
    curves: tuple[Curve, ...]
    """Figures of each update."""


@final
class EnergyLesson(AveragedLesson[EnergyNet]):
    """The net and its moving average; an update thinks a few steps from noise.

    Figures of an update: `loss`, nats an open position, mean over the steps that count; `last`, those of
    the last step; `exact` and `cells`, shares of whole boards and of open positions that it gets right;
    `fall`, by how much the energy falls from the first state to the last but one.

    Source: Gladstone et al. 2025 (2507.02092), its recipes S1 and S2. Energies themselves are never held
    against anything.
    """

    def __init__(
        self,
        net: EnergyNet,
        boards: Boards,
        recipe: BoardRecipe,
        name: str,
        joined: Ranks | None = None,
    ) -> None:
        """Take what is trained.

        Args:
            net: The net, on its device.
            boards: Where boards come from, `recipe.batch` an update.
            recipe: How.
            name: Names the random streams; equal names, boards and threads give equal bits.
            joined: The processes that share the boards of an update; this one alone where None.
        """
        super().__init__(net, recipe, joined)
        self._boards, self._name, self._batch = boards, name, recipe.batch
        shape = net.shape
        steps = (shape.least_steps + shape.most_steps) / 2
        # the ledger counts three forward passes a token that is trained on
        self.flops = shape.training_flops(steps) / 3

    def step(self, number: int, curves: Sequence[Curve], descent: Descent) -> Taken:
        """Take one update with the boards of its number."""
        del curves
        questions, targets = self._boards.drawn(number, self.net.device)
        own = self._own
        drawn = torch.Generator(self.net.device)
        drawn.manual_seed(key("energy", self._name, number) >> 1)  # torch takes 63 bits
        # positions of all processes, so that their gradients add up to that of one
        n_counted = float(_counted(questions, targets).sum())
        figures, norm = descent.take(
            lambda: self._backward(questions[own], targets[own], drawn, n_counted)
        )
        self.averaged.follow(number)
        return Taken({**figures, "grad_norm": norm}, (questions.numel(),))

    def _backward(
        self,
        questions: Int[Tensor, "rows length"],
        targets: Int[Tensor, "rows length"],
        drawn: torch.Generator,
        n_counted: float,
    ) -> dict[str, float]:
        """Leave the gradient of this process's boards, of all whose positions count; return figures."""
        net, shape = self.net, self.net.shape
        counts = _counted(questions, targets)
        wanted = targets[counts]
        span = shape.most_steps - shape.least_steps + 1
        chosen = torch.randint(span, (1,), generator=drawn, device=net.device)
        n = shape.least_steps + int(chosen)
        state, asked = self._normal(drawn), AskedBoards.of(net, questions)
        losses, energies = [], []
        for i in range(n):
            if shape.detaches:
                state = state.detach()
            if shape.noise:
                state = state + shape.noise * self._normal(drawn)
            size = net.size_of_step() * self._jitter(drawn)
            has_graph = i == n - 1 or not shape.is_truncated
            state, energy = stepped(net, asked, state, size, has_graph=has_graph)
            energies.append(energy.mean())
            if shape.loss == "every" or i == n - 1:
                found = functional.cross_entropy(state[counts], wanted, reduction="sum")
                losses.append(found / n_counted)
        loss = torch.stack(losses).mean()
        loss.backward()
        right = (state.detach().argmax(-1) == targets) | ~counts
        return self._told(
            {
                "loss": loss / self._share,
                "last": losses[-1] / self._share,
                "exact": right.all(1).float().mean(),
                "cells": (right & counts).sum() / (n_counted * self._share),
                "fall": energies[0] - energies[-1],
            }
        )

    def _normal(self, drawn: torch.Generator) -> Tensor:
        """Draw for all rows, so that each has its own noise however many processes share them."""
        size = (self._batch, self.net.shape.length, self.net.shape.vocabulary)
        return torch.randn(size, generator=drawn, device=self.net.device)[self._own]

    def _jitter(self, drawn: torch.Generator) -> Tensor:
        """Draw what each board's step size is multiplied by."""
        even = torch.rand((self._batch, 1, 1), generator=drawn, device=self.net.device)
        return self.net.shape.jitter ** (2 * even - 1)[self._own]


def _counted(questions: Tensor, targets: Tensor) -> Tensor:
    """Return where the net has to say something that counts."""
    return (questions == BLANK) & (targets != ASKED_NOT)


def train_energy(
    net: EnergyNet,
    boards: Boards,
    recipe: BoardRecipe,
    name: str,
    ledger: Ledger,
    shared: tuple[Path | None, Ranks] | None = None,
) -> LearnedEnergy:
    """Train a net in place; return its moving average.

    Args:
        net: The net, on its device.
        boards: Where boards come from, `recipe.batch` an update.
        recipe: How.
        name: Names the random streams and the checkpoint; equal names, boards and threads give equal bits.
        ledger: Counts updates; all positions of the boards count as trained tokens.
        shared: File that a killed run goes on from, none where None; and the processes that share each
            update. This one alone, and nothing kept, where left out.

    Raises:
        TrialError: a loss or a gradient that is not finite.
        ConfigError: fewer boards an update than processes.
    """
    net.train().requires_grad_(requires_grad=True)
    shared = shared or (None, Alone())
    lesson = EnergyLesson(net, boards, recipe, name, shared[1])
    curves = train_boards(lesson, net, recipe, name, ledger, shared)
    return LearnedEnergy(lesson.averaged.net, curves)
