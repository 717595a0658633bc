"""Teaches a trained net's halt and value head alone, on rollouts as deep as those that will halt."""

from dataclasses import dataclass

import torch
from torch import Tensor

from modicum.ledger import Ledger
from modicum.nets.recursive import Latent, RecursiveNet
from modicum.seeds import key
from modicum.training.prior_looks import Boards, judged_loss

__all__ = ["Judging", "learn_to_judge"]


@dataclass(frozen=True)
class Judging:
    """How long, and on what."""

    rounds: int = 60
    """Rounds of rollouts, at least 1; each takes boards of its own."""
    updates: int = 16
    """Updates a round, at least 1."""
    depth: int = 16
    """Supervision steps of a rollout, at least 1; as many as answers will be given."""
    trajectories: int = 256
    """Of a round, each of another board as far as a draw has so many."""
    batch: int = 512
    """States of an update."""
    learning_rate: float = 1.5e-3


def learn_to_judge(
    net: RecursiveNet, boards: Boards, how: Judging, name: str, ledger: Ledger
) -> tuple[float, ...]:
    """Train what reads halting and value off a state, in place; return the loss of every round.

    While a net learns, its heads see few states, of a net that still changes and never beyond the depth
    of training. A head that halts is asked again after every step, so that each weakness of it counts
    many times over; it has to tell right from wrong where trajectories stay wrong.

    Args:
        net: Whose heads; nothing else of it changes.
        boards: Where boards come from, and what checks answers.
        how: How long.
        name: Names the random streams.
        ledger: Counts the rollouts as trained tokens.
    """
    parts = [net.judging, net.judging_first, *(net.looks.parameters() if net.looks else ())]
    needed = [part.requires_grad for part in parts]
    for part in parts:
        part.requires_grad_(True)
    optimiser = torch.optim.AdamW(parts, lr=how.learning_rate, betas=(0.9, 0.95), weight_decay=0.1)
    losses, total = [], how.rounds * how.updates
    for number in range(how.rounds):
        seed = key("judging", name, number) >> 1  # torch takes 63 bits
        drawn = torch.Generator(net.head.device).manual_seed(seed)
        states = _rolled(net, boards, how, number, drawn)
        loss = torch.zeros(())
        for update in range(how.updates):
            done = number * how.updates + update
            for group in optimiser.param_groups:
                group["lr"] = how.learning_rate * min(1.0, 2 * (1 - done / total))
            optimiser.zero_grad()
            loss = _loss(net, states, how.batch, drawn)
            loss.backward()
            optimiser.step()
        losses.append(float(loss.detach()))
        tokens = how.trajectories * how.depth * net.shape.length
        ledger.trained(tokens, net.shape.step_flops / 3)
    for part, need in zip(parts, needed, strict=True):
        part.requires_grad_(need).grad = None
    return tuple(losses)


@dataclass(frozen=True, eq=False)
class _States:
    """Where trajectories stood after every step."""

    high: Tensor
    """`[depth, trajectories, places, width]`."""
    injected: Tensor
    """`[trajectories, places, width]`."""
    right: Tensor
    """`[depth, trajectories]`, 1 where the answer was right."""


@torch.no_grad()
def _rolled(
    net: RecursiveNet, boards: Boards, how: Judging, number: int, drawn: torch.Generator
) -> _States:
    """Roll out from the prior on boards of this round alone."""
    asked, known = boards.drawn(number, net.head.device)
    while len(asked) < how.trajectories:
        asked, known = torch.cat((asked, asked)), torch.cat((known, known))
    asked, known = asked[: how.trajectories], known[: how.trajectories]
    injected, device = net.encode(asked), asked.device
    random = None
    if net.shape.is_start_random:
        random = torch.randn((2, *injected.shape), generator=drawn, device=device)
    latent = net.start(len(asked), random)
    high, right = [], []
    for _ in range(how.depth):
        size = (len(asked), net.shape.n_outer, *injected.shape[1:])
        noise = torch.randn(size, generator=drawn, device=device)
        latent = net.advance(Latent(latent.high, latent.low), injected, noise)
        high.append(latent.high)
        right.append(boards.right(asked, known, net.decode(latent.high).argmax(-1)).float())
    return _States(torch.stack(high), injected, torch.stack(right))


def _loss(net: RecursiveNet, states: _States, batch: int, drawn: torch.Generator) -> Tensor:
    """Return the heads' loss on states drawn evenly from a round."""
    depth, rows = states.right.shape
    chosen = torch.rand((2, batch), generator=drawn, device=states.right.device)
    step, row = (chosen[0] * depth).long(), (chosen[1] * rows).long()
    read = states.high[step, row], states.injected[row]
    loss, _ = judged_loss(net, read, (states.right[step, row], states.right[-1, row]))
    return loss
