"""A coin for each answer: knows nothing of it (tell-tale control)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from modicum.reward import Answered, Reward

__all__ = ["RandomReward"]


@final
@dataclass(frozen=True)
class RandomReward(Reward):
    """Pays with probability gamma, independent of the answer.

    Source: Shao et al. 2025 (2506.10947).
    """

    gamma: float = 0.5
    """Probability of 1, between 0 and 1."""

    def __post_init__(self) -> None:
        """Refuse what is no probability."""
        if not 0 <= self.gamma <= 1:
            msg = f"gamma = {self.gamma}, expected 0 to 1"
            raise ValueError(msg)

    def score(
        self,
        group: Answered,
        target: str | None,
        rng: np.random.Generator,
    ) -> Sequence[float]:
        """Return a draw for each answer."""
        del target
        return [float(u < self.gamma) for u in rng.random(len(group.texts))]
