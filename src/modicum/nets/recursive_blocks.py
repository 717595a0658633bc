"""Parts of a recursive net: layers with the norm after them, stacks, and Gaussian heads."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from modicum.nets.native_stacks import NativeStack, StackShape, native_stacks
from modicum.nets.recursive_shape import RecursiveShape

__all__ = ["GaussianHead", "Layer", "Rotary", "Stack", "drawn", "norm"]

_EPS = 1e-5
"""Keeps the norm of an empty position finite; HRM's own value."""
_CORRECTION = 0.87962566103423978
"""Deviation of a standard normal that is cut at two deviations."""
_THETA = 10_000.0
"""Base of the rotary angles."""
_TOLD = 0.2
"""Deviation of what a posterior is told of an answer at first. Where it is 1, the posterior hands the
answer over before the stacks have learned any of it, and rollouts from the prior take longer to come."""
_LOGS = (-5.0, 1.0)
"""Least and most of the logarithm of a deviation."""

_MATRICES = ("read", "write", "rise", "fall")
"""Of a layer with attention, in the order in which a compiled stack takes them."""

Rotary = tuple[Tensor, Tensor]
"""Cosines and sines, `[places, half a head]`."""


def drawn(
    rng: np.random.Generator, *size: int, deviation: float | None = None
) -> Float[Tensor, "..."]:
    """Draw a parameter: a normal cut at two deviations.

    Args:
        rng: Its stream.
        size: Its shape.
        deviation: Of what is drawn; 1 / sqrt(the last size) where None.
    """
    numbers = rng.standard_normal(size)
    while (far := np.abs(numbers) > 2).any():
        numbers[far] = rng.standard_normal(int(far.sum()))
    scale = size[-1] ** -0.5 if deviation is None else deviation
    return torch.from_numpy(numbers * (scale / _CORRECTION)).float()


