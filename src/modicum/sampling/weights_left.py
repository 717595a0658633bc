"""Products of one step with the weights as the left factor: `W x^T` instead of `x W^T`.

oneDNN rearranges the right factor of every product. With the weights on the right that is the whole
model, once a step; with the rows on the right it is a few hundred kilobytes. Results therefore stand
in columns, one a row in flight, and are turned only where a row's own numbers must lie together.
"""

import functools
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from modicum.sampling.linear import FUSED, Activation, activated

__all__ = ["STEP", "LeftWeights", "column_takes", "padded", "times", "times_add", "times_mul"]

STEP = 8
"""Rows are rounded up to a multiple of this: each new number of columns costs oneDNN a new kernel."""

_LEAST = 75_000
"""Numbers in a weight below which the rearranging costs less than the turning."""


class LeftWeights(NamedTuple):
    """A linear layer: weight `[out, in]` and bias `[out]` or None."""

    weight: Tensor
    bias: Tensor | None


def column_takes(weight: Tensor) -> bool:
    """Say whether products with this weight gain by standing on the left."""
    return (
        torch.backends.mkldnn.is_available()
        and weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and weight.is_contiguous()
        and weight.numel() >= _LEAST
    )


def padded(n_rows: int) -> int:
    """Return the number of columns for so many rows.

    >>> padded(1), padded(8), padded(9)
    (8, 8, 16)
    """
    return -(-n_rows // STEP) * STEP


@functools.cache
def _has_half_products() -> bool:
    """Say whether oneDNN multiplies bfloat16 here; without AVX-512 it does not, where torch's own does."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def times(
    layer: LeftWeights, x: Float[Tensor, "columns in"], activation: Activation | None = None
) -> Float[Tensor, "out columns"]:
    """Return `activation(W x^T + b)`, or the product itself where there is none."""
    if layer.weight.dtype == torch.bfloat16 and not _has_half_products():
        out = layer.weight @ x.t()
        out = out if layer.bias is None else out.add_(layer.bias[:, None])
        return out if activation is None else activated(out, activation)
    fused: tuple[str, list[float], str] = ("none", [], "")
    if activation is not None and layer.bias is None:
        fused = FUSED[activation]
    out = torch.ops.mkldnn._linear_pointwise.default(layer.weight, x, None, *fused)
    if layer.bias is not None:
        out.add_(layer.bias[:, None])
        if activation is not None:
            out = activated(out, activation)
    return out


def times_add(
    layer: LeftWeights, x: Float[Tensor, "columns in"], other: Float[Tensor, "out columns"]
) -> Float[Tensor, "out columns"]:
    """Return `other + W x^T + b`."""
    out: Tensor = torch.ops.mkldnn._linear_pointwise.binary(layer.weight, other, x, None, "add")
    return out if layer.bias is None else out.add_(layer.bias[:, None])


def times_mul(
    layer: LeftWeights, x: Float[Tensor, "columns in"], other: Float[Tensor, "out columns"]
) -> Float[Tensor, "out columns"]:
    """Return `other * (W x^T + b)`."""
    if layer.bias is not None:
        return times(layer, x).mul_(other)
    out: Tensor = torch.ops.mkldnn._linear_pointwise.binary(layer.weight, other, x, None, "mul")
    return out
