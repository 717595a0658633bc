"""Teaches a trained net's halt and value head alone, on rollouts as deep as those that will halt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import torch
from torch import Tensor, nn

from modicum.ledger import Ledger
from modicum.nets.recursive import Latent, RecursiveNet
from modicum.nets.recursive_shape import RecursiveShape
from modicum.seeds import key
from modicum.training.board_recipe import BoardRecipe
from modicum.training.checkpoint import Checkpoint
from modicum.training.fit import Course, Curve, Descent, Lesson, Taken, fit
from modicum.training.prior_looks import Boards, judged_loss

__all__ = ["Judging", "learn_to_judge"]

_DEPTH = 16
"""Supervision steps of a rollout after training, unless training itself takes more: as in the papers."""
_SHARE = 0.25
"""What it takes at most of what the training took."""
_HEADS = ("looks.", "judging")
"""Names of what reads halting and value off a state."""


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

    @classmethod
    def after(cls, recipe: BoardRecipe, shape: RecursiveShape) -> "Judging":
        """Return what follows a training, in proportion to it: as long as takes a quarter of its FLOPs.

        That is 20 rounds (GRAM), or 14 (deterministic nets, whose own updates are cheaper), after 1,800
        updates in miniature, and a fifth of their processor time. GRAM at 4 x 4 then halts after about 9
        steps of 16 at the validity of all; three times the rounds bring that down to 6, for half of it.

        Args:
            recipe: The training.
            shape: Of the net.
        """
        size = cls(
            depth=max(_DEPTH, shape.n_steps),
            trajectories=2 * recipe.batch,
            batch=4 * recipe.batch,
        )
        trained = 3 * recipe.steps * recipe.batch * shape.trained_flops
        return replace(size, rounds=max(1, int(_SHARE * trained / size.flops(shape))))

    def flops(self, shape: RecursiveShape) -> float:
        """Return the FLOPs of a round, for one position of the sequence."""
        rolled = self.trajectories * self.depth * shape.step_flops
        return rolled + 3 * self.updates * self.batch * shape.judge_flops


def learn_to_judge(
    net: RecursiveNet,
    boards: Boards,
    how: Judging,
    name: str,
    ledger: Ledger,
    checkpoint: Path | None = None,
) -> tuple[float, ...]:
    """Train what reads halting and value off a state, in place; return the loss of every round.

    While a net learns, its heads see few states, of a net that still changes and never beyond the depth
    of training. A head that halts is asked again after every step, so that each weakness of it counts
    many times over; it has to tell right from wrong where trajectories stay wrong.

    Args:
        net: Whose heads; nothing else of it changes.
        boards: Where boards come from, and what checks answers.
        how: How long.
        name: Names the random streams and the checkpoint.
        ledger: Counts the rollouts as part of what the updates take.
        checkpoint: File that a killed run goes on from, at the round that it had reached; none where None.

    Raises:
        TrialError: a loss or a gradient that is not finite.
    """
    lesson = _JudgingLesson(net, boards, how, name)
    parts = list(lesson.named.values())
    needed = [part.requires_grad for part in parts]
    for part in parts:
        part.requires_grad_(True)
    optimiser = torch.optim.AdamW(parts, lr=how.learning_rate, betas=(0.9, 0.95), weight_decay=0.1)
    ledger.says("training the halting head")
    course = Course(
        how.rounds,
        says=lambda curves: ledger.says(
            f"training the halting head, round {len(curves)} of {how.rounds}"
        ),
    )
    kept = Checkpoint(checkpoint, lesson, optimiser, ledger, name=f"{name}/judging")
    descent = Descent(optimiser, parts, clip=float("inf"))
    found = fit(lesson, descent, course, ledger, kept, kept.restore())
    for part, need in zip(parts, needed, strict=True):
        part.requires_grad_(need).grad = None
    return tuple(curve["loss"] for curve in found.curves)


@final
class _JudgingLesson(Lesson):
    """The heads alone; a step is a round: rollouts, then updates on their states."""

    def __init__(self, net: RecursiveNet, boards: Boards, how: Judging, name: str) -> None:
        self._net, self._boards, self._how, self._name = net, boards, how, name
        self.flops = how.flops(net.shape) / (3 * how.updates * how.batch)

    @property
    def named(self) -> Mapping[str, nn.Parameter]:
        return {n: part for n, part in self._net.named_parameters() if n.startswith(_HEADS)}

    def step(self, number: int, curves: Sequence[Curve], descent: Descent) -> Taken:
        """Roll out, then learn from what came of it."""
        del curves
        net, how = self._net, self._how
        seed = key("judging", self._name, number) >> 1  # torch takes 63 bits
        drawn = torch.Generator(net.head.device).manual_seed(seed)
        states = _rolled(net, self._boards, how, number, drawn)
        figures: dict[str, float] = {}
        for update in range(how.updates):
            done = (number * how.updates + update) / (how.rounds * how.updates)
            for group in descent.optimiser.param_groups:
                group["lr"] = how.learning_rate * min(1.0, 2 * (1 - done))
            loss, norm = descent.take(lambda: _backward(net, states, how.batch, drawn))
            figures = {"loss": loss, "grad_norm": norm}
        return Taken(figures, (how.batch * net.shape.length,) * how.updates)


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


def _backward(net: RecursiveNet, states: _States, batch: int, drawn: torch.Generator) -> float:
    """Leave the gradient of the heads' loss on states drawn evenly from a round; return the loss."""
    depth, rows = states.right.shape
    chosen = torch.rand((2, batch), generator=drawn, device=states.right.device)
    step, row = (chosen[0] * depth).long(), (chosen[1] * rows).long()
    read = states.high[step, row], states.injected[row]
    loss, _ = judged_loss(net, read, (states.right[step, row], states.right[-1, row]))
    loss.backward()
    return float(loss.detach())
