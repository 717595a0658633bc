"""Steering vectors trained by reward: one vector a layer, all weights frozen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from modicum.ledger import Ledger
from modicum.method import Judge, Kind, Method, PromptSolver
from modicum.methods._policy import reinforced
from modicum.model import Model
from modicum.steering.nudge import Where, load_steering
from modicum.training.policy import Average, Scale
from modicum.training.trainable import TrainedVectors
from modicum.types import Access, Problem, Supervision
from modicum.whitebox import need_whitebox

__all__ = ["RlSteering"]


@final
@dataclass(frozen=True)
class RlSteering(Method):
    """Trains a few hundred numbers that are added to the residual stream; nothing else changes.

    Where they act decides the damage: at the first generated token they choose how an answer begins
    and touch nothing after it.

    Source: Sinii et al. 2025 (2505.18706).
    Differs: where they act is a setting, the first generated token by default; the baseline is the
    group's mean.
    """

    access: ClassVar[Access] = Access.ACTIVATIONS
    supervision: ClassVar[Supervision] = Supervision.ANSWER
    kind: ClassVar[Kind] = "tuning"
    controls: ClassVar[tuple[str, ...]] = ("format",)

    reward: str = "true"
    """Name of the reward."""
    where: Where = "first"
    """Positions at which the vectors act."""
    layers: tuple[int, ...] = ()
    """Layers with a vector; all of them where empty."""
    learning_rate: float = 0.05
    """AdamW's rate."""
    steps: int = 20
    """Batches of rollouts, at least 1."""
    groups: int = 8
    """Groups a step; fewer shots come several times."""
    rollouts: int = 32
    """Rollouts a group, at least 2."""
    updates: int = 1
    """Optimiser steps a batch of rollouts; with one, clipping is inert."""
    temperature: float = 1.0
    """Of the rollouts, above 0."""
    average: Average = "dr_grpo"
    """How terms of tokens become one number."""
    scale: Scale = "none"
    """What advantages are divided by."""
    clip: float = 0.2
    """Lower half-width of the clip range; 0 turns clipping off."""
    clip_high: float = 0.0
    """Upper half-width; `clip` where 0."""
    kl: float = 0.0
    """Weight of the divergence from the initial model."""
    entropy: float = 0.0
    """Weight of the entropy bonus."""

    def elicit(
        self,
        model: Model,
        shots: Sequence[Problem],
        judge: Judge,
        rng: np.random.Generator,
        ledger: Ledger,
    ) -> PromptSolver:
        """Trains the vectors on the model's own rewarded answers to the shots.

        Raises:
            BudgetError: no shots.
            AccessError: the model's activations cannot be reached.
            TrialError: training went wrong; the message names the cause.
        """
        whitebox = need_whitebox(model, "rl_steering")
        trainable = TrainedVectors(whitebox, self.layers, self.where, self.learning_rate)
        return reinforced(self, trainable, shots, judge, rng, ledger)

    def restore(self, model: Model, judge: Judge, folder: Path) -> PromptSolver:
        """Gives the model with the saved vectors."""
        steered = need_whitebox(model, "rl_steering").with_steering(
            load_steering(folder / "vector.safetensors")
        )
        style = PromptSolver.saved_style(folder)
        return PromptSolver(steered, style, judge.sheet, source=folder)
