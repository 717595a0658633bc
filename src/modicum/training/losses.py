"""Losses as pure functions of logits and labels."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

__all__ = ["IGNORED", "imitation"]

IGNORED = -100
"""Label of a position that is not learned (prompt and padding)."""


def imitation(
    logits: Float[Tensor, "batch length vocab"], labels: Int[Tensor, "batch length"]
) -> Float[Tensor, ""]:
    """Return the mean next-token cross-entropy (nats) over the positions that are learned.

    Position i of the logits predicts label i + 1.
    """
    flat = logits[:, :-1].reshape(-1, logits.shape[-1]).to(torch.float32)
    return functional.cross_entropy(flat, labels[:, 1:].reshape(-1), ignore_index=IGNORED)
