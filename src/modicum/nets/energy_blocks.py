"""Parts of energy nets: layers with the norm before them, whose gradient has a gradient."""

from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["EnergyLayer", "RmsNorm", "drawn_matrix", "joined_heads", "split_heads"]


def drawn_matrix(rng: np.random.Generator, rows: int, columns: int) -> nn.Parameter:
    """Draw a matrix of a linear map by Xavier's rule: normal, of variance 2 / (inputs + outputs)."""
    numbers = rng.standard_normal((rows, columns), dtype=np.float32)
    return nn.Parameter(torch.from_numpy(numbers * np.float32((2 / (rows + columns)) ** 0.5)))


def split_heads(rows: Float[Tensor, "n places width"], heads: int) -> Tensor:
    """Return `[n, heads, places, width / heads]`."""
    n, places, width = rows.shape
    return rows.view(n, places, heads, width // heads).transpose(1, 2)


def joined_heads(rows: Float[Tensor, "n heads places part"]) -> Tensor:
    """Return `[n, places, heads * part]`."""
    n, heads, places, part = rows.shape
    return rows.transpose(1, 2).reshape(n, places, heads * part)


@final
class RmsNorm(nn.Module):
    """Rows over the root of their mean square, each number times a learned scale.

    Written out, for torch's fused form need not have a second gradient.
    """

    eps = 1e-5
    """Keeps rows of zeros finite."""

    def __init__(self, width: int) -> None:
        """Begin at scale 1."""
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, rows: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows width"]:
        """Apply it."""
        return rows * (rows.square().mean(-1, keepdim=True) + self.eps).rsqrt() * self.scale


@final
class EnergyLayer(nn.Module):
    """Attention among all positions and a SwiGLU, a norm before each, each added to its input.

    Source: the Llama block (2302.13971) that the paper's own code uses; no biases.
    """

    def __init__(self, width: int, heads: int, inner: int, rng: np.random.Generator) -> None:
        """Draw the weights."""
        super().__init__()
        self._heads = heads
        self.before_mixing, self.before_rise = RmsNorm(width), RmsNorm(width)
        self.read = drawn_matrix(rng, 3 * width, width)
        self.write = drawn_matrix(rng, width, width)
        self.rise = drawn_matrix(rng, 2 * inner, width)
        self.fall = drawn_matrix(rng, width, inner)

    def forward(self, rows: Float[Tensor, "n places width"]) -> Float[Tensor, "n places width"]:
        """Apply it."""
        q, k, v = functional.linear(self.before_mixing(rows), self.read).chunk(3, -1)
        q, k, v = (split_heads(part, self._heads) for part in (q, k, v))
        seen = (q * q.shape[-1] ** -0.5 @ k.transpose(-1, -2)).softmax(-1) @ v
        rows = rows + functional.linear(joined_heads(seen), self.write)
        gate, up = functional.linear(self.before_rise(rows), self.rise).chunk(2, -1)
        return rows + functional.linear(functional.silu(gate) * up, self.fall)
