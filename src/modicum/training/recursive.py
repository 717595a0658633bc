"""Trains a recursive net by deep supervision: one update a supervision step, in slots that persist."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from modicum.ledger import Ledger
from modicum.nets.averaging import Averaged
from modicum.nets.recursive import Latent, RecursiveNet, Supervised
from modicum.nets.recursive_losses import ASKED_NOT, cross_entropy
from modicum.seeds import key
from modicum.training.board_recipe import BoardRecipe, train_boards
from modicum.training.distributed import own_part
from modicum.training.fit import Curve, Descent, Lesson, Taken
from modicum.training.launch import Alone, Ranks
from modicum.training.prior_looks import Boards, Looked, judged_loss, look
from modicum.training.recursive_slots import Slots

__all__ = [
    "LearnedRecursion",
    "RecursiveLesson",
    "RecursiveRecipe",
    "train_recursive",
]


@dataclass(frozen=True)
class RecursiveRecipe(BoardRecipe):
    """The same, and how often it is looked at: an update is one supervision step of every slot."""

    look_every: int = 8
    """Updates from one look at rollouts from the prior to the next, at least 1."""
    look_boards: int = 8
    """Boards of a look, at least 1."""
    look_width: int = 4
    """Trajectories of each; 1 where the net is deterministic."""
    first_beta: float = 10.0
    """What the weight of the divergence is multiplied by at first, above 0; 1 keeps it as it is."""
    beta_falls: float = 0.8
    """Share of the updates in which that falls to 1, by equal factors, in [0, 1].

    While the net knows nothing, a posterior that says the answer is cheap beside what it saves, and what
    has learned to wait for it says nothing without. What can be worked out is learned first this way.
    """

    def beta_factor(self, step: int) -> float:
        """Return the factor of the divergence's weight at an update, counted from 0."""
        done = min(1.0, step / (self.beta_falls * self.steps)) if self.beta_falls else 1.0
        return math.pow(self.first_beta, 1.0 - done)


@dataclass(frozen=True, eq=False)
class LearnedRecursion:
    """What came of it."""

    net: RecursiveNet
    """The moving average."""
    curves: tuple[Curve, ...]
    """Figures of each update."""


