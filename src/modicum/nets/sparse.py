"""A sparse autoencoder: an activation as a sum of few directions, in use and under training."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["BatchTopK", "Gate", "Scaling", "Sparse", "keep_largest"]

Scaling = Literal["none", "layer_norm", "constant_norm"]
"""What is done to each activation before it is encoded: nothing; mean 0 and deviation 1; a length of
the square root of its width."""

_TINY = 1e-5
"""Keeps a division by a deviation finite; SAELens' own value."""


@dataclass(frozen=True, eq=False)
class Gate:
    """How strongly an open gate fires, in the gated architecture."""

    scale: Float[Tensor, " features"]
    """Factor of the encoder's columns."""
    bias: Float[Tensor, " features"]
    """In place of the encoder's own bias, which decides whether the gate opens."""


@dataclass(frozen=True, eq=False)
class Sparse:
    """A sparse autoencoder in use.

    Source: Bussmann, Leask, Nanda 2024 (2412.06410), section 3, whose threshold makes it a JumpReLU;
    Rajamanoharan et al. 2024 (2407.14435) for JumpReLU, (2404.16014) for gates; Gao et al. 2024
    (2406.04093) for TopK.
    """

    encoder: Float[Tensor, "hidden features"]
    encoder_bias: Float[Tensor, " features"]
    decoder: Float[Tensor, "features hidden"]
    """Row i is the direction that feature i writes."""
    decoder_bias: Float[Tensor, " hidden"]
    threshold: Float[Tensor, " features"]
    """A feature at or below it counts as silent; 0 where the architecture has none."""
    k: int = 0
    """The largest so many stand for each activation; all of them where 0."""
    gate: Gate | None = None
    is_centred: bool = True
    """Whether the decoder's bias is taken from the input."""
    scaling: Scaling = "none"

    def encode(self, activations: Float[Tensor, "rows hidden"]) -> Float[Tensor, "rows features"]:
        """Return how strongly each feature fires, at least 0."""
        inner = _scaled(activations.to(torch.float32), self.scaling)
        inner = inner - self.decoder_bias if self.is_centred else inner
        seen = inner @ self.encoder
        if self.gate is not None:
            size = torch.relu(seen * self.gate.scale + self.gate.bias)
            return size * (seen + self.encoder_bias > 0)
        fired = seen + self.encoder_bias
        if self.k:
            fired = _largest_each(fired, self.k)
        return torch.relu(fired) * (fired > self.threshold)

    def decode(self, fired: Float[Tensor, "rows features"]) -> Float[Tensor, "rows hidden"]:
        """Return the activations that features stand for; in scaled units where inputs are scaled."""
        return fired @ self.decoder + self.decoder_bias


class BatchTopK(nn.Module):
    """The net under training: of a batch, the k largest activations a row on average stand.

    Source: Bussmann, Leask, Nanda 2024 (2412.06410), section 3; the loss on dead features is that
    of Gao et al. 2024 (2406.04093).
    Differs: rows of the decoder have length 1 throughout; the encoder starts as its transpose.
    """

    def __init__(self, hidden: int, features: int, k: int, rng: np.random.Generator) -> None:
        """Draw the first directions.

        Args:
            hidden: Width of the activations.
            features: Directions, at least k.
            k: Features that fire for a row on average.
            rng: Stream of the first directions.
        """
        super().__init__()
        drawn = torch.from_numpy(rng.standard_normal((features, hidden))).to(torch.float32)
        drawn = torch.nn.functional.normalize(drawn, dim=-1)
        self.k = k
        self.decoder = nn.Parameter(drawn)
        self.encoder = nn.Parameter(drawn.T.contiguous())
        self.encoder_bias = nn.Parameter(torch.zeros(features))
        self.decoder_bias = nn.Parameter(torch.zeros(hidden))

    def forward(
        self, rows: Float[Tensor, "rows hidden"]
    ) -> tuple[Float[Tensor, "rows features"], Float[Tensor, "rows features"]]:
        """Return what every feature sees, at least 0, and what stands of it."""
        seen = torch.relu((rows - self.decoder_bias) @ self.encoder + self.encoder_bias)
        return seen, keep_largest(seen, self.k * len(rows))

    def decode(self, fired: Float[Tensor, "rows features"]) -> Float[Tensor, "rows hidden"]:
        """Return the activations that features stand for."""
        return fired @ self.decoder + self.decoder_bias

    def rescue(
        self,
        seen: Float[Tensor, "rows features"],
        missed: Float[Tensor, "rows hidden"],
        dead: Tensor,
    ) -> Float[Tensor, ""]:
        """Return the loss by which dead features learn what the living ones miss; 0 without any.

        Args:
            seen: What every feature sees.
            missed: What the living ones have not rebuilt; no gradient flows into it.
            dead: Which features are dead, `[features]` of bool.
        """
        count = int(dead.sum())
        if not count:
            return missed.new_zeros(())
        fired = _largest_each(seen[:, dead], min(count, max(1, missed.shape[-1] // 2)))
        return (fired @ self.decoder[dead] - missed.detach()).pow(2).mean()

    @torch.no_grad()
    def drop_parallel(self) -> None:
        """Take from the decoder's gradient what would only make a direction longer."""
        grad = self.decoder.grad
        if grad is not None:
            grad -= (grad * self.decoder).sum(-1, keepdim=True) * self.decoder

    @torch.no_grad()
    def make_unit(self) -> None:
        """Return every direction length 1 again."""
        self.decoder.copy_(torch.nn.functional.normalize(self.decoder, dim=-1))


def keep_largest(seen: Float[Tensor, "rows features"], n: int) -> Float[Tensor, "rows features"]:
    """Keep the n largest numbers of a whole batch and sets the others to 0.

    Source: Bussmann, Leask, Nanda 2024 (2412.06410), equation of BatchTopK.
    """
    flat = seen.flatten()
    if n >= len(flat):
        return seen
    values, places = torch.topk(flat, n, sorted=False)
    return torch.zeros_like(flat).scatter(0, places, values).reshape(seen.shape)


def _largest_each(seen: Float[Tensor, "rows features"], k: int) -> Float[Tensor, "rows features"]:
    """Keep the k largest numbers of each row."""
    values, places = torch.topk(seen, min(k, seen.shape[-1]), dim=-1, sorted=False)
    return torch.zeros_like(seen).scatter(-1, places, values)


def _scaled(rows: Float[Tensor, "rows hidden"], scaling: Scaling) -> Float[Tensor, "rows hidden"]:
    if scaling == "layer_norm":
        centred = rows - rows.mean(-1, keepdim=True)
        return centred / (centred.std(-1, keepdim=True) + _TINY)
    if scaling == "constant_norm":
        scaled: Tensor = rows * rows.shape[-1] ** 0.5 / rows.norm(dim=-1, keepdim=True)
        return scaled
    return rows
