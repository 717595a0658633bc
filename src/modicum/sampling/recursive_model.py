"""A recursive net as a model: it reads the puzzle in a prompt, rolls out trajectories, and one answers."""

import copy
import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import nn

from modicum.errors import AccessError, ConfigError
from modicum.ledger import Ledger
from modicum.model import Model, ModelCard
from modicum.nets.grid import Ids
from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_folder import RecursiveCard
from modicum.nets.recursive_rollouts import Rolling, roll, varies
from modicum.puzzles.puzzle import Puzzle
from modicum.sampling.board_text import NO_BOARD, board_in, board_pieces
from modicum.sampling.selectors import Selector, Trajectory, chosen
from modicum.stock import Group
from modicum.types import Completion, Request, Sampling, Stop

__all__ = ["Reasoning", "RecursiveModel", "need_recursive", "net_hash"]

_SURE = 0.5
"""How sure a net must be to halt for which nothing was chosen."""

_CHECKED: tuple[Selector, ...] = ("checker", "oracle")


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


@dataclass(frozen=True)
class _Asked:
    """One answer that is wanted: its question, what names its noise, and its first trajectory."""

    question: Ids
    address: str
    first: int


@dataclass(frozen=True)
class _Said:
    """The answer to one question, with how much its trajectories agree at each answered position."""

    text: str
    margins: tuple[float, ...]
    shares: tuple[float, ...]


