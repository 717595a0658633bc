"""One for a wrong answer that the initial model never gives (tell-tale control)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from modicum.reward import Answered, Known, Reward

__all__ = ["WrongUnguessableReward"]


@final
@dataclass(frozen=True)
class WrongUnguessableReward(Reward):
    """Pays for another problem's gold that is in none of 64 answers of the initial model.

    Source: the unguessable wrong label of Wang et al. 2025 (2504.20571).
    """

    reads_labels: ClassVar[bool] = True
    initial_samples: ClassVar[int] = 64

    def target(self, known: Known) -> str | None:
        """Return the first gold of another problem that was never sampled."""
        seen = known.golds.union(answer for answer in known.answers if answer is not None)
        return next((gold for gold in known.others if gold not in seen), None)

    def score(
        self,
        group: Answered,
        target: str | None,
        rng: np.random.Generator,
    ) -> Sequence[float]:
        """Return 1 for the target."""
        del rng
        return [float(target is not None and answer == target) for answer in group.answers]
