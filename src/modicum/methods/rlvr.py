"""Reward learning on n shots, one of them enough: LoRA of any rank, all weights, or biases."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from modicum.ledger import Ledger
from modicum.method import Judge, Kind, Method, PromptSolver
from modicum.methods._policy import reinforced
from modicum.model import Model
from modicum.training.adapters import AdapterShape, Parameters
from modicum.training.imitate import restored
from modicum.training.policy import Average, Scale
from modicum.training.trainable import TrainedWeights
from modicum.types import Access, Problem, Supervision
from modicum.whitebox import need_whitebox

__all__ = ["Rlvr"]


@final
@dataclass(frozen=True)
class Rlvr(Method):
    """Samples answers to the shots, rewards them, and makes the rewarded ones likelier.

    Source: Wang et al. 2025 (2504.20571), one example repeated to fill the batch; losses as in
    `training.policy`.
    Differs: no division by the standard deviation, no divergence term and no entropy bonus by
    default; sampling at temperature 1; AdamW at a constant rate chosen by the model's size.
    """

    access: ClassVar[Access] = Access.WEIGHTS
    supervision: ClassVar[Supervision] = Supervision.ANSWER
    kind: ClassVar[Kind] = "tuning"
    controls: ClassVar[tuple[str, ...]] = ("format",)

    reward: str = "true"
    """Name of the reward."""
    parameters: Parameters = "lora"
    """What is trained."""
    rank: int = 8
    """LoRA rank, at least 1."""
    alpha: float = 0.0
    """LoRA scale: the update counts alpha / rank; twice the rank where 0."""
    learning_rate: float = 0.0
    """AdamW's rate; 0 takes the default of the parameters and the model's size."""
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

    def __post_init__(self) -> None:
        """Refuses settings outside their ranges."""
        sizes = (self.steps, self.groups, self.updates, self.rank)
        if min(sizes) < 1 or self.rollouts < 2 or self.temperature <= 0:
            msg = "steps, groups, updates and rank from 1, rollouts from 2, temperature above 0"
            raise ValueError(msg)

    def elicit(
        self,
        model: Model,
        shots: Sequence[Problem],
        judge: Judge,
        rng: np.random.Generator,
        ledger: Ledger,
    ) -> PromptSolver:
        """Trains a copy of the model on its own rewarded answers to the shots.

        Raises:
            BudgetError: no shots.
            AccessError: the model's weights cannot be reached.
            TrialError: training went wrong; the message names the cause.
        """
        whitebox = need_whitebox(model, "rlvr")
        shape = AdapterShape(self.parameters, self.rank, self.alpha or 2.0 * self.rank)
        rate = self.learning_rate or _rate(self.parameters, whitebox.card.parameters)
        trainable = TrainedWeights(whitebox, shape, rate, rng)
        return reinforced(self, trainable, shots, judge, rng, ledger)

    def restore(self, model: Model, judge: Judge, folder: Path) -> PromptSolver:
        """Gives the model with the saved adapter or weights."""
        return restored(need_whitebox(model, "rlvr"), judge, folder)


def _rate(parameters: Parameters, n_parameters: int) -> float:
    """Gives a rate for what is trained in a model of a size.

    The organism's rates were chosen on its selection split (`LOG.md`): larger ones learn as fast and
    spoil what was not trained. For real models LoRA takes some ten times the rate of all weights.
    """
    if n_parameters < 5_000_000:
        return {"lora": 5e-4, "full": 1e-4, "bias": 1e-3}[parameters]
    return {"lora": 1e-4, "full": 1e-6, "bias": 1e-4}[parameters]
