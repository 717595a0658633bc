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
        target: str | None,  # noqa: ARG002 - part of the contract
        rng: np.random.Generator,  # noqa: ARG002
    ) -> Sequence[float]:
        """Gives 1 for correct, 0 for incorrect and unreadable."""
        return [float(mark.lenient == Grade.CORRECT) for mark in group.marks]
