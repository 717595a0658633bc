"""Reward learning on n shots, one of them enough: LoRA, TinyLoRA, all weights, or biases."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from modicum.method import Control, Kind, Needs, Quick
from modicum.nudge import Change
from modicum.training.adapters import AdapterShape, Parameters
from modicum.training.by_reward import PolicyMethod
from modicum.training.changes import Adapter, Weights
from modicum.training.trainable import Trainable, TrainedWeights
from modicum.types import Access, Supervision
from modicum.whitebox import WhiteBox

__all__ = ["Rlvr"]


@final
@dataclass(frozen=True)
class Rlvr(PolicyMethod):
    """Samples answers to the shots, rewards them, and makes the rewarded ones likelier.

    Source: Wang et al. 2025 (2504.20571), one example repeated to fill the batch; TinyLoRA, Morris
    et al. 2026 (2602.04118), as PEFT has it; losses as in `training.policy`.
    Differs: no division by the standard deviation, no divergence term and no entropy bonus by
    default; sampling at temperature 1; AdamW at a constant rate chosen by the model's size.
    """

    needs: ClassVar[Needs] = Needs(
        access=Access.WEIGHTS, supervision=Supervision.ANSWER, is_spread=True
    )
    controls: ClassVar[tuple[Control, ...]] = (Control("format"),)
    quick: ClassVar[Quick] = Quick({"steps": 2, "groups": 2, "rollouts": 4, "entropy": 0.01})
    kind: ClassVar[Kind] = "tuning"
    changes: ClassVar[tuple[type[Change], ...]] = (Adapter, Weights)
    powers: ClassVar[Mapping[str, str]] = {"server": "models", "reward": "rewards"}

    parameters: Parameters = "lora"
    """What is trained; `tinylora` trains a handful of numbers in all."""
    rank: int = 0
    """Rank of LoRA, 8 where 0; of TinyLoRA's frozen factors, 2 where 0."""
    alpha: float = 0.0
    """LoRA scale: the update counts alpha / rank; twice the rank where 0."""
    scalars: int = 13
    """TinyLoRA: numbers that are trained, shared by all layers where `tied`, else of each layer."""
    tied: bool = True
    """TinyLoRA: whether all layers share them."""
    learning_rate: float = 0.0
    """AdamW's rate; 0 takes the default of the parameters and the model's size."""

    def __post_init__(self) -> None:
        """Refuse settings outside their ranges."""
        super().__post_init__()
        if self.rank < 0 or self.scalars < 1:
            msg = "rank from 0, scalars from 1"
            raise ValueError(msg)

    def trainable(self, whitebox: WhiteBox, rng: np.random.Generator) -> Trainable:
        """Return a copy of the model with an adapter, or with all of its weights, to train."""
        rank = self.rank or (2 if self.parameters == "tinylora" else 8)
        alpha = self.alpha or 2.0 * rank
        shape = AdapterShape(self.parameters, rank, alpha, self.scalars, self.tied)
        rate = self.learning_rate or _rate(self.parameters, whitebox.card.parameters)
        return TrainedWeights(whitebox, shape, rate, rng)


def _rate(parameters: Parameters, n_parameters: int) -> float:
    """Return a rate for what is trained in a model of a size.

    The organism's rates were chosen on its selection split (`LOG.md`): larger ones learn as fast and
    spoil what was not trained. For real models LoRA takes some ten times the rate of all weights.
    """
    if n_parameters < 5_000_000:
        return {"lora": 5e-4, "full": 1e-4, "bias": 1e-3, "tinylora": 1e-2}[parameters]
    return {"lora": 1e-4, "full": 1e-6, "bias": 1e-4, "tinylora": 1e-2}[parameters]
