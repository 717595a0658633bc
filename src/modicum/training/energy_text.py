"""Trains an autoregressive energy net: cross-entropy of the next id, back through steps down its energy."""

from collections.abc import Mapping
from typing import final

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional

from modicum.errors import ConfigError
from modicum.nets.energy_text import EnergyTextNet
from modicum.nets.energy_text_slopes import Slopes
from modicum.nets.energy_text_steps import step_down
from modicum.seeds import stream
from modicum.training.launch import Ranks
from modicum.training.replays import Replays
from modicum.training.text_learner import TextBatches, TextRecipe
from modicum.training.text_lesson import TextLesson

__all__ = ["EnergyTextLesson"]


@final
class EnergyTextLesson(TextLesson[EnergyTextNet]):
    """The net, its moving average and its replays, as a checkpoint keeps them.

    Figures of an update: `loss`; `first_step` and `last_step`, nats a token after those; `fall`, how much
    lower the mean energy is where the last step begins than where the first did; `steps`.

    Source: Gladstone et al. 2025 (2507.02092), recipes S1 and S2.
    """

    def __init__(
        self,
        net: EnergyTextNet,
        batches: TextBatches,
        recipe: TextRecipe,
        name: str,
        joined: Ranks | None = None,
    ) -> None:
        """Take what is trained.

        Args:
            net: The net, on its device.
            batches: Where windows come from.
            recipe: How.
            name: Names the random streams; what an update draws depends on it and its number alone.
            joined: The processes that share the windows of an update; this one alone where None.

        Raises:
            ConfigError: replays that several processes would share, or fewer windows than processes.
        """
        super().__init__(net, batches, recipe, joined)
        self._name, self._batch, shape = name, recipe.batch, net.shape
        if shape.replays and self._joined.count > 1:
            raise ConfigError(
                f"replays of {shape.replays} sequences on {self._joined.count} processes",
                "replays on one process: each window's state must stay with it",
                "set replays = 0, or train on one",
            )
        self.flops = shape.training_flops((shape.least_steps + shape.most_steps) / 2) / 3
        if shape.is_step_size_learned:
            self.rate_factors = {"step_size": shape.step_size_rate * shape.step_size}
        self._replays = Replays(shape.replays, batches.length, shape.vocabulary)
        if shape.replays:
            self.flops *= 1.5

    def state(self) -> dict[str, Tensor]:
        """Return a copy of the net, its average and the replays."""
        kept = self._replays.state().items()
        return {**super().state(), **{f"replays.{name}": part for name, part in kept}}

    def load(self, state: dict[str, Tensor]) -> None:
        """Set it again."""
        super().load(state)
        self._replays.load({name: state[f"replays.{name}"] for name in self._replays.state()})

    def losses(
        self, ids: Int[Tensor, "rows places"], number: int, first: int
    ) -> Mapping[str, Tensor]:
        """Return the figures of windows; a window's draws are those of its place in the whole update."""
        rng = stream("energy text", self._name, number)
        own, fresh = slice(first, first + len(ids)), len(ids)
        size = (self._batch, ids.shape[1] - 1, self.net.shape.vocabulary)
        state = _normal(rng, size)[own].to(self._device)
        if self._replays.most:
            ids, state = self._replays.joined(ids, state, rng)
        figures, last = self._descended(ids, state, rng, own)
        if self._replays.most:
            self._replays.keep(ids[:fresh], last[:fresh])
        return figures

    def _descended(
        self, ids: Tensor, state: Tensor, rng: np.random.Generator, own: slice
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Return the figures and the last state."""
        net, shape = self.net, self.net.shape
        extra = len(ids) - (own.stop - own.start)
        whole = self._batch + extra
        own = slice(own.start, own.stop + extra)
        wanted = ids[:, 1:].flatten()
        observations, places = net.observations(ids[:, :-1]), net.places(ids.shape[1] - 1)
        steps = int(rng.integers(shape.least_steps, shape.most_steps + 1))
        slopes, size = Slopes(net), net.size_of_step()
        if shape.jitter > 1:
            drawn = rng.uniform(1 / shape.jitter, shape.jitter, (whole, state.shape[1], 1))
            size = size * torch.from_numpy(drawn).float()[own].to(self._device)
        losses, energies = [], []
        for number in range(steps):
            if shape.noise:
                added = _normal(rng, (whole, *state.shape[1:]))[own].to(self._device)
                state = state.add(added, alpha=shape.noise)
            landscape = shape.landscape(number)
            step = step_down(
                slopes,
                (observations(landscape), places),
                state.detach() if shape.detaches else state,
                landscape,
                size,
                is_learned=number + 1 == steps or not shape.is_truncated,
            )
            state = step.state
            energies.append(step.energies.mean())
            losses.append(functional.cross_entropy(state.flatten(0, 1), wanted))
        return {
            "loss": torch.stack(losses).mean() if shape.loss == "every" else losses[-1],
            "first_step": losses[0],
            "last_step": losses[-1],
            "fall": energies[0] - energies[-1],
            "steps": torch.tensor(float(steps), device=self._device),
        }, state.detach()


def _normal(rng: np.random.Generator, size: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(rng.standard_normal(size, dtype=np.float32))
