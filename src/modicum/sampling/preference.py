"""Which way an activation would have to move for one continuation to be preferred to another."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from modicum.ledger import Ledger
from modicum.nudge.attach import steered
from modicum.nudge.steering import Direction, Steering
from modicum.sampling.half import activation_dtype
from modicum.sampling.whole import whole_pass
from modicum.whitebox import WhiteBox

__all__ = ["Fork", "preference"]

_LAST = -1
_PASSES = 3.0
"""A pass forward and one back cost three forward."""


@dataclass(frozen=True)
class Fork:
    """A text after which two answers part."""

    shared: tuple[int, ...]
    """Tokens up to the parting, prompt included; at least one."""
    wanted: int
    """Token with which the wanted answer goes on."""
    unwanted: int
    """Token with which the other one goes on."""


def preference(
    whitebox: WhiteBox, forks: Sequence[Fork], layers: Sequence[int], ledger: Ledger
) -> Float[Tensor, "forks layers hidden"]:
    """Return the gradient of log p(wanted) - log p(unwanted) in the last activation of each layer.

    Two answers that a model gave to one prompt share every token up to where they part, and
    with them every activation: their difference there is nothing, and the gradient takes its place.

    Args:
        whitebox: The model; its weights get no gradient.
        forks: At least one.
        layers: Indices of layers.
        ledger: Counts each pass forward and back as three forward.
    """
    module, device = whitebox.module, whitebox.device
    dtype = activation_dtype(module)
    hidden = module.config.get_text_config().hidden_size
    found = []
    for fork in forks:
        zeros = [
            torch.zeros(hidden, device=device, dtype=dtype, requires_grad=True) for _ in layers
        ]
        laid = Steering(tuple(Direction(i, z) for i, z in zip(layers, zeros, strict=True)))
        with whitebox.threaded(), torch.enable_grad(), steered(module, laid, _LAST):
            ids = torch.tensor([fork.shared], device=device)
            logits = whole_pass(module, ids).logits[0, -1]
            gap = logits[fork.wanted].float() - logits[fork.unwanted].float()
            pulls = torch.autograd.grad(gap, zeros)
        found.append(torch.stack([pull.float().cpu() for pull in pulls]))
        flops = whitebox.card.flops_per_token * _PASSES
        ledger.ran(prompt=len(fork.shared), flops_per_token=flops)
    return torch.stack(found)
