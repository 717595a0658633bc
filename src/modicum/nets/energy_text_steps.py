"""Steps down the energy of an autoregressive net: what training differentiates and thinking repeats."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from modicum.nets.energy_text import Observed
from modicum.nets.energy_text_blocks import Places
from modicum.nets.energy_text_slopes import Slopes

__all__ = ["StepDown", "step_down"]


@dataclass(frozen=True, eq=False)
class StepDown:
    """One step that was taken."""

    state: Float[Tensor, "rows places vocabulary"]
    """Logits after it."""
    energies: Float[Tensor, "rows places"]
    """Of the candidates that it began from."""


def step_down(
    slopes: Slopes,
    seen: tuple[Observed, Places],
    state: Float[Tensor, "rows places vocabulary"],
    landscape: int,
    size: float | Tensor,
    *,
    is_learned: bool,
) -> StepDown:
    """Take one step: p = softmax(y), then y <- p - size dE/dp, or y <- y - size dE/dy.

    The energies are summed before the gradient: none depends on another's candidate.

    Args:
        slopes: Of the net as its weights stand.
        seen: Of the ids, and where the candidates stand.
        state: Logits; a graph that they carry goes on through a step that is learned.
        landscape: Of the step.
        size: Of the step, a number or one a position `[rows, places, 1]`.
        is_learned: Whether the gradient has a gradient of its own, so that it can be learned.

    Source: Gladstone et al. 2025, the released form; the paper writes the second one.
    """
    with torch.set_grad_enabled(is_learned):
        candidates = state.softmax(-1)
        slope, energies = slopes(seen, candidates, landscape, is_learned=is_learned)
        if slopes.net.shape.update == "logit_accumulate":
            inner = (candidates * slope).sum(-1, keepdim=True)
            return StepDown(state - size * (candidates * (slope - inner)), energies)
        return StepDown(candidates - size * slope, energies)
