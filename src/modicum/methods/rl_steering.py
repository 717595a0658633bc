"""Steering vectors trained by reward: one vector a layer, all weights frozen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from modicum.method import Control, Kind, Needs, Quick
from modicum.nudge import Change
from modicum.nudge.steering import Where
from modicum.training.by_reward import PolicyMethod
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

    needs: ClassVar[Needs] = Needs(
        access=Access.ACTIVATIONS, supervision=Supervision.ANSWER, is_spread=True
    )
    controls: ClassVar[tuple[Control, ...]] = (Control("format"),)
    proposals: ClassVar[Mapping[str, str]] = {
        "latent": "a steering vector could reach the same without touching weights",
    }
    quick: ClassVar[Quick] = Quick({"steps": 2, "groups": 2, "rollouts": 4, "entropy": 0.01})
    kind: ClassVar[Kind] = "steering"
    changes: ClassVar[tuple[type[Change], ...]] = (Vectors,)
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
