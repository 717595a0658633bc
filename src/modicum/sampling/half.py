"""A module whose weights are bfloat16 and whose activations are single precision.

Products take rounded activations and sum in single precision; everything between them (residual
stream, norms, rotations, attention, softmax) is computed in single precision, forward and backward.
transformers' own modules round after every operation instead. Only linear layers and embeddings
change, and those in place: names, weights and files stay as they were.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["HalfEmbedding", "HalfLinear", "activation_dtype", "half_class", "is_half", "make_half"]


class HalfLinear(nn.Linear):
    """A linear layer of bfloat16 weights that takes and gives single precision."""

    def forward(self, input: Tensor) -> Tensor:
        """Return `x W^T + b`, with gradients to `x` and, where they are trained, to the weights."""
        if input.dtype != torch.float32:
            return super().forward(input)
        product = cast(Tensor, _Product.apply(input, self.weight))  # type: ignore[no-untyped-call]
        return product if self.bias is None else product + self.bias


class HalfEmbedding(nn.Embedding):
    """A table of bfloat16 vectors that gives single precision."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the vectors of tokens."""
        return super().forward(input).float()


class _Product(torch.autograd.Function):
    """A product of rounded factors; its gradients are such products too."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's own signature, here and below
        x: Tensor,
        weight: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(x if weight.requires_grad else None, weight)
        return functional.linear(x.bfloat16(), weight).float()

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401
        gradient: Tensor,
    ) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        rounded = gradient.bfloat16()
        for_x = functional.linear(rounded, weight.t()).float() if ctx.needs_input_grad[0] else None
        for_weight = None
        if ctx.needs_input_grad[1]:
            flat = rounded.reshape(-1, weight.shape[0])
            for_weight = flat.t() @ x.reshape(-1, weight.shape[1]).bfloat16()
        return for_x, for_weight


def make_half(module: nn.Module) -> bool:
    """Let a bfloat16 module compute in single precision but for its products; say whether it can.

    A module can where everything else in it takes both formats side by side; any other is left as
    it was. Only plain linear layers and embeddings are changed, and embeddings that scale.

    Args:
        module: A causal language model on the processor, its weights bfloat16.
    """
    if is_half(module):
        return True
    before: list[tuple[nn.Module, type[nn.Module]]] = []
    for part in module.modules():
        wanted = half_class(type(part))
        if wanted is not None:
            before.append((part, type(part)))
            part.__class__ = wanted
    try:
        with torch.inference_mode():
            scores = module(torch.zeros(1, 2, dtype=torch.long)).logits
        if scores.dtype == torch.float32:
            return True
    except Exception:  # noqa: BLE001 - a stranger's module that takes no mixed formats
        pass
    for part, kind in before:
        part.__class__ = kind
    return False


def is_half(module: nn.Module) -> bool:
    """Say whether `make_half` changed a module, or the one inside a wrapper."""
    return any(isinstance(part, HalfEmbedding) for part in module.modules())


def activation_dtype(module: nn.Module) -> torch.dtype:
    """Return the format of a module's activations: not the weights' where those are half."""
    return torch.float32 if is_half(module) else next(module.parameters()).dtype


_CLASSES: dict[type[nn.Module], type[nn.Module]] = {
    nn.Linear: HalfLinear,
    nn.Embedding: HalfEmbedding,
}


def half_class(kind: type[nn.Module]) -> type[nn.Module] | None:
    """Return the class that takes a layer's place; None where it stays."""
    if issubclass(kind, HalfLinear | HalfEmbedding):
        return None
    if kind not in _CLASSES and issubclass(kind, nn.Embedding):
        # an embedding that scales does so in its own `forward`, which goes on to ours
        _CLASSES[kind] = type(f"Half{kind.__name__}", (kind, HalfEmbedding), {})
    return _CLASSES.get(kind)
