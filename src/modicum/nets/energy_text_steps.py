"""Steps down the energy of an autoregressive net: what training differentiates and thinking repeats."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from modicum.nets.energy_text import EnergyTextNet, Observed
from modicum.nets.energy_text_blocks import Places

__all__ = ["Step", "step_down"]


@dataclass(frozen=True, eq=False)
class Step:
    """One step that was taken."""

    state: Float[Tensor, "rows places vocabulary"]
    """Logits after it."""
    energies: Float[Tensor, "rows places"]
    """Of the candidates that it began from."""


def step_down(
    net: EnergyTextNet,
    seen: tuple[Observed, Places],
    state: Float[Tensor, "rows places vocabulary"],
    landscape: int,
    size: float | Tensor,
    *,
    is_learned: bool,
) -> Step:
    """Take one step: p = softmax(y), then y <- p - size dE/dp, or y <- y - size dE/dy.

    The energies are summed before the gradient: none depends on another's candidate.

    Args:
        net: Whose energy it is.
        seen: Of the ids, and where the candidates stand.
        state: Logits; where they carry a graph it goes on through the step.
        landscape: Of the step.
        size: Of the step, a number or one a position `[rows, places, 1]`.
        is_learned: Whether the gradient gets a graph of its own, so that it can be learned.

    Source: Gladstone et al. 2025, the released form; the paper writes the second one.
    """
    observed, places = seen
    with torch.enable_grad():
        if not state.requires_grad:
            state = state.detach().requires_grad_()
        candidates = state.softmax(-1)
        resets = net.shape.update == "prob_reset"
        begun = candidates if resets else state
        energies = net.energies(observed, candidates, places, landscape)
        (slope,) = torch.autograd.grad(energies.sum(), begun, create_graph=is_learned)
    if not is_learned:
        begun = begun.detach()
    return Step(begun - size * slope, energies.detach())
