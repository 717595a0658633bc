"""A net that thinks before each character, as a language model: its steps and candidates are of its name."""

import dataclasses
import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from modicum.ledger import Ledger
from modicum.model import Extra, Language, Model, ModelCard
from modicum.nets.text_writer import TextWriter
from modicum.nets.thinking import Thinking
from modicum.seeds import key, uniforms
from modicum.stock import Group
from modicum.types import Completion, Request, Sampling, Stop

__all__ = ["TextMind", "TextNetModel"]

_ROWS = 64
"""Completions that are written at once."""


@dataclass(frozen=True)
class TextMind(ABC):
    """A net of text that thinks in one way; subclasses say how."""

    alphabet: str
    """Characters, each once; an id is a place in it. The id behind them ends a text, where there is one."""
    places: int
    """Ids that it sees, at least 1."""
    thinking: Thinking
    parameters: int
    flops: float
    """Operations for each character, all of its thinking included."""
    weights: str
    """Hash of its weights."""
    kind: str
    device: torch.device

    @abstractmethod
    def writer(self) -> TextWriter:
        """Return what writes on from nothing."""

    @abstractmethod
    def nats(self, ids: Int[Tensor, "rows places"]) -> Float[Tensor, "rows length"]:
        """Return minus the log-probability of every id but the first of each row."""


@dataclass
class _Row:
    """A completion as it is written."""

    request: int
    key: int
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    chances: list[float] = field(default_factory=list)
    margins: list[float] = field(default_factory=list)
    stop: Stop = "length"


