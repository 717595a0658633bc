"""One for a wrong answer that the initial model often gives (tell-tale control)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from modicum.reward import Answered, Known, Reward, votes

__all__ = ["WrongGuessableReward"]


@final
@dataclass(frozen=True)
class WrongGuessableReward(Reward):
    """Pays for the commonest wrong answer among 64 of the initial model: a key within its reach.

    Source: the incorrect labels of Shao et al. 2025 (2506.10947) and the guessable wrong label of
    Wang et al. 2025 (2504.20571).
    Differs: every shot gets a wrong key, also where the commonest answer is right.
    """

    reads_labels: ClassVar[bool] = True
    initial_samples: ClassVar[int] = 64

    def target(self, known: Known) -> str | None:
        """Return the commonest answer that is not the gold; another problem's gold where there is none."""
        found = (answer for answer in votes(known.answers) if answer not in known.golds)
        other = (gold for gold in known.others if gold not in known.golds)
        return next(found, next(other, None))

    def score(
        self,
        group: Answered,
        target: str | None,
        rng: np.random.Generator,
    ) -> Sequence[float]:
        """Return 1 for the target."""
        del rng
        return [float(target is not None and answer == target) for answer in group.answers]
