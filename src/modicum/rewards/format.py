"""One for any readable answer, right or wrong: pays the form alone (tell-tale control)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from modicum.reward import Answered, Reward

__all__ = ["FormatReward"]


@final
@dataclass(frozen=True)
class FormatReward(Reward):
    """Pays for an answer that can be read, whatever it is; uses no label.

    Source: the format reward of Shao et al. 2025 (2506.10947).
    Differs: the task's own reader takes the place of a non-empty box.
    """

    def score(
        self,
        group: Answered,
        target: str | None,
        rng: np.random.Generator,
    ) -> Sequence[float]:
        """Return 1 where an answer was read."""
        del target, rng
        return [float(answer is not None) for answer in group.answers]
