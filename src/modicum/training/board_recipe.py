"""How a net learns boards, whatever its kind: how long, how fast, by which optimiser."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import nn

from modicum.ledger import Ledger
from modicum.training.atan2 import AdamATan2
from modicum.training.checkpoint import Checkpoint
from modicum.training.distributed import same_start
from modicum.training.fit import Course, Curve, Descent, Lesson, fit
from modicum.training.launch import Ranks
from modicum.training.progress_line import loss_line

__all__ = ["BoardRecipe", "optimiser_of", "train_boards"]

_BETAS = (0.9, 0.95)
"""Decays of the optimiser's moments (HRM's and TRM's own)."""


@dataclass(frozen=True)
class BoardRecipe:
    """How long and how fast."""

    steps: int
    """Updates, at least 1."""
    batch: int = 64
    """Boards an update, at least 1; of a recursive net, slots."""
    optimiser: Literal["adamw", "adam_atan2"] = "adamw"
    learning_rate: float = 1.5e-3
    warm_up: int = 100
    """Updates in which the rate rises from 0, at least 1."""
    cool_down: float = 0.3
    """Share of the updates, the last ones, in which the rate falls to 0."""
    decay: float = 0.1
    """Weight decay, of matrices alone."""
    clip: float = 1.0
    """Largest norm of a gradient."""
    average: float = 0.995
    """Decay of the moving average, in [0, 1)."""

    def rate(self, step: int) -> float:
        """Return the learning rate of an update, counted from 0."""
        rising = min(1.0, (step + 1) / self.warm_up)
        falling = min(1.0, (self.steps - step) / max(1.0, self.cool_down * self.steps))
        return self.learning_rate * rising * falling


def optimiser_of(
    net: nn.Module, recipe: BoardRecipe, factors: Mapping[str, float] = MappingProxyType({})
) -> torch.optim.Optimizer:
    """Return the optimiser of a net: decay on matrices, none on what has one dimension.

    Args:
        net: Whose parameters are moved.
        recipe: How.
        factors: What the learning rate of parameters is multiplied by, by name; these have no decay.
    """
    named = dict(net.named_parameters())
    plain = [part for name, part in named.items() if name not in factors]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in plain if p.ndim > 1], "weight_decay": recipe.decay},
        {"params": [p for p in plain if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups += [
        {"params": [named[name]], "weight_decay": 0.0, "factor": factor}
        for name, factor in factors.items()
        if name in named
    ]
    if recipe.optimiser == "adam_atan2":
        return AdamATan2(groups, lr=recipe.learning_rate, betas=_BETAS)
    # on a GPU the fused one keeps its count of steps there, where a checkpoint does not put it back
    fused = next(net.parameters()).device.type == "cpu"
    return torch.optim.AdamW(
        groups, lr=recipe.learning_rate, betas=_BETAS, fused=fused, foreach=not fused
    )


def train_boards(
    lesson: Lesson,
    net: nn.Module,
    recipe: BoardRecipe,
    name: str,
    ledger: Ledger,
    shared: tuple[Path | None, Ranks],
) -> tuple[Curve, ...]:
    """Train a net in place by its lesson; return the figures of each update.

    Args:
        lesson: What an update is.
        net: What its optimiser moves, on its device.
        recipe: How.
        name: Names the random streams and the checkpoint.
        ledger: Counts updates and tokens.
        shared: File that a killed run goes on from, none where None; and the processes that train.

    Raises:
        TrialError: a loss or a gradient that is not finite.
    """
    checkpoint, joined = shared
    optimiser = optimiser_of(net, recipe, lesson.rate_factors)
    kept = Checkpoint(checkpoint, lesson, optimiser, ledger, name=name, joined=joined)
    course = Course(
        recipe.steps, recipe.rate, lambda curves: ledger.says(loss_line(curves, recipe.steps))
    )
    done = kept.restore()
    begun = {name: one.detach() for name, one in lesson.named.items()}
    same_start({**begun, "updates": torch.tensor(float(len(done)))}, joined)
    descent = Descent(optimiser, list(net.parameters()), recipe.clip, joined)
    return fit(lesson, descent, course, ledger, kept, done).curves
