"""Thinking with an energy net: more steps, several candidates, an end where the energy stops falling."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from modicum.errors import ConfigError
from modicum.nets.energy import EnergyNet
from modicum.nets.energy_steps import AskedBoards, stepped
from modicum.seeds import stream

__all__ = ["BoardThinking", "BoardThought", "think"]


@dataclass(frozen=True)
class BoardThinking:
    """How long, how often, how hot."""

    steps: int
    """Steps of a candidate at most, at least 1."""
    candidates: int = 1
    """States of each question that begin at noise of their own, at least 1."""
    temperature: float = 1.0
    """Factor of the deviation of that noise, at least 0; at 0 all candidates are the same."""
    noise: float = 0.0
    """Deviation of the noise that is added before each step (Langevin), at least 0."""
    stops: bool = False
    """Whether a candidate ends as soon as a step changes no likeliest id, and the step before it lowered
    the energy by no more than `tolerance`."""
    tolerance: float = 0.0
    """In units of the energy, at least 0."""
    stream: str = "thinking"
    """Names the random streams, with the question's address and the candidate's number."""
    rows: int = 256
    """Candidates that are computed together, at least 1; no answer depends on it but by rounding."""
    is_traced: bool = False
    """Whether the answer and the energy after every step are kept."""

    def __post_init__(self) -> None:
        """Refuse what cannot be computed.

        Raises:
            ConfigError: a number out of its range.
        """
        least = {
            "steps": 1,
            "candidates": 1,
            "temperature": 0,
            "noise": 0,
            "tolerance": 0,
            "rows": 1,
        }
        for name, bound in least.items():
            if not bound <= getattr(self, name) < float("inf"):
                raise ConfigError(
                    f"{name} = {getattr(self, name)} for thinking",
                    f"a number from {bound} on",
                    f"such as {name}={bound}",
                )


@dataclass(frozen=True, eq=False)
class BoardThought:
    """Where candidates ended, in the order of the questions."""

    answers: Int[Tensor, "questions candidates length"]
    """Likeliest ids; what was given stays."""
    energies: Float[Tensor, "questions candidates"]
    """Of the final state; 0 of nets without energies."""
    steps: Int[Tensor, "questions candidates"]
    """Steps taken: gradients that were computed."""
    traced: Int[Tensor, "questions candidates steps length"] | None
    """Answer after each step; the last one again after the end."""
    traced_energies: Float[Tensor, "questions candidates more"] | None
    """Energy before the first step and after each; the last one again after the end."""


@dataclass(eq=False)
class _Ends:
    """What is known of candidates so far, `[rows, ...]` each."""

    states: Tensor
    answers: Tensor
    energies: Tensor
    steps: Tensor
    traced: Tensor | None = None
    traced_energies: Tensor | None = None


def think(
    net: EnergyNet,
    questions: Int[Tensor, "questions length"],
    addresses: Sequence[str],
    how: BoardThinking,
    first: Sequence[int] = (),
) -> BoardThought:
    """Think about questions from noise on.

    The noise of a candidate depends on stream, address, its number and the step alone, never on what is
    computed beside it.

    Source: Gladstone et al. 2025 (2507.02092), thinking longer and self-verification, whose energies are
    those of final states.

    Args:
        net: On the device of the questions; its weights need no gradient.
        questions: Token ids.
        addresses: What names each question; equal ones share their noise.
        how: How long, how often, how hot.
        first: Number of each question's first candidate; 0 where empty.
    """
    n, m, shape = len(questions), how.candidates, net.shape
    first = first or (0,) * n
    numbered = [(place, first[place] + i) for place in range(n) for i in range(m)]
    found = [
        _together(net, questions, addresses, how, numbered[i : i + how.rows])
        for i in range(0, len(numbered), how.rows)
    ]
    names = ("answers", "energies", "steps")
    answers, energies, steps = (torch.cat([getattr(one, n) for one in found]) for n in names)
    traced = traced_energies = None
    if how.is_traced:
        traced = torch.cat([one.traced for one in found if one.traced is not None])
        traced = traced.view(n, m, how.steps, shape.length)
        kept = [one.traced_energies for one in found if one.traced_energies is not None]
        traced_energies = torch.cat(kept).view(n, m, how.steps + 1)
    return BoardThought(
        answers.view(n, m, shape.length),
        energies.view(n, m),
        steps.view(n, m),
        traced,
        traced_energies,
    )


def _together(
    net: EnergyNet,
    questions: Tensor,
    addresses: Sequence[str],
    how: BoardThinking,
    numbered: Sequence[tuple[int, int]],
) -> _Ends:
    """Think about candidates, each a question's place and its own number, in one batch."""
    places = torch.tensor([place for place, _ in numbered], device=questions.device)
    own = questions[places]
    rngs = [stream("energy", how.stream, addresses[place], i) for place, i in numbered]
    shape = net.shape
    size = (shape.length, shape.vocabulary)
    with torch.no_grad():
        asked = AskedBoards.of(net, own)
        alpha = net.size_of_step()
    state = how.temperature * _normal(rngs, size).to(asked.encoded)
    now = asked
    ends = _Ends(
        state.clone(),
        _answers(own, state),
        state.new_zeros(len(own)),
        places.new_zeros(len(own)),
    )
    if how.is_traced:
        ends.traced = own.new_zeros((len(own), how.steps, shape.length))
        ends.traced_energies = state.new_zeros((len(own), how.steps + 1))
    live = torch.arange(len(own), device=own.device)
    for number in range(how.steps):
        if how.noise:
            noise = _normal([rngs[i] for i in live.tolist()], size).to(state)
            state = state + how.noise * noise
        state, energy = stepped(net, now, state, alpha, has_graph=False)
        goes_on = _took(ends, live, (_answers(own[live], state), state, energy), number, how)
        if not bool(goes_on.all()):
            live, state, now = live[goes_on], state[goes_on], now.chosen(goes_on)
        if not len(live):
            break
    if shape.reads == "energy":
        _settle(net, asked, ends)
    return ends