def norm(rows: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows width"]:
    """Return rows of root mean square 1; nothing is learned of it."""
    return functional.rms_norm(rows, rows.shape[-1:], eps=_EPS)


def _swiglu(rows: Tensor, rise: Tensor, fall: Tensor) -> Tensor:
    gate, up = functional.linear(rows, rise).chunk(2, -1)
    return functional.linear(functional.silu(gate) * up, fall)


def _turned(rows: Tensor, rotary: Rotary) -> Tensor:
    """Turn halves of each head against one another by the angles of their position."""
    cos, sin = rotary
    a, b = rows.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


def _sizes(shape: RecursiveShape, layers: int) -> StackShape | None:
    if shape.mixer != "attention":
        return None
    return StackShape(shape.places, shape.width, shape.heads, shape.inner, layers)


def _compiled(
    sizes: StackShape | None, layers: Iterable[nn.Module], rotary: Rotary | None
) -> NativeStack | None:
    if sizes is None:
        return None
    weights = [layer.get_parameter(name) for layer in layers for name in _MATRICES]
    return native_stacks(sizes, weights, rotary)


@final
class Layer(nn.Module):
    """Mixing of positions and a SwiGLU, each added to its input, with a norm after each.

    Source: HRM and TRM (2506.21734, 2510.04871): no biases, no learned scale.
    """

    def __init__(self, shape: RecursiveShape, rng: np.random.Generator) -> None:
        """Draw the weights."""
        super().__init__()
        width, inner = shape.width, shape.inner
        self._heads = shape.heads
        self.is_mlp = shape.mixer == "mlp"
        self._alone = _sizes(shape, 1)
        if self.is_mlp:
            self.mix_rise = nn.Parameter(drawn(rng, 2 * inner, shape.places))
            self.mix_fall = nn.Parameter(drawn(rng, shape.places, inner))
        else:
            self.read = nn.Parameter(drawn(rng, 3 * width, width))
            self.write = nn.Parameter(drawn(rng, width, width))
        self.rise = nn.Parameter(drawn(rng, 2 * inner, width))
        self.fall = nn.Parameter(drawn(rng, width, inner))

    def forward(
        self, rows: Float[Tensor, "rows places width"], rotary: Rotary | None
    ) -> Float[Tensor, "rows places width"]:
        """Apply it."""
        if self.is_mlp:
            mixed = _swiglu(rows.transpose(1, 2), self.mix_rise, self.mix_fall).transpose(1, 2)
        else:
            mixed = self._attended(rows, rotary)
        rows = norm(rows + mixed)
        return norm(rows + _swiglu(rows, self.rise, self.fall))

    def ready(self) -> Callable[[Tensor], Tensor]:
        """Return the layer without rotary positions, as `Stack.ready` does."""
        return _compiled(self._alone, [self], None) or partial(self, rotary=None)

    def _attended(self, rows: Tensor, rotary: Rotary | None) -> Tensor:
        n, places, width = rows.shape
        parts = functional.linear(rows, self.read).view(
            n, places, 3, self._heads, width // self._heads
        )
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind()
        if rotary is not None:
            q, k = _turned(q, rotary), _turned(k, rotary)
        seen = functional.scaled_dot_product_attention(q, k, v)
        return functional.linear(seen.transpose(1, 2).reshape(n, places, width), self.write)


@final
class Stack(nn.Module):
    """A few layers; its output has root mean square 1, so that no recursion explodes."""

    def __init__(self, shape: RecursiveShape, rng: np.random.Generator) -> None:
        """Draw the weights."""
        super().__init__()
        self._together = _sizes(shape, shape.layers)
        self.layers = nn.ModuleList(Layer(shape, rng) for _ in range(shape.layers))
        if shape.positions == "rotary" and shape.mixer == "attention":
            half = shape.width // shape.heads // 2
            speeds = _THETA ** -(torch.arange(half) / half)
            angles = torch.arange(shape.places)[:, None] * speeds
            self.register_buffer("cos", angles.cos(), persistent=False)
            self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(
        self, rows: Float[Tensor, "rows places width"]
    ) -> Float[Tensor, "rows places width"]:
        """Apply its layers in turn."""
        rotary = self._rotary()
        for layer in self.layers:
            rows = layer(rows, rotary)
        return rows

    def ready(self) -> Callable[[Tensor], Tensor]:
        """Return the stack as its weights stand: compiled where it can be, and itself elsewhere.

        Made anew once weights have changed; the same figures but for rounding.
        """
        return _compiled(self._together, self.layers, self._rotary()) or self

    def _rotary(self) -> Rotary | None:
        return (self.get_buffer("cos"), self.get_buffer("sin")) if hasattr(self, "cos") else None


@final
class GaussianHead(nn.Module):
    """Mean and logarithm of the deviation of noise, each by a SwiGLU of its own.

    What a posterior is told besides, the answer, has a row a token that is added before the gate: the
    same as joining an embedding to the input, without the wider product.

    Source: GRAM (2605.19376).
    Differs: how the deviation is said is not published; here by a clamped logarithm.
    """

    def __init__(self, shape: RecursiveShape, rng: np.random.Generator, *, told: bool) -> None:
        """Draw the weights; what it says at first is mean 0 and the shape's first deviation."""
        super().__init__()
        width, inner = shape.width, shape.guide_inner
        self.rise = nn.Parameter(drawn(rng, 4 * inner, width))
        self.mean = nn.Parameter(torch.zeros(width, inner))
        self.spread = nn.Parameter(torch.zeros(width, inner))
        self.first = nn.Parameter(torch.full((width,), float(np.log(shape.first_deviation))))
        self.told = (
            nn.Parameter(drawn(rng, shape.vocabulary, 4 * inner, deviation=_TOLD)) if told else None
        )

    def forward(
        self,
        rows: Float[Tensor, "rows places width"],
        answer: Float[Tensor, "rows places vocabulary"] | None = None,
    ) -> tuple[Float[Tensor, "rows places width"], Float[Tensor, "rows places width"]]:
        """Return mean and logarithm of the deviation.

        Args:
            rows: The proposal.
            answer: Which token each position's answer is, 1 there and 0 elsewhere; nothing but zeros
                where a position has none.
        """
        risen = functional.linear(rows, self.rise)
        if answer is not None and self.told is not None:
            risen = risen + answer @ self.told
        gate, up = risen.chunk(2, -1)
        mean, spread = (functional.silu(gate) * up).chunk(2, -1)
        log = functional.linear(spread, self.spread, self.first).clamp(*_LOGS)
        return functional.linear(mean, self.mean), log
