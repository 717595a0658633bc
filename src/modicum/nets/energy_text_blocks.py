"""Parts of an autoregressive energy net: layers that two streams pass through with the same weights."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn
from torch.nn import functional

from modicum.nets.energy_blocks import RmsNorm, drawn_matrix, joined_heads, split_heads

__all__ = ["Places", "TextLayer", "rotary_table", "split_attention", "turned"]

_THETA = 10_000.0
"""Base of the rotary angles."""


@dataclass(frozen=True, eq=False)
class Places:
    """Where candidates stand among what was observed; made once and used by every step and layer."""

    rotary: Complex[Tensor, "places pairs"]
    """Of the candidates."""
    bias: Float[Tensor, "places seen"] | None
    """What is added to a candidate's score of an observed id: minus infinity where it does not see it,
    else 0; None where it sees all."""

    @cached_property
    def back(self) -> Tensor:
        """What turns the other way, shaped as `rotary`."""
        return self.rotary.conj().resolve_conj()


def rotary_table(places: int, part: int) -> Complex[Tensor, "places pairs"]:
    """Return the turns of positions from 0, as complex numbers of absolute value 1.

    Args:
        places: Positions.
        part: Numbers of a head, even.

    Source: Su et al. 2021 (2104.09864).
    """
    rates = _THETA ** -(torch.arange(0, part, 2, dtype=torch.float64) / part)
    angles = torch.outer(torch.arange(places, dtype=torch.float64), rates)
    return torch.polar(torch.ones_like(angles), angles).to(torch.complex64)


def turned(
    rows: Float[Tensor, "*n places part"], rotary: Tensor
) -> Float[Tensor, "*n places part"]:
    """Turn neighbouring numbers of each head by the angles of their position."""
    pairs = torch.view_as_complex(rows.unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * rotary).flatten(-2)


def split_attention(
    own: tuple[Tensor, Tensor, Tensor], seen: tuple[Tensor, Tensor], bias: Tensor | None
) -> Float[Tensor, "n heads places part"]:
    """Return what candidates draw from observed ids and from themselves; no candidate sees another.

    Args:
        own: Scaled queries, keys and values of candidates, `[n, heads, places, part]` each.
        seen: Keys and values of observed ids, `[n, heads, seen, part]` each.
        bias: What is added to scores, `[places, seen]`; nothing where None.

    Source: Gladstone et al. 2025 (2507.02092), appendix; the self-score stands in a column of its own here.
    """
    query, key, value = own
    keys, values = seen
    scores = query @ keys.transpose(-1, -2)
    if bias is not None:
        scores = scores + bias
    shares = torch.cat((scores, (query * key).sum(-1, keepdim=True)), -1).softmax(-1)
    return shares[..., :-1] @ values + shares[..., -1:] * value


@final
class TextLayer(nn.Module):
    """Attention and a SwiGLU, a norm before each, each added to its input, for two streams.

    Source: the Llama block (2302.13971) that the paper's own code uses; no biases.
    """

    def __init__(self, width: int, heads: int, inner: int, rng: np.random.Generator) -> None:
        """Draw the weights."""
        super().__init__()
        self.heads = heads
        self.before_mixing, self.before_rise = RmsNorm(width), RmsNorm(width)
        self.read = drawn_matrix(rng, 3 * width, width)
        self.write = drawn_matrix(rng, width, width)
        self.rise = drawn_matrix(rng, 2 * inner, width)
        self.fall = drawn_matrix(rng, width, inner)

    def keys(
        self, rows: Float[Tensor, "n places width"], rotary: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return rows with their norm, and keys and values of observed ids `[n, heads, places, part]`."""
        normed = self.before_mixing(rows)
        key, value = functional.linear(normed, self.read[rows.shape[-1] :]).chunk(2, -1)
        key, value = (split_heads(one, self.heads) for one in (key, value))
        return normed, turned(key, rotary), value

    def observed(
        self,
        rows: Float[Tensor, "n places width"],
        normed: Float[Tensor, "n places width"],
        seen: tuple[Tensor, Tensor],
        rotary: Tensor,
    ) -> Float[Tensor, "n places width"]:
        """Apply the layer to observed ids, each of which sees itself and those before it.

        Args:
            rows: What came in.
            normed: Its norm.
            seen: Keys and values, those of `rows` last.
            rotary: Of the rows.
        """
        query = functional.linear(normed, self.read[: rows.shape[-1]])
        query = turned(split_heads(query, self.heads), rotary)
        alone = rows.shape[1] == 1  # the last of all, which sees all
        drawn = functional.scaled_dot_product_attention(query, *seen, is_causal=not alone)
        return self._risen(rows + functional.linear(joined_heads(drawn), self.write))

    def predicted(
        self, rows: Float[Tensor, "n places width"], seen: tuple[Tensor, Tensor], places: Places
    ) -> Float[Tensor, "n places width"]:
        """Apply the layer to candidates, each of which sees itself and the ids before its own."""
        mixed = functional.linear(self.before_mixing(rows), self.read)
        query, key, value = (split_heads(one, self.heads) for one in mixed.chunk(3, -1))
        query = turned(query, places.rotary) * query.shape[-1] ** -0.5
        own = query, turned(key, places.rotary), value
        drawn = split_attention(own, seen, places.bias)
        return self._risen(rows + functional.linear(joined_heads(drawn), self.write))

    def _risen(self, rows: Tensor) -> Tensor:
        gate, up = functional.linear(self.before_rise(rows), self.rise).chunk(2, -1)
        return rows + functional.linear(functional.silu(gate) * up, self.fall)
