"""Energy nets of boards: how ill candidates fit a question, and the steps that make them fit better."""

from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from modicum.nets.energy_blocks import EnergyLayer, RmsNorm, drawn_matrix
from modicum.nets.energy_shape import EnergyShape

__all__ = ["EnergyNet"]

_LEAST_STEP = 1e-4
"""A learned step size does not go below it (the released code's own bound)."""
_HASTE = 3
"""A learned step size moves so many times its first value as fast as other weights do. The paper's rate
for it is as much larger; Adam, whose updates have no scale, makes the two the same."""


@final
class EnergyNet(nn.Module):
    """A transformer over the positions of a board, each of which sees its question and its candidates.

    Source: Gladstone et al. 2025 (2507.02092): an energy of question and candidates, whose gradient moves
    the candidates.
    """

    def __init__(self, shape: EnergyShape, rng: np.random.Generator) -> None:
        """Draw the weights."""
        super().__init__()
        self.shape = shape
        width = shape.width
        self.asked = drawn_matrix(rng, shape.vocabulary, width)
        self.candidates = drawn_matrix(rng, shape.vocabulary, width)
        self.places = nn.Parameter(
            torch.from_numpy(0.5 * rng.standard_normal((shape.length, width), dtype=np.float32))
        )
        self.layers = nn.ModuleList(
            EnergyLayer(width, shape.heads, shape.inner, rng) for _ in range(shape.layers)
        )
        self.last = RmsNorm(width)
        rows = 1 if shape.reads == "energy" else shape.vocabulary
        self.head = drawn_matrix(rng, rows, width)
        if shape.is_step_size_learned:
            self.moved = nn.Parameter(torch.zeros(1))

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.head.device

    def encode(self, questions: Int[Tensor, "rows length"]) -> Float[Tensor, "rows length width"]:
        """Return what each position knows of its question: the same at every step."""
        return functional.embedding(questions, self.asked) + self.places

    def read(
        self,
        encoded: Float[Tensor, "rows length width"],
        candidates: Float[Tensor, "rows length vocabulary"],
    ) -> Float[Tensor, "rows length read"]:
        """Return what the net reads: an energy of each position, or its next logits."""
        rows = encoded + candidates @ self.candidates
        for layer in self.layers:
            rows = layer(rows)
        return functional.linear(self.last(rows), self.head)

    def energy(self, encoded: Tensor, candidates: Tensor) -> Float[Tensor, " rows"]:
        """Return how ill candidates fit: the sum over positions. Without bound, and of no unit."""
        return self.read(encoded, candidates).sum((1, 2))

    def size_of_step(self) -> float | Tensor:
        """Return what a gradient is multiplied by."""
        size = self.shape.step_size
        if self.shape.is_step_size_learned:
            return (size * (1 + _HASTE * self.moved)).clamp(min=_LEAST_STEP)
        return size
