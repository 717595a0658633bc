"""Looks at what a recursive net says without the answer: rollouts from its prior while it trains."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from modicum.nets.recursive import Latent, RecursiveNet
from modicum.nets.recursive_losses import ASKED_NOT

__all__ = ["Boards", "Looked", "judged_loss", "look"]


@dataclass(frozen=True)
class Boards:
    """Where boards come from, and what says whether an answer is right."""

    draw: Callable[[int], tuple[Tensor, Tensor]]
    """Questions and targets of an update, `[batch, length]` each; depends on its number alone."""
    checker: Callable[[Tensor, Tensor], Tensor] | None = None
    """Says of each question and answer, `[rows, length]`, whether it is right; equality with the target
    where None, which calls other solutions wrong."""
    answered: tuple[bool, ...] = ()
    """Positions whose targets count; all where empty."""

    def drawn(
        self, number: int, device: torch.device
    ) -> tuple[Int[Tensor, "batch length"], Int[Tensor, "batch length"]]:
        """Return questions and targets of an update, `ASKED_NOT` where a target counts for nothing."""
        questions, targets = (part.to(device) for part in self.draw(number))
        if self.answered:
            counts = torch.tensor(self.answered, device=device)
            targets = torch.where(counts, targets, ASKED_NOT)
        return questions, targets

    def right(
        self,
        questions: Int[Tensor, "rows length"],
        targets: Int[Tensor, "rows length"],
        answers: Int[Tensor, "rows length"],
    ) -> Bool[Tensor, " rows"]:
        """Return whether answers are right."""
        if self.checker is not None:
            return self.checker(questions, answers).to(questions.device)
        return ((answers == targets) | (targets == ASKED_NOT)).all(1)


@dataclass(frozen=True, eq=False)
class Looked:
    """Rollouts from the prior, and what the heads are to say of every state."""

    read: tuple[Float[Tensor, "states places width"], Float[Tensor, "states places width"]]
    """What is decoded of each state, and its question."""
    known: tuple[Float[Tensor, " states"], Float[Tensor, " states"]]
    """Whether the state's answer is right; whether its trajectory's last one is, or that one's share of
    right tokens where there is no checker."""
    figures: dict[str, float]
    """`prior_valid`, the share of right answers; `distinct`, different answers to a board by its
    trajectories, as a share of them."""


@torch.no_grad()
def look(
    net: RecursiveNet, boards: Boards, number: int, size: tuple[int, int], drawn: torch.Generator
) -> Looked:
    """Roll out from the prior on the first boards of an update.

    Args:
        net: Whose rollouts.
        boards: Where boards come from.
        number: The update.
        size: Boards, and trajectories of each.
        drawn: Source of the noise.
    """
    shape, device = net.shape, net.head.device
    questions, targets = boards.drawn(number, device)
    asked, known = (part[: size[0]].repeat_interleave(size[1], 0) for part in (questions, targets))
    rows, injected = len(asked), net.encode(asked)
    state = (rows, shape.places, shape.width)
    random = None
    if shape.is_start_random:
        random = torch.randn((2, *state), generator=drawn, device=device)
    latent, high, answers = net.start(rows, random), [], []
    for _ in range(shape.n_steps):
        noise = torch.randn((rows, shape.n_outer, *state[1:]), generator=drawn, device=device)
        latent = net.advance(Latent(latent.high, latent.low), injected, noise)
        high.append(latent.high)
        answers.append(net.decode(latent.high).argmax(-1))
    every = shape.n_steps
    halt = boards.right(asked.repeat(every, 1), known.repeat(every, 1), torch.cat(answers)).float()
    value = halt[-rows:]
    if boards.checker is None:
        hits = ((answers[-1] == known) & (known != ASKED_NOT)).sum(1)
        value = hits / (known != ASKED_NOT).sum(1).clamp(min=1)
    groups = answers[-1].masked_fill(known == ASKED_NOT, 0).view(-1, size[1], shape.length)
    differ = [len(torch.unique(group, dim=0)) for group in groups]
    figures = {
        "prior_valid": float(halt[-rows:].mean()),
        "distinct": sum(differ) / rows,
    }
    read = torch.cat(high), injected.repeat(every, 1, 1)
    return Looked(read, (halt, value.repeat(every)), figures)


def judged_loss(
    net: RecursiveNet,
    read: tuple[Float[Tensor, "states places width"], Float[Tensor, "states places width"]],
    known: tuple[Float[Tensor, " states"], Float[Tensor, " states"]],
) -> tuple[Float[Tensor, ""], Float[Tensor, " states"]]:
    """Return the loss of the halt and the value head, and the halt logits.

    Cross-entropy for halting, squared error for the value; no gradient reaches the states.

    Args:
        net: Whose heads.
        read: What is decoded of each state, and its question (`RecursiveNet.encode`).
        known: Whether to halt, and the value, each between 0 and 1.
    """
    judged = net.judge(*read)
    halted = functional.binary_cross_entropy_with_logits(judged[:, 0], known[0])
    return halted + functional.mse_loss(judged[:, 1].sigmoid(), known[1]), judged[:, 0].detach()