@final
class RecursiveLesson(Lesson):
    """The net, its moving average and its slots, as a checkpoint keeps them.

    Figures of an update: `loss`; `ce`, its cross-entropy; `kl`, nats of divergence an example over all
    transitions of a whole computation, of the slots that end; `exact` and `cells`, shares of whole
    answers and of tokens that equal their targets, of the same slots, whose noise is the posterior's; and
    of looks `prior_valid`, `distinct` and `judged`, the loss of the halt and the value head.

    Source: HRM and TRM (2506.21734, 2510.04871) for persistent slots; GRAM (2605.19376) for halting
    and value.
    Differs: a net with guidance learns halting and value from rollouts of its average from the prior,
    for what is learned on states of the posterior does not select.
    """

    def __init__(
        self,
        net: RecursiveNet,
        boards: Boards,
        recipe: RecursiveRecipe,
        name: str,
        joined: Ranks | None = None,
    ) -> None:
        """Take what is trained.

        Args:
            net: The net, on its device.
            boards: Where boards come from, `recipe.batch` an update, and what checks answers.
            recipe: How.
            name: Names the random streams; equal names, boards and threads give equal bits.
            joined: The processes that share the slots; this one alone where None.
        """
        self.net, self.averaged = net, Averaged(net, recipe.average)
        self.flops = net.shape.trained_flops
        self._boards, self._recipe, self._name = boards, recipe, name
        self._device = net.head.device
        self._joined = joined or Alone()
        self._own = own_part(recipe.batch, self._joined)
        self._share = (self._own.stop - self._own.start) / recipe.batch
        self.slots = Slots.empty(self._own.stop - self._own.start, net.shape, self._device)
        self._named = dict(net.named_parameters())

    @property
    def named(self) -> Mapping[str, nn.Parameter]:
        """What is trained, by name."""
        return self._named

    def state(self) -> dict[str, Tensor]:
        """Return a copy of the net, its average and all slots; every process has to ask."""
        found = super().state()
        found |= {f"averaged.{name}": part for name, part in self.averaged.state().items()}
        parts = self._joined.gather(self.slots.state())
        found |= {f"slots.{name}": torch.cat([part[name] for part in parts]) for name in parts[0]}
        return {**found, "first": self.net.get_buffer("first").cpu().clone()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Set it again."""
        super().load(state)
        self.averaged.load(_below(state, "averaged."))
        self.slots.load(_below(state, "slots."), self._own)
        for net in (self.net, self.averaged.net):
            net.get_buffer("first").copy_(state["first"])

    def step(self, number: int, curves: Sequence[Curve], descent: Descent) -> Taken:
        """Take one supervision step with every slot, and one update."""
        del curves
        recipe, shape, own = self._recipe, self.net.shape, self._own
        drawn = self._generator("noise", number)
        start = self.net.start(
            len(self.slots.age), self._normal(2, drawn) if shape.is_start_random else None
        )
        age = torch.zeros_like(self.slots.age)
        if number == 0:  # every slot gets an age of its own, so that each update sees all ages
            age = torch.arange(recipe.batch, device=self._device)[own] % shape.n_steps
        if shape.halting:
            chance = torch.rand((2, recipe.batch), generator=drawn, device=self._device)
            self.slots.explore(shape.n_steps, chance[:, own])
        questions, targets = self._boards.drawn(number, self._device)
        self.slots.refill((questions[own], targets[own]), start, age)
        looked = None
        if (number + 1) % recipe.look_every == 0:
            size = (recipe.look_boards, recipe.look_width if shape.is_guided else 1)
            seen = self._generator("look", number)
            looked = look(self.averaged.net, self._boards, number, size, seen)
        beta = shape.beta * recipe.beta_factor(number)
        figures, norm = descent.take(lambda: self._backward(drawn, looked, beta))
        self.averaged.follow(number)
        told = looked.figures if looked is not None else {}
        tokens = recipe.batch * shape.length
        return Taken({**figures, "grad_norm": norm, **told}, (tokens,))

    def _generator(self, what: str, number: int) -> torch.Generator:
        seed = key("recursive", self._name, what, number) >> 1  # torch takes 63 bits
        return torch.Generator(self._device).manual_seed(seed)

    def _normal(
        self, draws: int, drawn: torch.Generator
    ) -> Float[Tensor, "draws slots places width"]:
        """Draw for all slots, so that each has its own noise however many processes share them."""
        size = (draws, self._recipe.batch, *self.slots.high.shape[1:])
        return torch.randn(size, generator=drawn, device=self._device)[:, self._own]

    def _backward(
        self, drawn: torch.Generator, looked: Looked | None, beta: float
    ) -> dict[str, float]:
        """Leave the gradient of one supervision step and put the slots on; return its figures."""
        slots, shape, net = self.slots, self.net.shape, self.net
        latent, noise = slots.latent, None
        if shape.noise:
            moved = self._normal(2, drawn) * shape.noise
            latent = Latent(latent.high + moved[0], latent.low + moved[1])
        if shape.is_guided:
            noise = self._normal(shape.n_outer, drawn).transpose(0, 1)
        injected = net.encode(slots.questions)
        done = net.supervise(latent, injected, slots.targets, noise)
        ce = cross_entropy(done.logits, slots.targets, shape.loss).mean()
        loss = ce + beta * done.charged.mean() if shape.is_guided else ce
        right = (done.logits.detach().argmax(-1) == slots.targets) | (slots.targets == ASKED_NOT)
        told, whole, halt = {"loss": loss, "ce": ce}, loss, None
        if shape.halting and not shape.is_guided:
            known = right.all(1).float(), right.float().mean(1)
            told["judged"], halt = judged_loss(net, (done.latent.high, injected), known)
        elif looked is not None:
            told["judged"], _ = judged_loss(net, looked.read, looked.known)
        whole = loss + told["judged"] if "judged" in told else loss
        if self._joined.count > 1:
            # gradients are added up; a look is the same everywhere, so that a share of it is due of each
            whole = whole * self._share
        if shape.halting and halt is None:
            with torch.no_grad():
                halt = net.judge(done.latent.high, injected)[:, 0]
        whole.backward()
        return self._put_on(done, right, halt, told)

    def _put_on(
        self,
        done: Supervised,
        right: Bool[Tensor, "slots length"],
        halt: Tensor | None,
        told: Mapping[str, Tensor],
    ) -> dict[str, float]:
        """Put the slots on; return the figures, brought over from the device at once."""
        slots, shape = self.slots, self.net.shape
        slots.go_on(done.latent, done.nats, shape.n_steps, halt)
        over = slots.over.float()
        sums = {
            "kl": (slots.nats * over).sum(),
            "exact": (right.all(1) * over).sum(),
            "cells": (right.float().mean(1) * over).sum(),
        }
        names = [*told, *sums, "over"]
        means = [value * self._share for value in told.values()]
        values = torch.stack([*means, *sums.values(), over.sum()]).detach()
        if self._joined.count > 1:
            values = self._joined.add(values)
        figures = dict(zip(names, values.tolist(), strict=True))
        count = figures.pop("over")
        for name in sums:
            total = figures.pop(name)
            if count and (name != "kl" or shape.is_guided):
                figures[name] = total / count
        return figures


def train_recursive(
    net: RecursiveNet,
    boards: Boards,
    recipe: RecursiveRecipe,
    name: str,
    ledger: Ledger,
    checkpoint: Path | None = None,
    joined: Ranks | None = None,
) -> LearnedRecursion:
    """Train a net in place; return its moving average.

    Args:
        net: The net, on its device.
        boards: Where boards come from, `recipe.batch` an update, and what checks answers.
        recipe: How.
        name: Names the random streams; equal names, boards and threads give equal bits.
        ledger: Counts updates; positions of the slots count as trained tokens.
        checkpoint: File that a killed run goes on from; none where None.
        joined: The processes that share each update; this one alone where None.

    Raises:
        TrialError: a loss or a gradient that is not finite.
        ConfigError: fewer boards an update than processes.
    """
    joined = joined or Alone()
    lesson = RecursiveLesson(net, boards, recipe, name, joined)
    curves = train_boards(lesson, net, recipe, name, ledger, (checkpoint, joined))
    return LearnedRecursion(lesson.averaged.net, curves)


def _below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): part for n, part in state.items() if n.startswith(prefix)}
