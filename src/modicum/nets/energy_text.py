"""Autoregressive energy nets: how ill a distribution over the next id fits the ids so far."""

from collections.abc import Callable
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from modicum.errors import ConfigError
from modicum.nets.energy_blocks import RmsNorm, drawn_matrix
from modicum.nets.energy_text_blocks import Places, TextLayer, rotary_table
from modicum.nets.energy_text_shape import EnergyTextShape

__all__ = ["EnergyTextNet", "Observed"]

_LEAST_STEP = 1e-4
"""A learned step size does not go below it (the released code's own bound)."""

Observed = list[tuple[Tensor, Tensor]]
"""Keys and values of observed ids, of each layer: `[rows, heads, seen, part]` each."""


@final
class EnergyTextNet(nn.Module):
    """Two streams through the same layers: observed ids, and candidates for the id that follows each.

    Observed ids see those before them and never a candidate, so that their keys and values are computed
    once for all steps and all candidates.

    Source: Gladstone et al. 2025 (2507.02092).
    Differs: the step is told to candidates alone.
    """

    def __init__(self, shape: EnergyTextShape, rng: np.random.Generator) -> None:
        """Draw the weights."""
        super().__init__()
        self.shape = shape
        width = shape.width
        told = rng.standard_normal((shape.vocabulary, width), dtype=np.float32)
        self.ids = nn.Parameter(torch.from_numpy(told))
        self.candidates = drawn_matrix(rng, shape.vocabulary, width)
        if shape.conditioning != "none":
            rows = rng.standard_normal((shape.landscapes, width), dtype=np.float32)
            self.landscapes = nn.Parameter(torch.from_numpy(rows))
        self.layers = nn.ModuleList(
            TextLayer(width, shape.heads, shape.inner, rng) for _ in range(shape.layers)
        )
        self.last = RmsNorm(width)
        self.head = drawn_matrix(rng, 1, width)
        if shape.is_step_size_learned:
            self.step_size = nn.Parameter(torch.tensor([shape.step_size]))
        places = shape.first_place + shape.length + 1
        turns = rotary_table(places, width // shape.heads)
        self.turns: Tensor
        self.register_buffer("turns", turns, persistent=False)
        self.bias: Tensor
        bias = torch.full((shape.length, shape.first_place + shape.length), -torch.inf)
        self.register_buffer("bias", bias.triu(shape.first_place + 1), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.head.device

    @property
    def blocks(self) -> list[TextLayer]:
        """Its layers, first to last."""
        return [layer for layer in self.layers if isinstance(layer, TextLayer)]

    def size_of_step(self) -> float | Tensor:
        """Return what a gradient is multiplied by."""
        if self.shape.is_step_size_learned:
            return self.step_size.clamp(min=_LEAST_STEP)
        return self.shape.step_size

    def observe(
        self, ids: Int[Tensor, "rows places"], landscape: int = 0, before: Observed | None = None
    ) -> Observed:
        """Return keys and values of observed ids; candidates change none of them.

        Args:
            ids: What is seen.
            landscape: Which is told to a net that is told by a token.
            before: Of ids seen earlier, to which a single further id a row is added.

        Raises:
            ConfigError: more ids than the net sees.
        """
        rows = functional.embedding(ids, self.ids)
        start = 0 if before is None else before[0][0].shape[2]
        if before is None and self.shape.conditioning == "token":
            first = self.landscapes[landscape].expand(len(ids), 1, -1)
            rows = torch.cat((first, rows), 1)
        stop = start + rows.shape[1]
        if stop > self.shape.first_place + self.shape.length:
            raise ConfigError(
                f"{stop - self.shape.first_place} ids for a net that sees {self.shape.length}",
                "at most as many as the net sees",
                "give the last of them",
            )
        rotary = self.turns[start:stop]
        found: Observed = []
        for number, layer in enumerate(self.blocks):
            normed, key, value = layer.keys(rows, rotary)
            if before is not None:
                key = torch.cat((before[number][0], key), 2)
                value = torch.cat((before[number][1], value), 2)
            found.append((key, value))
            if number + 1 < self.shape.layers:
                rows = layer.observed(rows, normed, found[-1], rotary)
        return found

    def observations(self, ids: Int[Tensor, "rows places"]) -> Callable[[int], Observed]:
        """Return what gives the observed keys and values of a landscape, computed where they are new."""
        found: dict[int, Observed] = {}

        def of(landscape: int) -> Observed:
            own = landscape if self.shape.conditioning == "token" else 0
            if own not in found:
                found[own] = self.observe(ids, own)
            return found[own]

        return of

    def places(self, count: int, candidates: int = 1) -> Places:
        """Return where several candidates for each of the first positions stand, one set after another."""
        first = self.shape.first_place + 1
        rotary = self.turns[first : first + count]
        bias = self.bias[:count, : first - 1 + count]
        if candidates > 1:
            rotary = rotary.repeat(candidates, 1)
            bias = bias.repeat(candidates, 1)
        return Places(rotary, bias)

    def last_place(self, seen: int, candidates: int = 1) -> Places:
        """Return where candidates for what follows the last of all observed ids stand."""
        return Places(self.turns[seen : seen + 1].repeat(candidates, 1), None)

    def energies(
        self,
        observed: Observed,
        candidates: Float[Tensor, "rows places vocabulary"],
        places: Places,
        landscape: int = 0,
    ) -> Float[Tensor, "rows places"]:
        """Return how ill each candidate fits the ids before it. Without bound, and of no unit.

        Args:
            observed: Of the ids.
            candidates: Distributions over the next id.
            places: Where each stands.
            landscape: Of the step.
        """
        rows = candidates @ self.candidates
        if self.shape.conditioning == "added":
            rows = rows + self.landscapes[landscape]
        for layer, seen in zip(self.blocks, observed, strict=True):
            rows = layer.predicted(rows, seen, places)
        return functional.linear(self.last(rows), self.head).squeeze(-1)