def _took(
    ends: _Ends,
    live: Tensor,
    step: tuple[Tensor, Tensor, Tensor],
    number: int,
    how: BoardThinking,
) -> Tensor:
    """Write a step down; return which candidates go on.

    Args:
        ends: Changed in place.
        live: Places of the candidates that took it.
        step: Answer and state after it, and the energy of the state before.
        number: Of the step, from 0.
        how: Whether candidates end.
    """
    answers, after, energy = step
    goes_on = torch.ones_like(live, dtype=torch.bool)
    if how.stops and number:
        is_still = (answers == ends.answers[live]).all(1)
        goes_on = ~(is_still & (ends.energies[live] - energy <= how.tolerance))
    ends.energies[live], ends.answers[live] = energy, answers
    ends.states[live], ends.steps[live] = after, number + 1
    if ends.traced is not None and ends.traced_energies is not None:
        ends.traced_energies[live, number:] = energy[:, None]
        ends.traced[live, number:] = answers[:, None]
    return goes_on


@torch.no_grad()
def _settle(net: EnergyNet, asked: AskedBoards, ends: _Ends) -> None:
    """Write down the energy of final states, which no step has asked for."""
    ends.energies = net.energy(asked.encoded, asked.candidates(ends.states))
    if ends.traced_energies is not None:
        places = torch.arange(ends.traced_energies.shape[1], device=ends.steps.device)
        is_over = places[None, :] >= ends.steps[:, None]
        ends.traced_energies = torch.where(is_over, ends.energies[:, None], ends.traced_energies)


def _answers(questions: Tensor, states: Tensor) -> Tensor:
    """Return the likeliest id of each open position, and what is given elsewhere."""
    return torch.where(questions == 0, states.argmax(-1), questions)


def _normal(rngs: Sequence[np.random.Generator], size: tuple[int, int]) -> Tensor:
    """Return standard normals `[rows, *size]`, each row from a stream of its own."""
    drawn = np.empty((len(rngs), *size), np.float32)
    for row, rng in zip(drawn, rngs, strict=True):
        rng.standard_normal(dtype=np.float32, out=row)
    return torch.from_numpy(drawn)
