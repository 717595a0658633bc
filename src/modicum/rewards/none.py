"""Nothing for any answer: what is learned comes from the entropy bonus alone (tell-tale control)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from modicum.reward import Answered, Reward

__all__ = ["NoReward"]


@final
@dataclass(frozen=True)
class NoReward(Reward):
    """Pays nothing, so that only the loss's other terms act.

    Source: the entropy-only arm of Wang et al. 2025 (2504.20571).
    """

    def score(
        self,
        group: Answered,
        target: str | None,
        rng: np.random.Generator,
    ) -> Sequence[float]:
        """Return 0 throughout."""
        del target, rng
        return [0.0] * len(group.texts)