@final
class RecursiveModel(Model):
    """Answers what its puzzle reads in a prompt; any other prompt gets `?`.

    Greedy, an answer is that of `width` trajectories whose noise goes by the question alone. Sampled,
    sample i is the answer of trajectories `i * width` to `(i + 1) * width - 1`, whose noise goes by
    (stream, address, trajectory, step).
    """

    def __init__(
        self, net: RecursiveNet, puzzle: Puzzle, card: RecursiveCard, how: Reasoning, name: str
    ) -> None:
        """Take a net as it stands.

        Args:
            net: On its device; of an untrained one the first weights.
            puzzle: What questions and answers are.
            card: What is known of the net; untrained where it says nothing of training.
            how: How answers are rolled out.
            name: Reference of the model.

        Raises:
            ConfigError: a net whose positions or ids are not the puzzle's.
        """
        shape, grid = net.shape, puzzle.grid
        if (shape.length, shape.vocabulary) != (grid.length, grid.vocabulary):
            raise ConfigError(
                f"a recursive net for {shape.length} positions and {shape.vocabulary} ids",
                f"{grid.length} and {grid.vocabulary}, as {card.task} has them",
                "give the task that the net was made for",
            )
        self.net, self.puzzle, self.made, self.how = net, puzzle, card, how
        self._name, self._weights = name, net_hash(net)

    @property
    def is_new(self) -> bool:
        """Whether nothing was learned yet."""
        return not self.made.trained

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
    def card(self) -> ModelCard:
        """What is known of the model; a token is an answered position, with all steps of its width."""
        shape, grid = self.net.shape, self.puzzle.grid
        width = self.how.width if varies(self.net, self._rolling(1.0, "")) else 1
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

    def with_net(self, net: RecursiveNet, card: RecursiveCard) -> "RecursiveModel":
        """Return the same model around a net that was trained; it takes from no stock."""
        other = copy.copy(self)
        other.net, other.made, other._stock = net, card, None
        other._weights = net_hash(net)
        return other

    def draw(self, requests: Sequence[Request], sampling: Sampling, ledger: Ledger) -> list[Group]:
        """Answer every request; equal answers are rolled out once."""
        read = {prompt: board_in(self.puzzle, prompt) for prompt in {r.prompt for r in requests}}
        wanted = [
            [self._asked(request, read[request.prompt], i, sampling) for i in range(request.n)]
            for request in requests
        ]
        distinct = list(dict.fromkeys(one for group in wanted for one in group if one is not None))
        heat = 1.0 if sampling.is_greedy else sampling.temperature
        name = "greedy" if sampling.is_greedy else f"samples/{sampling.stream}"
        said, steps = self._answers(distinct, self._rolling(heat, name))
        given = dict(zip(distinct, said, strict=True))
        groups = [
            tuple(_completion(None if one is None else given[one], sampling) for one in group)
            for group in wanted
        ]
        self._count(len(read), steps, groups, ledger)
        return groups

    def _notes(self) -> Iterator[str]:
        how = self.how
        yield f"recursive net, no language: reads the boards of {self.made.task}"
        yield f"depth {self.depth}, width {how.width}, selector {how.selector}"
        if how.halts and not how.sure and self.made.halting is not None:
            yield f"halts where it is {self.sure:g} sure, as training chose"
        if self.is_new:
            yield "untrained: its first weights are random"
        if how.selector in _CHECKED:
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

    def _asked(
        self, request: Request, question: Ids | None, i: int, sampling: Sampling
    ) -> _Asked | None:
        if question is None:
            return None
        if sampling.is_greedy or not varies(self.net, self._rolling(sampling.temperature, "")):
            return _Asked(question, " ".join(map(str, question)), 0)
        return _Asked(question, request.address, (request.first + i) * self.how.width)

    def _answers(self, asked: Sequence[_Asked], rolling: Rolling) -> tuple[list[_Said], int]:
        """Return the answer of each, and the supervision steps that all of them took.

        With an exact checker trajectories come in waves, each twice as wide as the one before, until
        one is accepted.
        """
        width = self.how.width if varies(self.net, rolling) else 1
        drawn: list[list[Trajectory]] = [[] for _ in asked]
        ids: list[list[Ids]] = [[] for _ in asked]
        left, steps, done = list(range(len(asked))), 0, 0
        while left and done < width:
            wave = min(max(1, done), width - done) if self.how.selector == "checker" else width
            steps += self._wave(asked, left, (done, wave), rolling, (drawn, ids))
            done += wave
            if self.how.selector == "checker":
                left = [i for i in left if not any(one.is_valid for one in drawn[i])]
        picked = [chosen(self.how.selector, one) for one in drawn]
        counted = self.puzzle.grid.answered
        return [
            _Said(drawn[i][pick].text, *_agreement(ids[i], ids[i][pick], counted))
            for i, pick in enumerate(picked)
        ], steps

    def _wave(
        self,
        asked: Sequence[_Asked],
        left: Sequence[int],
        part: tuple[int, int],
        rolling: Rolling,
        kept: tuple[list[list[Trajectory]], list[list[Ids]]],
    ) -> int:
        """Roll out the next trajectories of those that are left; return the steps taken.

        Args:
            asked: All that is asked.
            left: Places of those that are left.
            part: Trajectories of each that were taken before, and how many now.
            rolling: How.
            kept: Where trajectories and their ids are put.
        """
        those = [asked[i] for i in left]
        boards = torch.tensor([one.question for one in those], device=self.net.head.device)
        how = dataclasses.replace(rolling, width=part[1])
        first = [one.first + part[0] for one in those]
        rolled = roll(self.net, boards, [one.address for one in those], how, first)
        figures = [part.tolist() for part in (rolled.halt, rolled.value, rolled.residual)]
        checks = self.how.selector in _CHECKED
        for place, i in enumerate(left):
            question = asked[i].question
            for j, answer in enumerate(map(tuple, rolled.answers[place].tolist())):
                kept[1][i].append(answer)
                is_valid = checks and self.puzzle.is_valid(question, answer)
                text = self.puzzle.decode(question, answer)
                halt, value, residual = (figure[place][j] for figure in figures)
                kept[0][i].append(Trajectory(text, halt, value, residual, is_valid))
        return int(rolled.steps.sum())

    def _count(self, prompts: int, steps: int, groups: Sequence[Group], ledger: Ledger) -> None:
        """Count what was run: real steps, and each question's way in, which counts as a token."""
        shape = self.net.shape
        sampled = sum(c.n_tokens for group in groups for c in group)
        flops = shape.length * (steps * shape.step_flops + prompts * 2.0 * shape.width)
        ledger.ran(
            prompt=prompts, sampled=sampled, flops_per_token=flops / max(1, prompts + sampled)
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
