"""Looks once whether a model's scores are numbers: broken weights answer like any others."""

import torch
from jaxtyping import Float
from torch import Tensor

from modicum.errors import CheckpointError

__all__ = ["Sound"]


class Sound:
    """One model's scores, looked at where they come first; later ones pass."""

    def __init__(self, name: str = "the model") -> None:
        """Have seen nothing yet.

        Args:
            name: The model's, for the message.
        """
        self._name, self._is_known = name, False

    def look(self, logits: Float[Tensor, "rows vocab"]) -> None:
        """Look at the highest score of each row, unless it has done so before.

        A score of minus infinity is a token that never comes; a highest one is broken.

        Raises:
            CheckpointError: not a number, or infinite.
        """
        if self._is_known or not len(logits):
            return
        # the highest of numbers among which one is none is none itself
        is_finite = torch.isfinite(logits.amax(dim=-1))
        if not bool(is_finite.all()):
            n = int((~is_finite).sum())
            raise CheckpointError(
                f"the logits of {self._name} are not numbers (NaN or infinite after {n} of "
                f"{len(logits)} prompts): broken weights, or a number format that overflows",
                "weights that give finite logits",
                "fetch or convert the weights anew, or try ?dtype=float32; if a nudge was tuned, it "
                "has diverged: lower its learning rate",
            )
        self._is_known = True
