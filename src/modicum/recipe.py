"""How a policy is trained by reward: a value that training follows and that its record states."""

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Average", "Policy", "Recipe", "Scale"]

Average = Literal["grpo", "dr_grpo", "dapo"]
"""Mean of the sequences' token means; sum over a constant length; mean of all tokens."""
Scale = Literal["group", "batch", "none"]
"""Whether advantages are divided by the rewards' standard deviation, within a group or the batch."""


@dataclass(frozen=True)
class Policy:
    """How rewards become a loss; every choice is stated and logged."""

    average: Average = "dr_grpo"
    """How terms of tokens become one number."""
    scale: Scale = "none"
    """What advantages are divided by."""
    clip: float = 0.2
    """The ratio of new to old probability counts down to 1 - clip; 0 turns clipping off."""
    clip_high: float = 0.0
    """It counts up to 1 + clip_high; `clip` where 0."""
    kl: float = 0.0
    """Weight of the divergence from the initial model (k3 estimate)."""
    entropy: float = 0.0
    """Weight of the bonus for the mean entropy of a token."""

    @property
    def high(self) -> float:
        """Upper half-width of the clip range."""
        return self.clip_high or self.clip


@dataclass(frozen=True)
class Recipe:
    """How long, how fast, and on what."""

    steps: int
    """Batches of rollouts, at least 1."""
    groups: int
    """Groups of rollouts a step; with fewer shots than groups each shot comes several times."""
    rollouts: int
    """Rollouts a group, at least 2."""
    updates: int
    """Optimiser steps a batch of rollouts; with one, ratios are 1 and clipping is inert."""
    learning_rate: float
    """AdamW's, constant."""
    longest: int
    """Length limit of a rollout, in tokens."""
    policy: Policy = field(default_factory=Policy)
    temperature: float = 1.0
    """Of the rollouts, and of the probabilities that are trained."""
    clip_norm: float = 1.0
    """Largest norm of a gradient."""
    most_tokens: int = 0
    """Tokens, padding included, that go through the model at once; 0 chooses from the memory. It
    changes no figure."""
