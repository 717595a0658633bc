"""Single-precision masters of coarser weights: what an optimiser moves while a module stays as it is.

A bfloat16 number has its nearest neighbour 0.4 % away: an update of all weights is mostly smaller,
and would be rounded away, step after step.
"""

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor, nn

__all__ = ["Masters"]


@final
class Masters:
    """The trained parameters of a module; wide copies stand for those of a coarser format.

    The module computes with its own, rounded weights, in its own format. Each gradient that reaches
    one of them is added to its master's in single precision, and not kept twice.

    Source: Micikevicius et al. 2018 (1710.03740), section 3.1.
    """

    named: dict[str, nn.Parameter]
    """What an optimiser moves, by name: single precision or wider."""

    def __init__(self, module: nn.Module) -> None:
        """Copy what is trained and coarser than single precision; take the rest as it is."""
        trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self._coarse = {
            name: p for name, p in trained.items() if p.dtype.itemsize < torch.float32.itemsize
        }
        wide = {name: nn.Parameter(p.detach().float()) for name, p in self._coarse.items()}
        self.named = trained | wide
        self._hooks = [
            p.register_post_accumulate_grad_hook(_passing_to(wide[name]))
            for name, p in self._coarse.items()
        ]

    @torch.no_grad()
    def write(self) -> None:
        """Round the masters into the module's weights."""
        for name, parameter in self._coarse.items():
            parameter.copy_(self.named[name])

    def release(self) -> None:
        """End the training: the module keeps its weights, and nothing binds it to the masters."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        self._coarse.clear()


def _passing_to(master: nn.Parameter) -> Callable[[Tensor], None]:
    """Return what moves a gradient from a weight to its master."""

    def move(weight: Tensor) -> None:
        if weight.grad is None:
            return
        if master.grad is None:
            master.grad = weight.grad.float()
        else:
            master.grad.add_(weight.grad)
        weight.grad = None

    return move
