"""Trains an autoregressive energy net: cross-entropy of the next id, back through steps down its energy."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from modicum.ledger import Ledger
from modicum.nets.averaging import Averaged
from modicum.nets.energy_text import EnergyTextNet
from modicum.nets.energy_text_slopes import Slopes
from modicum.nets.energy_text_steps import step_down
from modicum.seeds import stream
from modicum.training.board_recipe import BoardRecipe, train_boards
from modicum.training.fit import Curve, Descent, Lesson, Taken
from modicum.training.launch import Alone, Ranks
from modicum.training.replays import Replays

__all__ = ["EnergyTextLesson", "LearnedEnergyText", "train_energy_text"]


@dataclass(frozen=True, eq=False)
class LearnedEnergyText:
    """What came of it."""

    net: EnergyTextNet
    """The moving average."""
    curves: tuple[Curve, ...]
    """Figures of each update."""


@final
class EnergyTextLesson(Lesson):
    """The net, its moving average and its replays, as a checkpoint keeps them.

    Figures of an update, all in nats a token but the last two: `loss`; `first_step` and `last_step`,
    cross-entropies after those; `fall`, how far the mean energy falls from the first step to the last
    that it is taken at; `steps`, of this update.

    Source: Gladstone et al. 2025 (2507.02092), recipes S1 and S2.
    """

    def __init__(
        self, net: EnergyTextNet, texts: Callable[[int], Tensor], recipe: BoardRecipe, name: str
    ) -> None:
        """Take what is trained.

        Args:
            net: The net, on its device.
            texts: Gives the ids of an update, `[batch, places + 1]`.
            recipe: How.
            name: Names the random streams; what an update draws depends on it and its number alone.
        """
        self.net, self.averaged = net, Averaged(net, recipe.average)
        self._texts, self._name, shape = texts, name, net.shape
        self._named = dict(net.named_parameters())
        self.flops = shape.training_flops((shape.least_steps + shape.most_steps) / 2) / 3
        self.rate_factors = {"step_size": shape.step_size_rate * shape.step_size}
        self._replays = Replays(shape.replays, shape.length, shape.vocabulary)

    @property
    def named(self) -> Mapping[str, nn.Parameter]:
        """What is trained, by name."""
        return self._named

    def state(self) -> dict[str, Tensor]:
        """Return a copy of the net, its average and the replays."""
        average = self.averaged.state().items()
        kept = self._replays.state().items()
        return {
            **super().state(),
            **{f"averaged.{name}": part for name, part in average},
            **{f"replays.{name}": part for name, part in kept},
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """Set it again."""
        super().load(state)
        self.averaged.load({name: state[f"averaged.{name}"] for name in self._named})
        self._replays.load({name: state[f"replays.{name}"] for name in self._replays.state()})

    def step(self, number: int, curves: Sequence[Curve], descent: Descent) -> Taken:
        """Take one update with the texts of its number."""
        del curves
        rng = stream("energy text", self._name, number)
        ids, shape = self._texts(number), self.net.shape
        begun = _normal(rng, (len(ids), ids.shape[1] - 1, shape.vocabulary))
        fresh = len(ids)
        if shape.replays:
            ids, begun = self._replays.joined(ids, begun, rng)
        (figures, last), norm = descent.take(lambda: self._backward(ids, begun, rng))
        if shape.replays:
            self._replays.keep(ids[:fresh], last[:fresh])
        self.averaged.follow(number)
        return Taken({**figures, "grad_norm": norm}, (ids[:, :-1].numel(),))

    def _backward(
        self, ids: Tensor, begun: Tensor, rng: np.random.Generator
    ) -> tuple[dict[str, float], Tensor]:
        """Leave the gradient; return the figures and the last state."""
        net, shape = self.net, self.net.shape
        ids, state = ids.to(net.device), begun.to(net.device)
        wanted = ids[:, 1:].flatten()
        observations, places = net.observations(ids[:, :-1]), net.places(ids.shape[1] - 1)
        steps = int(rng.integers(shape.least_steps, shape.most_steps + 1))
        slopes, size = Slopes(net), net.size_of_step()
        if shape.jitter > 1:
            drawn = rng.uniform(1 / shape.jitter, shape.jitter, (*state.shape[:2], 1))
            size = size * torch.from_numpy(drawn).float().to(net.device)
        losses, energies = [], []
        for number in range(steps):
            if shape.noise:
                added = _normal(rng, tuple(state.shape)).to(net.device)
                state = state.add(added, alpha=shape.noise)
            landscape = shape.landscape(number)
            is_last = number + 1 == steps
            is_learned = is_last or not shape.is_truncated
            if shape.detaches:
                state = state.detach()
            step = step_down(
                slopes,
                (observations(landscape), places),
                state,
                landscape,
                size,
                is_learned=is_learned,
            )
            state = step.state
            energies.append(step.energies.mean())
            losses.append(functional.cross_entropy(state.flatten(0, 1), wanted))
        loss = torch.stack(losses).mean() if shape.loss == "every" else losses[-1]
        loss.backward()
        fall = energies[0] - energies[-1]
        values = torch.stack((loss, losses[0], losses[-1], fall)).tolist()
        names = ("loss", "first_step", "last_step", "fall")
        return {**dict(zip(names, values, strict=True)), "steps": steps}, state.detach()


def _normal(rng: np.random.Generator, size: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(rng.standard_normal(size, dtype=np.float32))


def train_energy_text(
    net: EnergyTextNet,
    texts: Callable[[int], Tensor],
    recipe: BoardRecipe,
    name: str,
    ledger: Ledger,
    shared: tuple[Path | None, Ranks] | None = None,
) -> LearnedEnergyText:
    """Train a net in place; return its moving average.

    Args:
        net: The net, on its device.
        texts: Gives the ids of an update, `[batch, places + 1]`.
        recipe: How.
        name: Names the checkpoint and the random streams; equal texts and threads give equal bits.
        ledger: Counts updates and tokens.
        shared: File that a killed run goes on from, none where None; and the processes that train.

    Raises:
        TrialError: a loss or a gradient that is not finite.
    """
    net.train()
    lesson = EnergyTextLesson(net, texts, recipe, name)
    curves = train_boards(lesson, net, recipe, name, ledger, shared or (None, Alone()))
    return LearnedEnergyText(lesson.averaged.net, curves)
