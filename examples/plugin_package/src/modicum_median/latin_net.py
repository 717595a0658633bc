"""A net of a few thousand weights that fills Latin squares and knows no language.

`python -m modicum_median.latin_net` trains it again, in seconds, on squares that the task never asks.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from modicum.ledger import Ledger
from modicum.model import Backend, Model, ModelCard
from modicum.seeds import key, stream
from modicum.stock import Group
from modicum.types import Completion, Request, Sampling, Stop
from modicum_median.latin_squares import board_in, squares

__all__ = ["LatinModel", "LatinNet"]

WEIGHTS = Path(__file__).with_suffix(".safetensors")
_WIDTH, _ROUNDS = 24, 6


@final
@dataclass(frozen=True)
class LatinNet(Backend):
    """Opens the net that lies beside this file."""

    light: ClassVar[bool] = True
    speaks: ClassVar[bool] = False

    def check(self) -> None:
        """Find nothing wrong: the weights come with the package."""

    def open(self) -> "LatinModel":
        """Load the weights."""
        return LatinModel(WEIGHTS)


class Net(nn.Module):
    """One step, taken again and again: each cell looks at its row and its column."""

    def __init__(self) -> None:
        """Make the weights."""
        super().__init__()
        self.step = nn.Linear(3 * _WIDTH + 5, _WIDTH)
        self.digits = nn.Linear(_WIDTH, 4)

    def forward(self, boards: Tensor) -> Tensor:
        """Return scores of the digits, (boards, 16, 4), from cells of 0 (open) to 4, (boards, 16)."""
        given = functional.one_hot(boards, 5).to(self.digits.weight.dtype)
        state = given.new_zeros(*boards.shape, _WIDTH)
        for _ in range(_ROUNDS):
            grid = state.unflatten(1, (4, 4))
            row = grid.mean(2, keepdim=True).expand_as(grid).flatten(1, 2)
            column = grid.mean(1, keepdim=True).expand_as(grid).flatten(1, 2)
            state = torch.tanh(self.step(torch.cat([state, row, column, given], dim=-1)))
        scores: Tensor = self.digits(state)
        return scores


@final
class LatinModel(Model):
    """Fills one open cell after the other, as one writes; other questions get `?`."""

    def __init__(self, weights: Path) -> None:
        """Load the weights."""
        self._hash = hashlib.sha256(weights.read_bytes()).hexdigest()[:16]
        self._net = Net()
        self._net.load_state_dict(load_file(weights))
        self._net.double().eval()  # so that its company in a batch decides nothing

    @property
    def card(self) -> ModelCard:
        """What is known of the model; each token passes its weights several times."""
        count = sum(weight.numel() for weight in self._net.parameters())
        return ModelCard("latin_net", self._hash, count, 2.0 * count * _ROUNDS, "Apache-2.0")

    def draw(self, requests: Sequence[Request], sampling: Sampling, ledger: Ledger) -> list[Group]:
        """Fill every board of every request at once."""
        rows = [(r, r.first + i) for r in requests for i in range(r.n)]
        boards = [board_in(request.prompt) for request, _ in rows]
        asked = [
            (board, key("latin_net", sampling.stream, request.address, sample))
            for board, (request, sample) in zip(boards, rows, strict=True)
            if board is not None
        ]
        filled = iter(self._filled(asked, sampling.temperature))
        drawn = iter([_completion(board and next(filled), sampling) for board in boards])
        groups = [tuple(next(drawn) for _ in range(request.n)) for request in requests]
        ledger.ran(
            prompt=16 * len({request.prompt for request in requests}),
            sampled=sum(c.n_tokens for group in groups for c in group),
            flops_per_token=self.card.flops_per_token,
        )
        return groups

    def _filled(self, asked: Sequence[tuple[str, int]], temperature: float) -> "list[_Filled]":
        """Return each board with its cells filled; luck comes from the board's own key."""
        cells = torch.tensor([[int(c) if c != "." else 0 for c in board] for board, _ in asked])
        luck = torch.tensor([list(_luck(name)) for _, name in asked], dtype=torch.float64)
        sure = torch.ones(len(asked), 16, 2, dtype=torch.float64)
        for step in range(16):
            rows = (cells == 0).any(-1).nonzero().flatten() if len(asked) else ()
            if not len(rows):
                break
            chances = self._chances(cells[rows])
            best = (cells[rows] == 0).int().argmax(-1)
            here = chances[torch.arange(len(rows)), best]
            if temperature > 0:
                shares = (here.log() / temperature).softmax(-1).cumsum(-1)
                digit = (shares[:, :3] <= luck[rows, step, None]).sum(-1)
            else:
                digit = here.argmax(-1)
            two = here.topk(2).values
            cells[rows, best] = digit + 1
            sure[rows, best] = torch.stack(
                [two[:, 0] - two[:, 1], here.gather(1, digit[:, None])[:, 0]], dim=-1
            )
        return [
            _Filled("".join(map(str, row)), tuple(m), tuple(p))
            for row, m, p in zip(
                cells.tolist(), sure[..., 0].tolist(), sure[..., 1].tolist(), strict=True
            )
        ]

    @torch.inference_mode()
    def _chances(self, cells: Tensor) -> Tensor:
        """Return the probability of each digit in each cell, (boards, 16, 4); equal boards once."""
        once, places = cells.unique(dim=0, return_inverse=True)
        return self._net(once).softmax(-1).clamp_min(1e-12)[places]


