"""One step of an energy net: from a state to one whose candidates fit better."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from modicum.nets.energy import EnergyNet
from modicum.nets.grid import BLANK

__all__ = ["AskedBoards", "stepped"]


@dataclass(frozen=True, eq=False)
class AskedBoards:
    """What every step needs of its questions."""

    encoded: Float[Tensor, "rows length width"]
    is_open: Bool[Tensor, "rows length 1"]
    """Where nothing is given: the candidates elsewhere are what is given, and never move."""
    given: Float[Tensor, "rows length vocabulary"]
    """1 at the id of the question."""

    @classmethod
    def of(cls, net: EnergyNet, questions: Int[Tensor, "rows length"]) -> "AskedBoards":
        """Encode questions; the gradient of the encoding is kept where gradients are."""
        given = functional.one_hot(questions, net.shape.vocabulary).to(net.head.dtype)
        return cls(net.encode(questions), (questions == BLANK)[..., None], given)

    def candidates(
        self, state: Float[Tensor, "rows length vocabulary"]
    ) -> Float[Tensor, "rows length vocabulary"]:
        """Return the distributions that a state stands for."""
        return torch.where(self.is_open, state.softmax(-1), self.given)

    def chosen(self, places: Tensor) -> "AskedBoards":
        """Return some of the rows."""
        return type(self)(self.encoded[places], self.is_open[places], self.given[places])


def stepped(
    net: EnergyNet,
    asked: AskedBoards,
    state: Float[Tensor, "rows length vocabulary"],
    size: Float[Tensor, "rows 1 1"] | float | Tensor,
    *,
    has_graph: bool,
) -> tuple[Float[Tensor, "rows length vocabulary"], Float[Tensor, " rows"]]:
    """Return the next state, and the energy of the one before (zeros of a net that reads logits).

    With p = softmax(y), step size a and energy E, the released rule is y <- p - a dE/dp: it starts anew
    from the probabilities at each step, which the paper's y <- y - a dE/dy does not say.

    Source: Gladstone et al. 2025 (2507.02092) and its released code.

    Args:
        net: The net; its step size is not asked.
        asked: The questions.
        state: Logits; a gradient flows into it only if it has one.
        size: What the gradient is multiplied by.
        has_graph: Whether the next state has a gradient with respect to the net's weights.
    """
    shape = net.shape
    if shape.reads == "logits":
        with torch.set_grad_enabled(has_graph):
            read = net.read(asked.encoded, asked.candidates(state))
        return read, read.new_zeros(len(read))
    with torch.enable_grad():
        # of a state that nothing flows into the gradient is still asked for
        state = state if state.requires_grad else state.detach().requires_grad_()
        candidates = asked.candidates(state)
        if shape.update in ("prob_reset", "probability_only") and not has_graph:
            candidates = candidates.detach().requires_grad_()
        energy = net.energy(asked.encoded, candidates)
        along = candidates if shape.update in ("prob_reset", "probability_only") else state
        [slope] = torch.autograd.grad(energy.sum(), [along], create_graph=has_graph)
        start = candidates if shape.update in ("prob_reset", "reset_only") else state
        after = start - size * slope
    energy = energy.detach()
    return (after, energy) if has_graph else (after.detach(), energy)
