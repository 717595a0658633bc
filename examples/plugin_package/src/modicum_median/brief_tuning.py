"""Tuning by a reward of its own: right answers earn more the shorter they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from modicum.method import Control, Kind, Needs, Quick
from modicum.nudge import Change
from modicum.reward import Answered, Reward
from modicum.training.adapters import AdapterShape
from modicum.training.by_reward import PolicyMethod
from modicum.training.changes import Adapter
from modicum.training.trainable import Trainable, TrainedWeights
from modicum.types import Access, Grade, Supervision
from modicum.whitebox import WhiteBox

__all__ = ["BriefReward", "BriefTuning"]


@final
@dataclass(frozen=True)
class BriefReward(Reward):
    """From 1 for the shortest right answer of a group down to a half for the longest; wrong ones earn 0."""

    reads_labels: ClassVar[bool] = True

    def score(
        self, group: Answered, target: str | None, rng: np.random.Generator
    ) -> Sequence[float]:
        """Return what each answer earns; shorter by characters."""
        del target, rng
        right = [mark.lenient == Grade.CORRECT for mark in group.marks]
        lengths = [len(text) for text, is_right in zip(group.texts, right, strict=True) if is_right]
        least, most = (min(lengths), max(lengths)) if lengths else (0, 0)
        return [
            is_right * (1.0 - 0.5 * (len(text) - least) / max(1, most - least))
            for text, is_right in zip(group.texts, right, strict=True)
        ]


@final
@dataclass(frozen=True)
class BriefTuning(PolicyMethod):
    """Trains a small LoRA by this reward; everything else is modicum's own training by reward.

    Source: an example; rewards of length are as old as the field.
    """

    needs: ClassVar[Needs] = Needs(
        access=Access.WEIGHTS, supervision=Supervision.ANSWER, is_spread=True
    )
    kind: ClassVar[Kind] = "tuning"
    changes: ClassVar[tuple[type[Change], ...]] = (Adapter,)
    controls: ClassVar[tuple[Control, ...]] = (Control("true", settings={"reward": "true"}),)
    quick: ClassVar[Quick] = Quick({"steps": 2, "groups": 2, "rollouts": 4, "entropy": 0.01})

    reward: str = "brief"
    """Name of the reward."""
    rank: int = 4
    """LoRA rank, at least 1."""
    learning_rate: float = 5e-4
    """AdamW's rate."""

    def trainable(self, whitebox: WhiteBox, rng: np.random.Generator) -> Trainable:
        """Return a copy of the model with an adapter to train."""
        shape = AdapterShape("lora", self.rank, 2.0 * self.rank)
        return TrainedWeights(whitebox, shape, self.learning_rate, rng)
