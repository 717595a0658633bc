"""One for a right answer, nothing otherwise: the verifier's own reward."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from modicum.reward import Answered, Reward
from modicum.types import Grade

__all__ = ["TrueReward"]


@final
@dataclass(frozen=True)
class TrueReward(Reward):
    """Pays for what the task's marker calls correct, read leniently.

    Source: the outcome reward of Wang et al. 2025 (2504.20571), without a format term.
    """

    reads_labels: ClassVar[bool] = True

    def score(
        self,
        group: Answered,
        target: str | None,
        rng: np.random.Generator,
    ) -> Sequence[float]:
        """Return 1 for correct, 0 for incorrect and unreadable."""
        del target, rng
        return [float(mark.lenient == Grade.CORRECT) for mark in group.marks]
