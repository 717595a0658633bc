"""Matrix products with a module's own weights, by oneDNN where that is faster.

torch multiplies single-precision matrices on the processor with MKL, which on processors of other
makers than Intel keeps to narrow vector instructions: on an AMD EPYC oneDNN takes less than half of
the time. oneDNN reads the weights as they lie, so nothing is copied, packed or kept.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

__all__ = [
    "FUSED",
    "Activation",
    "FastLinear",
    "activated",
    "linear",
    "linear_activated",
    "linear_add",
    "linear_back",
    "linear_mul",
]

Activation = Literal["silu", "gelu"]
"""What a gate passes through: `x sigmoid(x)`, or GELU by its approximation with tanh."""
FUSED: Mapping[Activation, tuple[str, list[float], str]] = {
    "silu": ("swish", [1.0], ""),
    "gelu": ("gelu", [], "tanh"),
}
"""How oneDNN names them: function, settings, and which approximation."""

_LEAST_WORK = 600_000
"""Multiplications below which oneDNN's call costs more than it saves."""
_HAS_ONEDNN: bool = torch.backends.mkldnn.is_available()


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return `x @ weight.T + bias`; outside of autograd only."""
    if not _pays(x, weight):
        return functional.linear(x, weight, bias)
    product: Tensor = torch.ops.mkldnn._linear_pointwise.default(
        x.contiguous(), weight, bias, "none", [], ""
    )
    return product


def linear_activated(
    x: Tensor, activation: Activation, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    """Return `activation(x @ weight.T + bias)`."""
    if not _pays(x, weight):
        return activated(functional.linear(x, weight, bias), activation)
    product: Tensor = torch.ops.mkldnn._linear_pointwise.default(
        x.contiguous(), weight, bias, *FUSED[activation]
    )
    return product


def activated(x: Tensor, activation: Activation) -> Tensor:
    """Return what passes through an activation; `x` may be overwritten."""
    if activation == "silu":
        return functional.silu(x, inplace=True)
    return functional.gelu(x, approximate="tanh")


def linear_add(x: Tensor, weight: Tensor, bias: Tensor | None, other: Tensor) -> Tensor:
    """Return `other + x @ weight.T + bias`."""
    if not _pays(x, weight):
        return functional.linear(x, weight, bias).add_(other)
    both = torch.ops.mkldnn._linear_pointwise.binary
    summed: Tensor = both(x.contiguous(), other, weight, bias, "add")
    return summed


def linear_mul(x: Tensor, weight: Tensor, bias: Tensor | None, other: Tensor) -> Tensor:
    """Return `other * (x @ weight.T + bias)`."""
    if not _pays(x, weight):
        return functional.linear(x, weight, bias).mul_(other)
    both = torch.ops.mkldnn._linear_pointwise.binary
    multiplied: Tensor = both(x.contiguous(), other, weight, bias, "mul")
    return multiplied


def linear_back(gradient: Tensor, weight: Tensor) -> Tensor:
    """Return `gradient @ weight`, the gradient of what `linear` was given; outside of autograd only."""
    if not _pays(gradient, weight):
        return gradient @ weight
    # transposed as a view: oneDNN reads it as it lies
    product: Tensor = torch.ops.mkldnn._linear_pointwise.default(
        gradient.contiguous(), weight.t(), None, "none", [], ""
    )
    return product


class FastLinear(TorchFunctionMode):
    """A context in which a module's own forward pass multiplies by `linear`."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - passes on what any function of torch gives
        """Pass every call on, products to `linear`."""
        if func is functional.linear and not kwargs:
            if not torch.is_grad_enabled():
                return linear(*args)
            if _pays(*args[:2]):
                return _Product.apply(*args)  # type: ignore[no-untyped-call]
        return func(*args, **(kwargs or {}))


class _Product(torch.autograd.Function):
    """`x @ weight.T + bias` whose gradients are oneDNN's products too; frozen weights get none."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's own signature, here and below
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
    ) -> Tensor:
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, weight)
        return linear(x, weight, bias)

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401
        gradient: Tensor,
    ) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        product = torch.ops.mkldnn._linear_pointwise.default
        flat = gradient.reshape(-1, weight.shape[0])
        for_x = for_weight = for_bias = None
        if ctx.needs_input_grad[0]:
            # transposed as a view: oneDNN reads it as it lies
            for_x = product(gradient.contiguous(), weight.t(), None, "none", [], "")
        if ctx.needs_input_grad[1]:
            pair = (part.t().contiguous() for part in (flat, x.reshape(-1, weight.shape[1])))
            for_weight = product(*pair, None, "none", [], "")
        if len(ctx.needs_input_grad) > 2 and ctx.needs_input_grad[2]:
            for_bias = flat.sum(0)
        return (for_x, for_weight, for_bias)[: len(ctx.needs_input_grad)]


def _pays(x: Tensor, weight: Tensor) -> bool:
    """Say whether oneDNN takes this product, and sooner than torch."""
    return (
        _HAS_ONEDNN
        and x.numel() * weight.shape[0] >= _LEAST_WORK
        and x.dtype == weight.dtype == torch.float32
        and x.device.type == "cpu"
        and type(weight) in (Tensor, torch.nn.Parameter)
        and weight.is_contiguous()
    )
