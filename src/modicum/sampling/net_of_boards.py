"""A net that rolls out answers to boards as a model: it reads a prompt, and one answer stands."""

import copy
import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar, final

from torch import nn

from modicum.errors import ConfigError
from modicum.ledger import Ledger
from modicum.model import Model
from modicum.nets.grid import Ids
from modicum.nets.net_folder import BoardShape
from modicum.puzzles.puzzle import Puzzle
from modicum.sampling.board_text import NO_BOARD, board_in, board_pieces
from modicum.sampling.selectors import CHECKED, AnySelector, Trajectory, chosen
from modicum.stock import Group
from modicum.types import Completion, Request, Sampling, Stop

__all__ = ["AskedAnswer", "MadeCard", "NetOfBoards", "Rollout", "net_hash"]


class MadeCard(Protocol):
    """What is known of a net of boards."""

    @property
    def shape(self) -> BoardShape:
        """What it reads."""

    @property
    def task(self) -> str:
        """Reference of the task whose boards it reads."""

    @property
    def trained(self) -> object:
        """How it was trained; empty where it has learned nothing yet."""


NetT = TypeVar("NetT", bound=nn.Module)
CardT = TypeVar("CardT", bound=MadeCard)


@dataclass(frozen=True)
class AskedAnswer:
    """One answer that is wanted: its question, what names its noise, and its first trajectory."""

    question: Ids
    address: str
    first: int


@dataclass(frozen=True)
class Rollout:
    """Where one trajectory ended."""

    ids: Ids
    """The whole board."""
    told: Trajectory
    """What it is chosen by."""


@dataclass(frozen=True)
class _Said:
    """The answer to one question, with how much its trajectories agree at each answered position."""

    text: str
    margins: tuple[float, ...]
    shares: tuple[float, ...]


