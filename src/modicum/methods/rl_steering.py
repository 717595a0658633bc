"""Steering vectors trained by reward: one vector a layer, all weights frozen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from modicum.method import Kind
from modicum.methods._policy import PolicyMethod
from modicum.nudge import Change
from modicum.steering.nudge import Where
from modicum.training.changes import Vectors
from modicum.training.trainable import Trainable, TrainedVectors
from modicum.types import Access, Supervision
from modicum.whitebox import WhiteBox

__all__ = ["RlSteering"]


@final
@dataclass(frozen=True)
class RlSteering(PolicyMethod):
    """Trains a few hundred numbers that are added to the residual stream; nothing else changes.

    Where they act decides the damage: at the first generated token they choose how an answer begins
    and touch nothing after it.

    Source: Sinii et al. 2025 (2505.18706).
    Differs: where they act is a setting, the first generated token by default; the baseline is the
    group's mean.
    """

    access: ClassVar[Access] = Access.ACTIVATIONS
    supervision: ClassVar[Supervision] = Supervision.ANSWER
    kind: ClassVar[Kind] = "steering"
    changes: ClassVar[tuple[type[Change], ...]] = (Vectors,)
    controls: ClassVar[tuple[str, ...]] = ("format",)
    powers: ClassVar[Mapping[str, str]] = {"server": "models", "reward": "rewards"}

    where: Where = "first"
    """Positions at which the vectors act."""
    layers: tuple[int, ...] = ()
    """Layers with a vector; all of them where empty."""
    learning_rate: float = 0.05
    """AdamW's rate."""

    def trainable(self, whitebox: WhiteBox, rng: np.random.Generator) -> Trainable:
        """Return vectors of zeros to train; nothing about them is drawn."""
        del rng
        return TrainedVectors(whitebox, self.layers, self.where, self.learning_rate)
