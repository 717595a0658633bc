"""Last states of earlier updates, from which later ones begin: a queue of sequences with their logits."""

from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Replays"]


@final
class Replays:
    """Keeps fresh sequences alone, so that no state is further than two rollouts from noise.

    Source: Du and Mordatch 2019 (1903.08689); Gladstone et al. 2025, whose queue this is.
    """

    def __init__(self, most: int, length: int, vocabulary: int) -> None:
        """Begin empty.

        Args:
            most: Sequences that are kept, the newest; 0 for none.
            length: Positions of each.
            vocabulary: Logits of each position.
        """
        self.most = most
        self._ids = torch.empty((0, length + 1), dtype=torch.long)
        self._states = torch.empty((0, length, vocabulary))

    def __len__(self) -> int:
        """Sequences that are kept now."""
        return len(self._ids)

    def joined(
        self,
        ids: Int[Tensor, "fresh places"],
        begun: Float[Tensor, "fresh before vocabulary"],
        rng: np.random.Generator,
    ) -> tuple[Tensor, Tensor]:
        """Return sequences and first states with half as many that are kept behind them.

        Args:
            ids: Fresh sequences, of the full length.
            begun: Their first states.
            rng: Draws which, none twice.
        """
        count = min(len(ids) // 2, len(self))
        drawn = torch.from_numpy(rng.permutation(len(self))[:count])
        ids = torch.cat((ids, self._ids[drawn].to(ids.device)))
        return ids, torch.cat((begun, self._states[drawn].to(begun.device)))

    def keep(self, ids: Tensor, states: Tensor) -> None:
        """Take fresh sequences and their last states in; the oldest go."""
        self._ids = torch.cat((self._ids, ids.cpu()))[-self.most :]
        self._states = torch.cat((self._states, states.detach().cpu()))[-self.most :]

    def state(self) -> dict[str, Tensor]:
        """Return a copy of what is kept."""
        return {"ids": self._ids.clone(), "states": self._states.clone()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Set it again."""
        self._ids, self._states = state["ids"], state["states"]
