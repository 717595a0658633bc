"""A module whose weights are bfloat16 and whose activations are single precision.

Products take rounded activations and sum in single precision; everything between them (residual
stream, norms, rotations, attention, softmax) is computed in single precision, forward and backward.
transformers' own modules round after every operation instead. Only linear layers and embeddings
change, and those in place: names, weights and files stay as they were.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import torch
from jaxtyping import Float
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn
from torch.nn import functional

from modicum.nudge.parts import tensor_of
from modicum.sampling.linear import linear, linear_back
from modicum.sampling.products import native_products
from modicum.sampling.weights_left import LeftWeights

__all__ = [
    "HalfEmbedding",
    "HalfLinear",
    "HalfLora",
    "activation_dtype",
    "adapt_half",
    "half_class",
    "is_half",
    "is_simple",
    "make_half",
]


class HalfLinear(nn.Linear):
    """A linear layer of bfloat16 weights that takes and gives single precision."""

    def forward(self, input: Tensor) -> Tensor:
        """Return `x W^T + b`, with gradients to `x` and, where they are trained, to the weights."""
        if input.dtype != torch.float32:
            return super().forward(input)
        product = _applied(_Product, input, self.weight)
        return product if self.bias is None else product + self.bias


class HalfEmbedding(nn.Embedding):
    """A table of bfloat16 vectors that gives single precision."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the vectors of tokens."""
        return super().forward(input).float()


class HalfLora(LoraLinear):
    """An adapter of single precision on a layer of bfloat16 weights, both in one pass over its input."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:  # noqa: ANN401 - PEFT's own
        """Return `x W^T + b + s x A^T B^T`, as PEFT does in more operations."""
        base = self.get_base_layer()
        if not is_simple(self) or args or kwargs or x.dtype != torch.float32:
            return super().forward(x, *args, **kwargs)
        down, up = (tensor_of(side["default"], "weight") for side in (self.lora_A, self.lora_B))
        scale = self.scaling["default"]
        out = _applied(_Adapted, x, tensor_of(base, "weight"), down, up, scale)
        bias = base.bias
        return out + bias if isinstance(bias, Tensor) else out


def _rounded(x: Float[Tensor, "rows in"], weight: Tensor) -> Float[Tensor, "rows out"]:
    """Return the product of rounded factors; compiled, no row of it depends on the others."""
    products = native_products() if x.device.type == "cpu" and weight.is_contiguous() else None
    # numbers are read in pairs
    if products is None or weight.shape[1] % 2:
        return functional.linear(x.bfloat16(), weight).float()
    return products.rows(LeftWeights(weight, None), x)


def _applied(function: type[torch.autograd.Function], *given: object) -> Tensor:
    """Return what a function of ours gives, with gradients; torch leaves `apply` untyped."""
    apply: Callable[..., Tensor] = attrgetter("apply")(function)
    return apply(*given)


def is_simple(part: LoraLinear) -> bool:
    """Say whether an adapter adds a product of two matrices to its layer, and nothing else."""
    return (
        list(part.lora_A) == ["default"]
        and part.active_adapters == ["default"]
        and not (part.merged or part.disable_adapters or part.lora_bias["default"])
        and not part.lora_magnitude_vector
        and not part.lora_variant
        and isinstance(part.lora_dropout["default"], nn.Identity)
    )


def adapt_half(module: nn.Module) -> None:
    """Let the adapters on half-precision layers of a module take the one pass of `HalfLora`."""
    for part in module.modules():
        if type(part) is LoraLinear and isinstance(part.get_base_layer(), HalfLinear):
            part.__class__ = HalfLora


class _Adapted(torch.autograd.Function):
    """A product of rounded factors, with an adapter's two in single precision; its weight is frozen."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: Tensor,
        weight: Tensor,
        down: Tensor,
        up: Tensor,
        scale: float,
    ) -> Tensor:
        flat = x.reshape(-1, weight.shape[1])
        low = linear(flat, down)
        out = _rounded(flat, weight).addmm_(low, up.t(), alpha=scale)
        ctx.save_for_backward(flat, low, weight, down, up)
        ctx.scale = scale
        return out.view(*x.shape[:-1], len(weight))

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401
        gradient: Tensor,
    ) -> tuple[Tensor | None, None, Tensor, Tensor, None]:
        flat, low, weight, down, up = ctx.saved_tensors
        wide = gradient.reshape(-1, len(weight))
        narrow = linear_back(wide, up).mul_(ctx.scale)
        for_x = None
        if ctx.needs_input_grad[0]:
            for_x = functional.linear(wide.bfloat16(), weight.t()).float().addmm_(narrow, down)
            for_x = for_x.view(*gradient.shape[:-1], weight.shape[1])
        for_down = linear_back(narrow.t(), flat)
        # the long side last: a tall product of a few columns takes four times as long
        for_up = linear_back(low.t(), wide).mul_(ctx.scale).t()
        return for_x, None, for_down, for_up, None


class _Product(torch.autograd.Function):
    """A product of rounded factors; its gradients are such products too."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's own signature, here and below
        x: Tensor,
        weight: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(x if weight.requires_grad else None, weight)
        # Two dimensions: of one row in three, torch would copy the whole weight.
        product = _rounded(x.reshape(-1, weight.shape[1]), weight)
        return product.view(*x.shape[:-1], len(weight))

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401
        gradient: Tensor,
    ) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        rounded = gradient.reshape(-1, len(weight)).bfloat16()
        for_x = for_weight = None
        if ctx.needs_input_grad[0]:
            for_x = functional.linear(rounded, weight.t()).float()
            for_x = for_x.view(*gradient.shape[:-1], weight.shape[1])
        if ctx.needs_input_grad[1]:
            for_weight = rounded.t() @ x.reshape(-1, weight.shape[1]).bfloat16()
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
