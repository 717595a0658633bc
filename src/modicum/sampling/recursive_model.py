"""A recursive net as a model: it rolls out trajectories of supervision steps, and one answers."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import torch

from modicum.errors import AccessError, ConfigError
from modicum.model import Model, ModelCard
from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_folder import RecursiveCard
from modicum.nets.recursive_rollouts import Rolling, roll, varies
from modicum.puzzles.puzzle import Puzzle
from modicum.sampling.net_of_boards import AskedAnswer, NetOfBoards, Rollout
from modicum.sampling.selectors import CHECKED, Selector, Trajectory

__all__ = ["Reasoning", "RecursiveModel", "need_recursive"]

_SURE = 0.5
"""How sure a net must be to halt for which nothing was chosen."""


@dataclass(frozen=True)
class Reasoning:
    """How a net answers; all of it is part of an answer's address."""

    depth: int = 0
    """Supervision steps of a trajectory; as many as in training where 0."""
    width: int = 1
    """Trajectories of an answer, at least 1."""
    selector: Selector = "first"
    """Which of them stands."""
    temperature: float = 1.0
    """Factor of the prior's deviation, at least 0; sampling multiplies it by its own temperature."""
    noise: float = 0.0
    """Deviation of noise that is added to both states before each supervision step, at least 0."""
    halts: bool = False
    """Whether a trajectory ends as soon as the halt head is sure that its answer is right."""
    sure: float = 0.0
    """Probability above which it is sure, below 1; where 0, as training chose it, .5 if it chose nothing."""

    def __post_init__(self) -> None:
        """Refuse what cannot be rolled out."""
        least = {"depth": 0, "width": 1, "temperature": 0, "noise": 0}
        for name, bound in least.items():
            if not bound <= getattr(self, name) < float("inf"):
                raise ConfigError(
                    f"{name} = {getattr(self, name)} of a recursive net",
                    f"a number from {bound} on",
                    f"such as {name}={bound}",
                )
        if not 0 <= self.sure < 1:
            raise ConfigError(
                f"sure = {self.sure} of a recursive net",
                "a number from 0 on, below 1",
                "such as sure=0.9",
            )


@final
class RecursiveModel(NetOfBoards[RecursiveNet, RecursiveCard]):
    """Trajectories are rollouts of supervision steps from the prior."""

    kind = "recursive"

    def __init__(
        self, net: RecursiveNet, puzzle: Puzzle, card: RecursiveCard, how: Reasoning, name: str
    ) -> None:
        """Take a net as it stands; `how` says how answers are rolled out. See `NetOfBoards`.

        Raises:
            ConfigError: a net whose positions or ids are not the puzzle's.
        """
        super().__init__(net, puzzle, card, name)
        self.how = how

    @property
    def depth(self) -> int:
        """Supervision steps of a trajectory at most."""
        return self.how.depth or self.net.shape.n_steps

    @property
    def sure(self) -> float:
        """Probability above which a trajectory ends, if any may; 1 of a net that training lets end none."""
        halting = self.made.halting if self.how.halts else None
        return self.how.sure or (_SURE if halting is None else halting.sure)

    @property
    def n_trajectories(self) -> int:
        """The width."""
        return self.how.width

    @property
    def selector(self) -> Selector:
        """As its reference says."""
        return self.how.selector

    @property
    def card(self) -> ModelCard:
        """What is known of the model; a token is an answered position, with all steps of its width."""
        shape, grid = self.net.shape, self.puzzle.grid
        width = self.how.width if self.varies(1.0) else 1
        board = self.depth * width * shape.step_flops * shape.length
        how = {**dataclasses.asdict(self.how), "sure": self.sure}
        decides = [dataclasses.asdict(shape), repr(self.puzzle), how]
        reading = hashlib.blake2b(json.dumps(decides).encode(), digest_size=8).hexdigest()
        return ModelCard(
            name=self._name,
            weights=self._weights,
            parameters=sum(weight.numel() for weight in self.net.parameters()),
            flops_per_token=board / grid.n_answered,
            notes=tuple(self._notes()),
            reading=reading,
        )

    def varies(self, heat: float) -> bool:
        """Say whether the net has noise of any kind."""
        return varies(self.net, self._rolling(heat, ""))

    def rolled(
        self, asked: Sequence[AskedAnswer], part: tuple[int, int], heat: float, name: str
    ) -> tuple[list[list[Rollout]], float]:
        """Roll out trajectories; those that halt cost the steps that they took."""
        boards = torch.tensor([one.question for one in asked], device=self.net.head.device)
        how = dataclasses.replace(self._rolling(heat, name), width=part[1])
        first = [one.first + part[0] for one in asked]
        rolled = roll(self.net, boards, [one.address for one in asked], how, first)
        figures = [one.tolist() for one in (rolled.halt, rolled.value, rolled.residual)]
        found: list[list[Rollout]] = []
        for place, one in enumerate(asked):
            own = []
            for j, answer in enumerate(map(tuple, rolled.answers[place].tolist())):
                halt, value, residual = (figure[place][j] for figure in figures)
                text = self.puzzle.decode(one.question, answer)
                own.append(Rollout(answer, Trajectory(text, halt, value, residual)))
            found.append(own)
        shape = self.net.shape
        return found, int(rolled.steps.sum()) * shape.step_flops * shape.length

    def question_flops(self) -> float:
        """Return those of its embedding."""
        return self.net.shape.length * 2.0 * self.net.shape.width

    def _notes(self) -> Iterator[str]:
        how = self.how
        yield f"recursive net, no language: reads the boards of {self.made.task}"
        yield f"depth {self.depth}, width {how.width}, selector {how.selector}"
        if how.halts and not how.sure and self.made.halting is not None:
            yield f"halts where it is {self.sure:g} sure, as training chose"
        if self.is_new:
            yield "untrained: its first weights are random"
        if how.selector in CHECKED:
            yield f"selector {how.selector}: the exact checker of the task picks the answer"

    def _rolling(self, heat: float, name: str) -> Rolling:
        how = self.how
        return Rolling(
            self.depth,
            how.width,
            how.temperature * heat,
            how.noise,
            halts=how.halts and self.sure < 1,
            sure=self.sure if self.sure < 1 else _SURE,
            stream=name,
        )


def need_recursive(model: Model, method: str) -> RecursiveModel:
    """Return the model as a recursive net.

    Raises:
        AccessError: it is none.
    """
    if isinstance(model, RecursiveModel):
        return model
    raise AccessError(
        f"{method} on {model.card.name!r}, which is no recursive net",
        "a net that has learned nothing yet",
        "give one, such as --model 'recursive:new?task=sudoku', or use fine_tune on this model",
    )
