"""Finds a direction from pairs of activations, and says how far it can be relied on."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from modicum.errors import TrialError

__all__ = ["Average", "Reliability", "direction_of", "random_like", "reliability"]

Average = Literal["mean", "pca"]
"""The mean of the pairs' differences, or the direction in which the differences point most alike."""


@dataclass(frozen=True)
class Reliability:
    """A forecast of whether a direction will steer, from the pairs alone."""

    cosine: float
    """Mean cosine between the differences of two pairs; near 0 where pairs disagree. 1 for one pair."""
    separability: float
    """Share of (wanted, unwanted) activations that the direction puts in the right order."""


def direction_of(
    wanted: Float[Tensor, "pairs hidden"],
    unwanted: Float[Tensor, "pairs hidden"],
    average: Average = "mean",
) -> Float[Tensor, " hidden"]:
    """Return the direction from unwanted to wanted; its length is that of the mean difference.

    `pca` takes the first right singular vector of the differences, not centred, so that it finds what
    they share and not how they vary; its sign follows the mean difference.

    Source: Rimsky et al. 2024 (2312.06681) for the mean difference of contrastive pairs.

    Raises:
        TrialError: the pairs do not differ.
    """
    differences = (wanted - unwanted).to(torch.float32)
    mean = differences.mean(0)
    length: Tensor = mean.norm()
    if not bool(length > 0):
        msg = (
            "the two sides of every pair are alike at this place: there is no contrast to steer by"
        )
        raise TrialError(msg)
    if average == "mean":
        return mean
    first = torch.linalg.svd(differences, full_matrices=False).Vh[0]
    signed: Tensor = first * torch.sign(first @ mean) * length
    return signed


def random_like(
    direction: Float[Tensor, " hidden"], rng: np.random.Generator
) -> Float[Tensor, " hidden"]:
    """Return a direction drawn evenly from the sphere, as long as the given one (veto control)."""
    drawn = torch.from_numpy(rng.standard_normal(direction.numel())).to(torch.float32)
    found: Tensor = drawn / drawn.norm() * direction.norm()
    return found


def reliability(
    wanted: Float[Tensor, "pairs hidden"],
    unwanted: Float[Tensor, "pairs hidden"],
    direction: Float[Tensor, " hidden"],
) -> Reliability:
    """Return how well the pairs agree.

    Source: Tan et al. 2024 (2407.12404) and Braun et al. 2025 (2505.22637), where agreement of the
    differences and separability along the direction went with success.
    """
    differences = torch.nn.functional.normalize((wanted - unwanted).to(torch.float32), dim=-1)
    n = len(differences)
    together = differences @ differences.T
    cosine = float((together.sum() - together.trace()) / (n * (n - 1))) if n > 1 else 1.0
    unit = direction / direction.norm()
    above = (wanted.to(torch.float32) @ unit)[:, None] - (unwanted.to(torch.float32) @ unit)[
        None, :
    ]
    separability = float(((above > 0).float() + 0.5 * (above == 0).float()).mean())
    return Reliability(cosine, separability)