class NetOfBoards(Model, Generic[NetT, CardT]):
    """Answers what its puzzle reads in a prompt; any other prompt gets `?`.

    Greedy, an answer is that of `width` trajectories whose noise goes by the question alone. Sampled,
    sample i is the answer of trajectories `i * width` to `(i + 1) * width - 1`, whose noise goes by
    (stream, address, trajectory, step).
    """

    kind: str = ""
    """What the net is, for errors: `recursive`, `energy`."""

    def __init__(self, net: NetT, puzzle: Puzzle, card: CardT, name: str) -> None:
        """Take a net as it stands.

        Args:
            net: On its device; of an untrained one the first weights.
            puzzle: What questions and answers are.
            card: What is known of the net; untrained where it says nothing of training.
            name: Reference of the model.

        Raises:
            ConfigError: a net whose positions or ids are not the puzzle's.
        """
        shape, grid = card.shape, puzzle.grid
        if (shape.length, shape.vocabulary) != (grid.length, grid.vocabulary):
            raise ConfigError(
                f"a {self.kind} net for {shape.length} positions and {shape.vocabulary} ids",
                f"{grid.length} and {grid.vocabulary}, as {card.task} has them",
                "give the task that the net was made for",
            )
        self.net, self.puzzle, self.made = net, puzzle, card
        self._name, self._weights = name, net_hash(net)

    @property
    @abstractmethod
    def n_trajectories(self) -> int:
        """Trajectories of an answer; 1 where all would be the same."""

    @property
    @abstractmethod
    def selector(self) -> AnySelector:
        """Which of them stands."""

    @abstractmethod
    def varies(self, heat: float) -> bool:
        """Say whether trajectories of one question can differ at a temperature."""

    @abstractmethod
    def rolled(
        self, asked: Sequence[AskedAnswer], part: tuple[int, int], heat: float, name: str
    ) -> tuple[list[list[Rollout]], float]:
        """Roll out trajectories of answers; return those of each, and the FLOPs that all of them took.

        Args:
            asked: What is wanted.
            part: Trajectories of each that were taken before, and how many now.
            heat: Temperature.
            name: Names the random streams.
        """

    @abstractmethod
    def question_flops(self) -> float:
        """Return FLOPs of reading one question."""

    @final
    @property
    def is_new(self) -> bool:
        """Whether nothing was learned yet."""
        return not self.made.trained

    @final
    def with_net(self, net: NetT, card: CardT) -> Self:
        """Return the same model around a net that was trained; it takes from no stock."""
        other = copy.copy(self)
        other.net, other.made, other._stock = net, card, None
        other._weights = net_hash(net)
        return other

    @final
    def draw(self, requests: Sequence[Request], sampling: Sampling, ledger: Ledger) -> list[Group]:
        """Answer every request; equal answers are rolled out once."""
        read = {prompt: board_in(self.puzzle, prompt) for prompt in {r.prompt for r in requests}}
        heat = 1.0 if sampling.is_greedy else sampling.temperature
        goes_by_question = sampling.is_greedy or not self.varies(heat)
        wanted = [
            [
                self._asked(request, read[request.prompt], i, is_own=not goes_by_question)
                for i in range(request.n)
            ]
            for request in requests
        ]
        distinct = list(dict.fromkeys(one for group in wanted for one in group if one is not None))
        name = "greedy" if sampling.is_greedy else f"samples/{sampling.stream}"
        said, flops = self._answers(distinct, heat, name)
        given = dict(zip(distinct, said, strict=True))
        groups = [
            tuple(_completion(None if one is None else given[one], sampling) for one in group)
            for group in wanted
        ]
        prompts, sampled = len(read), sum(c.n_tokens for group in groups for c in group)
        flops += prompts * self.question_flops()
        ledger.ran(
            prompt=prompts, sampled=sampled, flops_per_token=flops / max(1, prompts + sampled)
        )
        return groups

    def _asked(
        self, request: Request, question: Ids | None, i: int, *, is_own: bool
    ) -> AskedAnswer | None:
        if question is None:
            return None
        if not is_own:
            return AskedAnswer(question, " ".join(map(str, question)), 0)
        return AskedAnswer(question, request.address, (request.first + i) * self.n_trajectories)

    def _answers(
        self, asked: Sequence[AskedAnswer], heat: float, name: str
    ) -> tuple[list[_Said], float]:
        """Return the answer of each, and the FLOPs that all of them took.

        With an exact checker trajectories come in waves, each twice as wide as the one before, until
        one is accepted.
        """
        width = self.n_trajectories if self.varies(heat) else 1
        drawn: list[list[Rollout]] = [[] for _ in asked]
        left, flops, done = list(range(len(asked))), 0.0, 0
        while left and done < width:
            wave = min(max(1, done), width - done) if self.selector == "checker" else width
            found, cost = self.rolled([asked[i] for i in left], (done, wave), heat, name)
            for i, own in zip(left, found, strict=True):
                drawn[i] += [self._checked(asked[i].question, one) for one in own]
            flops += cost
            done += wave
            if self.selector == "checker":
                left = [i for i in left if not any(one.told.is_valid for one in drawn[i])]
        picked = [chosen(self.selector, [one.told for one in own]) for own in drawn]
        counted = self.puzzle.grid.answered
        said = [
            _Said(
                own[pick].told.text, *_agreement([one.ids for one in own], own[pick].ids, counted)
            )
            for own, pick in zip(drawn, picked, strict=True)
        ]
        return said, flops

    def _checked(self, question: Ids, one: Rollout) -> Rollout:
        """Ask the exact checker, where the selector knows it."""
        if self.selector not in CHECKED or not self.puzzle.is_valid(question, one.ids):
            return one
        return Rollout(one.ids, one.told.accepted())


def net_hash(net: nn.Module) -> str:
    """Return a hash of a net's weights: 16 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=8)
    for name, part in sorted(net.state_dict().items()):
        digest.update(f"{name} {tuple(part.shape)} ".encode())
        digest.update(part.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _agreement(
    drawn: Sequence[Ids], answer: Ids, answered: Sequence[bool]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return how far trajectories agree with an answer at each answered position.

    Returns:
        Share of the commonest id minus that of the second, and the share of the answer's own.
    """
    margins, shares = [], []
    for place, counts in enumerate(answered):
        if not counts:
            continue
        here = [one[place] for one in drawn]
        most, second = (*sorted(map(here.count, set(here)), reverse=True), 0)[:2]
        margins.append((most - second) / len(here))
        shares.append(here.count(answer[place]) / len(here))
    return tuple(margins), tuple(shares)


def _completion(said: _Said | None, sampling: Sampling) -> Completion:
    """Return an answer as a completion, an answered position a token."""
    if said is None:
        said = _Said(NO_BOARD, (1.0,), (1.0,))
    pieces, limit = board_pieces(said.text, len(said.shares)), sampling.max_new_tokens
    stop: Stop = "eos" if len(pieces) <= limit else "length"
    pieces = pieces[:limit]
    text = "".join(pieces)
    found = [place for end in sampling.stop if end and (place := text.find(end)) >= 0]
    if found:
        text, stop = text[: min(found)], "stop"
    if not sampling.margins:
        return Completion(text, len(pieces), stop)
    return Completion(text, len(pieces), stop, pieces, said.margins[:limit], said.shares[:limit])
