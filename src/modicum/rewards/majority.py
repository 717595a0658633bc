"""One for the answer that the initial model gives most often; uses no label."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from modicum.reward import Answered, Known, Reward, votes

__all__ = ["MajorityReward"]


@final
@dataclass(frozen=True)
class MajorityReward(Reward):
    """Pays for the mode of 64 answers of the initial model, right or wrong.

    Source: the majority-vote label of Shao et al. 2025 (2506.10947), section on rewards.
    """

    initial_samples: ClassVar[int] = 64

    def target(self, known: Known) -> str | None:
        """Return the commonest answer, or None where none could be read."""
        return next(iter(votes(known.answers)), None)

    def score(
        self,
        group: Answered,
        target: str | None,
        rng: np.random.Generator,
    ) -> Sequence[float]:
        """Return 1 for the target."""
        del rng
        return [float(target is not None and answer == target) for answer in group.answers]
