"""An energy net as a model: candidates go down its energy from noise, and one of them stands."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import torch

from modicum.errors import ConfigError
from modicum.model import ModelCard
from modicum.nets.energy import EnergyNet
from modicum.nets.energy_folder import EnergyCard
from modicum.nets.energy_thinking import BoardThinking, think
from modicum.puzzles.puzzle import Puzzle
from modicum.sampling.net_of_boards import AskedAnswer, NetOfBoards, Rollout
from modicum.sampling.selectors import CHECKED, EnergySelector, Trajectory

__all__ = ["LONG", "EnergyModel", "Minimising"]

LONG = 20
"""Steps of a net that thinks for which none are given."""


@dataclass(frozen=True)
class Minimising:
    """How a net answers; all of it is part of an answer's address."""

    steps: int = 0
    """Steps of a candidate at most; 20 where 0, 1 of a plain net."""
    candidates: int = 1
    """Of an answer, at least 1."""
    selector: EnergySelector = "energy"
    """Which of them stands."""
    temperature: float = 1.0
    """Factor of the deviation of the first noise, at least 0; sampling multiplies it by its own."""
    noise: float = 0.0
    """Deviation of noise that is added before each step, at least 0."""
    stops: bool = False
    """Whether a candidate ends as soon as its answer stays and its energy no longer falls."""
    tolerance: float = -1.0
    """By how much it has to fall; where negative, as training chose it, 0 if it chose nothing."""

    def __post_init__(self) -> None:
        """Refuse what cannot be computed.

        Raises:
            ConfigError: a number out of its range.
        """
        least = {"steps": 0, "candidates": 1, "temperature": 0, "noise": 0, "tolerance": -1}
        for name, bound in least.items():
            if not bound <= getattr(self, name) < float("inf"):
                raise ConfigError(
                    f"{name} = {getattr(self, name)} of an energy net",
                    f"a number from {bound} on",
                    f"such as {name}={max(0, bound)}",
                )


@final
class EnergyModel(NetOfBoards[EnergyNet, EnergyCard]):
    """Its trajectories are candidates that go down the energy."""

    kind = "energy"

    def __init__(
        self, net: EnergyNet, puzzle: Puzzle, card: EnergyCard, how: Minimising, name: str
    ) -> None:
        """Take a net as it stands; `how` says how answers come. See `NetOfBoards`.

        Raises:
            ConfigError: a net whose positions or ids are not the puzzle's, or that does not think in the
                steps that are asked of it.
        """
        super().__init__(net, puzzle, card, name)
        shape = card.shape
        is_plain = shape.reads == "logits" and shape.most_steps == 1
        asks = {"steps": how.steps > 1, "candidates": how.candidates > 1, "stops": how.stops}
        if is_plain and (asked := [name for name, is_so in asks.items() if is_so]):
            raise ConfigError(
                f"{asked[0]} of a plain net, which answers in one step and in one way",
                "a net that thinks",
                "leave it out, or give an energy net",
            )
        self.how = how
        self._steps = how.steps or (1 if is_plain else LONG)

    @property
    def steps(self) -> int:
        """Steps of a candidate at most."""
        return self._steps

    @property
    def tolerance(self) -> float:
        """By how much the energy has to fall for a candidate to go on that may end."""
        if self.how.tolerance >= 0:
            return self.how.tolerance
        return 0.0 if self.made.stopping is None else self.made.stopping.tolerance

    @property
    def n_trajectories(self) -> int:
        """The candidates."""
        return self.how.candidates

    @property
    def selector(self) -> EnergySelector:
        """As its reference says."""
        return self.how.selector

    @property
    def card(self) -> ModelCard:
        """What is known of the model; a token is an answered position, with all steps of its candidates."""
        shape, grid = self.net.shape, self.puzzle.grid
        board = self.how.candidates * shape.length * self._flops(self._steps, 1)
        how = {**dataclasses.asdict(self.how), "tolerance": self.tolerance}
        decides = [dataclasses.asdict(shape), repr(self.puzzle), how]
        reading = hashlib.blake2b(json.dumps(decides).encode(), digest_size=8).hexdigest()
        return ModelCard(
            name=self._name,
            weights=self._weights,
            parameters=shape.numbers,
            flops_per_token=board / grid.n_answered,
            notes=tuple(self._notes()),
            reading=reading,
        )

    def varies(self, heat: float) -> bool:
        """Say whether candidates begin apart, or are moved apart."""
        is_plain = self.made.shape.most_steps == 1 and self.made.shape.reads == "logits"
        return (self.how.temperature * heat > 0 and not is_plain) or self.how.noise > 0

    def rolled(
        self, asked: Sequence[AskedAnswer], part: tuple[int, int], heat: float, name: str
    ) -> tuple[list[list[Rollout]], float]:
        """Think; candidates that stop cost the evaluations that they took."""
        how = self.how
        boards = torch.tensor([one.question for one in asked], device=self.net.device)
        thinking = BoardThinking(
            self._steps,
            part[1],
            how.temperature * heat if self.varies(heat) else 0.0,
            how.noise,
            stops=how.stops,
            tolerance=self.tolerance,
            stream=name,
        )
        first = [one.first + part[0] for one in asked]
        found = think(self.net, boards, [one.address for one in asked], thinking, first)
        energies, drawn = found.energies.tolist(), []
        for place, one in enumerate(asked):
            answers = [tuple(ids) for ids in found.answers[place].tolist()]
            texts = [self.puzzle.decode(one.question, ids) for ids in answers]
            drawn.append(
                [
                    Rollout(ids, Trajectory(text, 0.0, 0.0, 0.0, energy=energy))
                    for ids, text, energy in zip(answers, texts, energies[place], strict=True)
                ]
            )
        flops = self._flops(int(found.steps.sum()), found.steps.numel())
        return drawn, self.net.shape.length * flops

    def question_flops(self) -> float:
        """Return those of its embedding."""
        return self.net.shape.length * 2.0 * self.net.shape.width

    def _flops(self, steps: int, candidates: int) -> float:
        """Return those of steps for each position, with the energy of each candidate's final state."""
        shape = self.net.shape
        last = candidates * shape.pass_flops if shape.reads == "energy" else 0.0
        return steps * shape.step_flops + last

    def _notes(self) -> Iterator[str]:
        how = self.how
        kind = "energy net" if self.net.shape.reads == "energy" else f"{self.made.preset} net"
        yield f"{kind}, no language: reads the boards of {self.made.task}"
        yield f"steps {self._steps}, candidates {how.candidates}, selector {how.selector}"
        if how.stops:
            yield f"stops where the answer stays and the energy falls by no more than {self.tolerance:g}"
        if self.is_new:
            yield "untrained: its first weights are random"
        if how.selector in CHECKED:
            yield f"selector {how.selector}: the exact checker of the task picks the answer"
