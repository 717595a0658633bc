"""Thinking of autoregressive energy nets: more steps, several candidates, and when it is enough."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from modicum.errors import ConfigError
from modicum.nets.energy_text import EnergyTextNet, Observed
from modicum.nets.energy_text_blocks import Places
from modicum.nets.energy_text_slopes import Slopes
from modicum.nets.energy_text_steps import step_down
from modicum.nets.text_writer import TextWriter
from modicum.nets.thinking import Thinking
from modicum.seeds import key, stream

__all__ = ["EnergyTextWriter", "Thought", "first_states", "generated", "position_keys", "think"]


@dataclass(frozen=True, eq=False)
class Thought:
    """What came of thinking about the id behind each position."""

    logits: Float[Tensor, "rows places vocabulary"]
    """Last states, of the candidate of least energy where there are several."""
    energies: Float[Tensor, "rows places weighed"]
    """Of the states of that candidate one after another, as far as they were weighed."""
    steps: Int[Tensor, "rows places"]
    """Slopes that were computed for each position before it settled, of that candidate."""


def first_states(
    keys: Sequence[Sequence[int]], candidates: int, vocabulary: int
) -> Float[Tensor, "rows candidates places vocabulary"]:
    """Return standard normal logits to begin from.

    Candidates are added behind those that fewer would be, so that more of them are no other draw.

    Args:
        keys: Of positions, by row (`position_keys`).
        candidates: For each position.
        vocabulary: Logits of each.
    """
    size = (candidates, vocabulary)
    drawn = [[stream(one).standard_normal(size, dtype="float32") for one in row] for row in keys]
    return torch.from_numpy(np.array(drawn)).transpose(1, 2)


def position_keys(
    ids: Int[Tensor, "rows places"], before: Sequence[Sequence[int]] = ()
) -> list[list[int]]:
    """Return a key for each position, which goes by the ids up to it alone.

    Args:
        ids: What is seen.
        before: Keys of the positions before these; none where these are the first.
    """
    found = []
    for number, row in enumerate(ids.tolist()):
        so_far, keys = before[number][-1] if before else 0, []
        for one in row:
            so_far = key("position", so_far, one)
            keys.append(so_far)
        found.append(keys)
    return found


def think(
    net: EnergyTextNet, ids: Int[Tensor, "rows places"], thinking: Thinking, *, stops: bool = False
) -> Thought:
    """Think about what follows each id, given those before it and itself.

    No graph is made. What was observed is computed once for all steps and candidates.

    Args:
        net: The net.
        ids: What is seen, on the net's device.
        thinking: Steps, as many as the net was trained with where 0, and candidates.
        stops: Whether a position settles where its energy no longer falls: it keeps the state before.

    Source: Gladstone et al. 2025, "thinking longer" and "self-verification".
    """
    with torch.no_grad():
        mind = _Mind(net, thinking, stops=stops)
        places = net.places(ids.shape[1], thinking.candidates)
        observations = net.observations(ids)
        seen = [(observations(number), places) for number in range(net.shape.landscapes)]
        states = first_states(position_keys(ids), thinking.candidates, net.shape.vocabulary)
        return mind.thought(seen, states.to(net.head))


def generated(
    net: EnergyTextNet,
    ids: Int[Tensor, "rows places"],
    count: int,
    thinking: Thinking,
    temperature: float = 0.0,
) -> Int[Tensor, "rows all"]:
    """Return ids with those that follow, each thought about with what was observed so far kept.

    Args:
        net: The net.
        ids: What is seen first, at least one a row, on the net's device.
        count: How many follow, at least 0.
        thinking: Steps and candidates for each.
        temperature: The likeliest id is taken where 0; draws go by the ids so far alone.

    Raises:
        ConfigError: more ids than the net sees.
    """
    shape = net.shape
    if ids.shape[1] + count - 1 > shape.length:
        raise ConfigError(
            f"{ids.shape[1]} ids and {count} that follow, for a net that sees {shape.length}",
            "as many as it sees, and the one that follows the last of them",
            "ask for fewer, or give the last of the ids",
        )
    writer = EnergyTextWriter(net, thinking)
    further = ids
    with (
        torch.inference_mode()
    ):  # an id takes some thousand small operations: each a little quicker
        for _ in range(count):
            logits = writer.read(further)
            further = _drawn(logits, writer.last, temperature)
            ids = torch.cat((ids, further), 1)
    return ids.clone()


@final
class EnergyTextWriter(TextWriter):
    """Thinks about each id with what was observed so far kept: no id is observed twice."""

    def __init__(self, net: EnergyTextNet, thinking: Thinking) -> None:
        """Take a net as its weights stand.

        Args:
            net: The net.
            thinking: Steps, as many as the net was trained with where 0, and candidates.
        """
        self._net, self._thinking = net, thinking
        self._mind = _Mind(net, thinking, stops=False)
        shape = net.shape
        own = range(shape.landscapes) if shape.conditioning == "token" else range(1)
        self._kept: list[Observed | None] = [None for _ in own]
        self._keys = list[list[int]]()

    @property
    def last(self) -> list[list[int]]:
        """Keys of the last id that was read of each row (`position_keys`)."""
        return [row[-1:] for row in self._keys]

    def read(self, ids: Int[Tensor, "rows further"]) -> Float[Tensor, "rows vocabulary"]:
        """Return the last state after thinking, of the candidate of least energy."""
        net, shape = self._net, self._net.shape
        with torch.inference_mode():
            self._kept = [net.observe(ids, i, one) for i, one in enumerate(self._kept)]
            known = [one for one in self._kept if one is not None]
            place = net.last_place(known[0][0][0].shape[2], self._thinking.candidates)
            seen = [(known[number % len(known)], place) for number in range(shape.landscapes)]
            self._keys = position_keys(ids, self._keys)
            states = first_states(self.last, self._thinking.candidates, shape.vocabulary)
            return self._mind.thought(seen, states.to(net.head)).logits[:, -1]

    def keep(self, rows: Int[Tensor, " kept"]) -> None:
        """Go on with some rows alone."""
        self._kept = [
            None if one is None else [(keys[rows], values[rows]) for keys, values in one]
            for one in self._kept
        ]
        self._keys = [self._keys[row] for row in rows.tolist()]


def _drawn(
    logits: Float[Tensor, "rows vocabulary"], keys: list[list[int]], temperature: float
) -> Int[Tensor, "rows one"]:
    if temperature == 0:
        return logits.argmax(-1, keepdim=True)
    shares = (logits.double() / temperature).softmax(-1).cumsum(-1)
    points = [[stream("next id", *row).random()] for row in keys]
    at = torch.tensor(points, dtype=torch.float64, device=logits.device)
    return torch.searchsorted(shares, at).clamp(max=logits.shape[-1] - 1)


@final
class _Mind:
    """Takes states down the energies of a net as its weights stand."""

    def __init__(self, net: EnergyTextNet, thinking: Thinking, *, stops: bool) -> None:
        self._slopes, self._shape = Slopes(net), net.shape
        self._steps = thinking.steps or net.shape.most_steps
        size = net.size_of_step()
        self._size = float(size.detach()) if isinstance(size, Tensor) else size
        self._stops = stops

    def thought(self, seen: list[tuple[Observed, Places]], states: Tensor) -> Thought:
        """Think, with what was observed in each landscape, from states `[rows, candidates, places, ids]`."""
        rows, candidates, places, _ = states.shape
        state = states.flatten(1, 2)
        weighed: list[Tensor] = []
        going = torch.ones(state.shape[:2], dtype=torch.bool, device=state.device)
        taken = torch.zeros_like(going, dtype=torch.long)
        before, at = state, -1
        for number in range(self._steps):
            landscape = self._shape.landscape(number)
            step = step_down(
                self._slopes, seen[landscape], state, landscape, self._size, is_learned=False
            )
            taken += going
            energies = step.energies if not weighed else step.energies.where(going, weighed[-1])
            if self._stops and landscape == at:
                rises = going & (energies >= weighed[-1])
                state = before.where(rises[..., None], state)
                energies = energies.minimum(weighed[-1])
                going = going & ~rises
            weighed.append(energies)
            before, at = state, landscape
            state = step.state.where(going[..., None], state)
            if not going.any():
                break
        if candidates > 1:
            last = self._shape.landscapes - 1
            final = self._slopes.energies(seen[last], state.softmax(-1), last)
            weighed.append(final)
        logits = state.view(states.shape)
        found = torch.stack(weighed, -1).view(rows, candidates, places, -1)
        best = found[..., -1].argmin(1, keepdim=True)
        return Thought(
            logits.take_along_dim(best[..., None], 1).squeeze(1),
            found.take_along_dim(best[..., None], 1).squeeze(1),
            taken.view(rows, candidates, places).take_along_dim(best, 1).squeeze(1),
        )
