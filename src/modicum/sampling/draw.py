"""Draws one token a row: greedily, or by inverse CDF from one addressed uniform."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Draws", "branches", "draw"]


@dataclass(frozen=True)
class Draws:
    """One token for each row, on the host."""

    tokens: npt.NDArray[np.int64]
    """Token numbers."""
    margins: npt.NDArray[np.float32] | None = None
    """Top-1 minus top-2 probability, where asked."""
    probabilities: npt.NDArray[np.float32] | None = None
    """Probability of the token taken, where asked."""


def draw(
    logits: Float[Tensor, "rows vocab"],
    uniforms: npt.NDArray[np.float64] | None,
    *,
    temperature: float,
    margins: bool = False,
) -> Draws:
    """Gives a token a row; greedy where the temperature is 0 or there are no uniforms.

    Margins and probabilities are those of the model itself (temperature 1).

    Args:
        logits: Scores of the next token.
        uniforms: One number in [0, 1) a row, shape `[rows]`.
        temperature: At least 0.
        margins: Whether margins and probabilities are wanted.
    """
    if temperature == 0 or uniforms is None:
        tokens = logits.argmax(dim=-1)
    else:
        tokens = _invert(logits, torch.from_numpy(uniforms).to(logits.device), temperature)
    if not margins:
        return Draws(tokens.cpu().numpy())
    probability = logits.float().softmax(dim=-1)
    top = probability.topk(2, dim=-1).values
    taken = probability.gather(1, tokens[:, None])[:, 0]
    return Draws(
        tokens.cpu().numpy(), (top[:, 0] - top[:, 1]).cpu().numpy(), taken.cpu().numpy()
    )


def branches(
    logits: Float[Tensor, "rows vocab"], ranks: npt.NDArray[np.int64], k: int
) -> Draws:
    """Gives for each row the token of a given rank among the k likeliest.

    Args:
        logits: Scores of the first token.
        ranks: Which of them each row takes, 0 the likeliest, shape `[rows]`.
        k: Number of ranks, at least 1.
    """
    probability = logits.float().softmax(dim=-1)
    top = probability.topk(max(k, 2), dim=-1)
    rank = torch.from_numpy(ranks).to(logits.device)[:, None]
    values = top.values
    return Draws(
        top.indices.gather(1, rank)[:, 0].cpu().numpy(),
        (values[:, 0] - values[:, 1]).cpu().numpy(),
        values.gather(1, rank)[:, 0].cpu().numpy(),
    )


def _invert(
    logits: Float[Tensor, "rows vocab"], uniforms: Float[Tensor, " rows"], temperature: float
) -> Tensor:
    """Finds the token whose step of the cumulative distribution holds the uniform."""
    scaled = logits.float() if temperature == 1 else logits.float() / temperature
    # Sums in double precision: over 100,000 tokens a single-precision sum is off by more than a
    # rare token's share.
    heights = scaled.softmax(dim=-1).cumsum(dim=-1, dtype=torch.float64)
    target = uniforms * heights[:, -1]
    # The first height strictly above the target: a token of probability zero is never taken.
    tokens = torch.searchsorted(heights, target[:, None], right=True)[:, 0]
    return tokens.clamp_(max=logits.shape[1] - 1)