@final
class TextNetModel(Language, Model):
    """Writes character by character; windows teach no end, so that stop strings end a text, or its length.

    Of a prompt it reads what its alphabet has, and of that the end, so that what is to be written fits
    into what it sees; nothing else fits into a net that was trained on windows.
    """

    offers: frozenset[Extra] = frozenset({"scores"})

    def __init__(self, mind: TextMind, name: str) -> None:
        """Take a net as it stands.

        Args:
            mind: The net.
            name: Reference of the model.
        """
        self._mind, self._name = mind, name
        self._ids = {one: place for place, one in enumerate(mind.alphabet)}

    @property
    def card(self) -> ModelCard:
        """What is known of the model; the thinking is part of what decides its answers."""
        mind = self._mind
        decides = [mind.alphabet, mind.places, dataclasses.asdict(mind.thinking)]
        reading = hashlib.blake2b(json.dumps(decides).encode(), digest_size=8).hexdigest()
        said = f"{mind.kind} net of text: {len(mind.alphabet)} characters, of which it sees {mind.places}"
        return ModelCard(
            self._name, mind.weights, mind.parameters, mind.flops, notes=(said,), reading=reading
        )

    def can_encode(self, text: str) -> bool:
        """Say whether it knows every character."""
        return all(one in self._ids for one in text)

    def count_tokens(self, text: str) -> int:
        """Return how many characters of it are read."""
        return len(self._known(text))

    def draw(self, requests: Sequence[Request], sampling: Sampling, ledger: Ledger) -> list[Group]:
        """Write each request's completions; see `Model.draw`."""
        most = min(sampling.max_new_tokens, self._mind.places)
        read = [self._read(request.prompt, most) for request in requests]
        rows = [
            _Row(number, key("text net", sampling.stream, request.address, request.first + i))
            for number, request in enumerate(requests)
            for i in range(1 if sampling.temperature == 0 else request.n)
        ]
        with ledger.timed():
            for length in sorted({len(read[row.request]) for row in rows}):
                own = [row for row in rows if len(read[row.request]) == length]
                for first in range(0, len(own), _ROWS):
                    part = own[first : first + _ROWS]
                    self._write(part, [read[row.request] for row in part], sampling, most)
        groups: list[list[Completion]] = [[] for _ in requests]
        for row in rows:
            groups[row.request].append(self._completion(row, sampling))
        given = [
            tuple(own) * (request.n if len(own) < request.n else 1)
            for request, own in zip(requests, groups, strict=True)
        ]
        prompts = {request.prompt: ids for request, ids in zip(requests, read, strict=True)}
        ledger.ran(
            prompt=sum(map(len, prompts.values())),
            sampled=sum(one.n_tokens for group in given for one in group),
            flops_per_token=self._mind.flops,
        )
        return given

    def logprob(self, prompts: Sequence[str], continuations: Sequence[str]) -> list[float]:
        """Return the log-probability of each continuation; minus infinity with an unknown character."""
        found = []
        for prompt, more in zip(prompts, continuations, strict=True):
            wanted = self._known(more)
            if len(wanted) < len(more):
                found.append(-math.inf)
                continue
            before = self._read(prompt, 0)
            ids = torch.tensor([[*before, *wanted][-self._mind.places - 1 :]])
            if ids.shape[1] < 2:
                found.append(0.0)
                continue
            costs = self._mind.nats(ids)[0]
            found.append(-float(costs[-len(wanted) :].double().sum()) if wanted else 0.0)
        return found

    def _known(self, text: str) -> list[int]:
        return [self._ids[one] for one in text if one in self._ids]

    def _read(self, prompt: str, most: int) -> list[int]:
        """Return the ids of a prompt, its end where all would leave no room; never none."""
        room = max(1, self._mind.places - most + 1)
        begins = self._ids.get("\n", 0)
        return self._known(prompt)[-room:] or [begins]

    def _write(
        self, rows: list[_Row], read: list[list[int]], sampling: Sampling, most: int
    ) -> None:
        """Write rows whose prompts are equally long; those that end are dropped."""
        device, writer = self._mind.device, self._mind.writer()
        keys = np.array([row.key for row in rows], np.uint64)
        going, further = list(range(len(rows))), torch.tensor(read, device=device)
        for step in range(most):
            logits = writer.read(further).double().cpu()
            drawn = uniforms(keys[going], np.full(len(going), step, np.uint64))
            taken = _taken(logits, torch.from_numpy(drawn), sampling.temperature)
            shares = logits.softmax(-1)
            for place, number in enumerate(going):
                _noted(rows[number], int(taken[place]), shares[place])
            left = [i for i, number in enumerate(going) if not self._ends(rows[number], sampling)]
            if not left:
                return
            if len(left) < len(going):
                going = [going[i] for i in left]
                kept = torch.tensor(left, device=device)
                writer.keep(kept)
                taken = taken[left]
            further = taken[:, None].to(device)

    def _ends(self, row: _Row, sampling: Sampling) -> bool:
        """Say whether a stop string stands at the end, and note it."""
        longest = max(map(len, sampling.stop), default=0)
        text = "".join(self._pieces(row.ids[-longest:])) if longest else ""
        if row.ids[-1] == len(self._mind.alphabet):
            row.stop = "eos"
        elif any(end and text.endswith(end) for end in sampling.stop):
            row.stop = "stop"
        return row.stop != "length"

    def _pieces(self, ids: Sequence[int]) -> tuple[str, ...]:
        """Return the text of each id, empty of one that is no character."""
        alphabet = self._mind.alphabet
        return tuple(alphabet[one] if one < len(alphabet) else "" for one in ids)

    def _completion(self, row: _Row, sampling: Sampling) -> Completion:
        pieces = self._pieces(row.ids)
        text = "".join(pieces)
        ends = [place for end in sampling.stop if end and (place := text.find(end)) >= 0]
        return Completion(
            text[: min(ends)] if ends else text,
            len(pieces),
            row.stop,
            pieces if sampling.margins else (),
            tuple(row.margins) if sampling.margins else (),
            tuple(row.chances) if sampling.margins else (),
            tuple(row.ids) if sampling.ids else (),
            tuple(row.logprobs) if sampling.scores else (),
        )


def _taken(
    logits: Float[Tensor, "rows vocabulary"], drawn: Float[Tensor, " rows"], temperature: float
) -> Int[Tensor, " rows"]:
    """Return the likeliest ids, or those at which the cumulative shares pass what was drawn."""
    if temperature == 0:
        return logits.argmax(-1)
    shares = (logits / temperature).softmax(-1).cumsum(-1)
    found = torch.searchsorted(shares, drawn[:, None].to(shares), right=True)[:, 0]
    return found.clamp(max=logits.shape[1] - 1)


def _noted(row: _Row, taken: int, shares: Float[Tensor, " vocabulary"]) -> None:
    """Add an id to a row, with how likely it was under the net itself."""
    best = torch.cat((shares, shares.new_zeros(1))).topk(2).values
    chance = float(shares[taken])
    row.ids.append(taken)
    row.chances.append(min(1.0, chance))
    row.margins.append(float(best[0] - best[1]))
    row.logprobs.append(min(0.0, math.log(max(chance, 1e-300))))
