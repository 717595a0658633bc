"""Biases of single precision in a module of a coarser format: small steps of a training stay.

A bfloat16 number of size 1 has its nearest neighbour .004 away: the usual step of a bias would be
rounded away, and so would all that follow it.
"""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from modicum.nudge.parts import tensor_of
from modicum.sampling.half import HalfLinear

__all__ = ["widen_biases"]

_CLASSES: dict[tuple[type[nn.Module], torch.dtype], type[nn.Module]] = {}


def widen_biases(module: nn.Module, names: Collection[str]) -> None:
    """Let biases of a module be single precision, in place; names, shapes and scores stay.

    A layer of `modicum.sampling.half` adds them as they are. Any other computes with them rounded to
    what they were, and gradients reach them unrounded.

    Args:
        module: A model, in a PEFT wrapper or not.
        names: The biases by their names in it.
    """
    for name in names:
        owner = module.get_submodule(name.rpartition(".")[0])
        bias = tensor_of(owner, "bias")
        if bias.dtype.itemsize >= torch.float32.itemsize:
            continue
        owner.bias = nn.Parameter(bias.detach().float(), requires_grad=bias.requires_grad)
        if not isinstance(owner, HalfLinear):
            owner.__class__ = _rounding(type(owner), bias.dtype)


def _rounding(kind: type[nn.Module], dtype: torch.dtype) -> type[nn.Module]:
    """Return a layer's class whose own code finds its bias in a format, however it is kept."""

    def bias(self: nn.Module) -> Tensor:
        kept = self._parameters["bias"]
        if kept is None:
            raise AttributeError(f"{type(self).__name__} without a bias")
        return kept.to(dtype)

    if (kind, dtype) not in _CLASSES:
        _CLASSES[kind, dtype] = type(kind.__name__, (kind,), {"bias": property(bias)})
    return _CLASSES[kind, dtype]