@dataclass(frozen=True)
class _Filled:
    """A board with every cell filled."""

    digits: str
    margins: tuple[float, ...]
    probabilities: tuple[float, ...]


def _completion(filled: _Filled | None, sampling: Sampling) -> Completion:
    """Write a board as an answer, a token a cell and one for the end."""
    if filled is None:
        pieces, margins, chances = ("?", ""), (1.0, 1.0), (1.0, 1.0)
    else:
        before = ["Answer: ", *("", "", "", " ") * 4][:16]
        pieces = (*(b + d for b, d in zip(before, filled.digits, strict=True)), "")
        margins, chances = (*filled.margins, 1.0), (*filled.probabilities, 1.0)
    limit = sampling.max_new_tokens
    stop: Stop = "eos" if len(pieces) <= limit else "length"
    text, n = "".join(pieces[:limit]), min(limit, len(pieces))
    found = [place for end in sampling.stop if end and (place := text.find(end)) >= 0]
    if found:
        text, stop = text[: min(found)], "stop"
    if not sampling.margins:
        return Completion(text, n, stop)
    return Completion(text, n, stop, pieces[:limit], margins[:limit], chances[:limit])


def _luck(name: int) -> Iterator[float]:
    """Return a number in [0, 1) for each step."""
    return (key(name, step) / 2.0**64 for step in range(16))


def train(steps: int = 130) -> Net:
    """Train the net on boards with some cells left open; briefly, so that it knows more than it says."""
    rng = stream("latin_net", "training")
    known = torch.tensor([list(map(int, one)) for one in squares("training")])
    net = Net()
    with torch.no_grad():
        for weight in net.parameters():
            drawn = torch.from_numpy(rng.standard_normal(tuple(weight.shape)))
            weight.copy_(drawn / math.sqrt(weight.shape[-1]))
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3)
    for _ in range(steps):
        golds = known[torch.from_numpy(rng.integers(len(known), size=128))]
        is_open = torch.from_numpy(rng.random((128, 16)) < rng.uniform(0.1, 0.6, (128, 1)))
        scores = net(golds.masked_fill(is_open, 0))
        loss = functional.cross_entropy(scores[is_open], golds[is_open] - 1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return net


if __name__ == "__main__":
    save_file(train().state_dict(), WEIGHTS)
