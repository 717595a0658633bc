"""Rollouts as training rows: equal ones joined, each prompt once, completions laid out in lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Batch", "Lines", "RolloutRow", "batch_rows", "batches", "join_equal"]


@dataclass(frozen=True)
class RolloutRow:
    """One rollout, or several equal ones, with its advantage."""

    prompt: tuple[int, ...]
    """Token ids of the prompt, at least one."""
    tokens: tuple[int, ...]
    """Token ids of the completion, the end token included, at least one."""
    advantage: float
    weight: float = 1.0
    """How many equal rollouts it stands for."""


class Lines(NamedTuple):
    """Completions of one prompt behind each other, so that little is padding."""

    prompt: Int[Tensor, " lines"]
    """The prompt that a line goes on from."""
    ids: Int[Tensor, "lines width"]
    """Every token but a completion's last, which predicts nothing."""
    targets: Int[Tensor, "lines width"]
    """The token that each position predicts."""
    owner: Int[Tensor, "lines width"]
    """The row that a position belongs to; -1 at padding."""
    step: Int[Tensor, "lines width"]
    """Place of each token within its completion, from 0."""
    cells: Int[Tensor, "rows rest"]
    """Where, in all lines laid end to end, each row's second to last tokens are predicted."""


class Batch(NamedTuple):
    """Rows as tensors: each prompt once, the completions padded and as lines."""

    prompts: Int[Tensor, "prompts before"]
    """Distinct prompts, padded on the left."""
    known: Int[Tensor, "prompts before"]
    """1 at tokens, 0 at padding."""
    which: Int[Tensor, " rows"]
    """The prompt of each row."""
    tokens: Int[Tensor, "rows longest"]
    """The completions, padded on the right."""
    counted: Float[Tensor, "rows longest"]
    """1 where a completion's token counts."""
    advantage: Float[Tensor, " rows"]
    weight: Float[Tensor, " rows"]
    lines: Lines


def join_equal(rows: Sequence[RolloutRow]) -> list[RolloutRow]:
    """Return one row for all that are equal in prompt, tokens and advantage; the loss stays the same.

    A small answer space repeats itself: of 256 rollouts of the organism a few dozen differ.

    >>> rows = [RolloutRow((1,), (2,), 0.5), RolloutRow((1,), (3,), 0.5), RolloutRow((1,), (2,), 0.5)]
    >>> [(row.tokens, row.weight) for row in join_equal(rows)]
    [((2,), 2.0), ((3,), 1.0)]
    """
    joined: dict[tuple[object, ...], RolloutRow] = {}
    for row in rows:
        name = (row.prompt, row.tokens, row.advantage)
        before = joined[name].weight if name in joined else 0.0
        joined[name] = RolloutRow(row.prompt, row.tokens, row.advantage, before + row.weight)
    return list(joined.values())


def batches(rows: Sequence[RolloutRow], most_tokens: int) -> Iterator[list[RolloutRow]]:
    """Cuts rows, those of a prompt together, into batches of at most so many tokens with padding."""
    batch: list[RolloutRow] = []
    for row in sorted(rows, key=lambda row: (row.prompt, len(row.tokens))):
        more = [*batch, row]
        prompts = {r.prompt for r in more}
        size = len(prompts) * max(map(len, prompts)) + len(more) * max(len(r.tokens) for r in more)
        if batch and size > most_tokens:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def batch_rows(rows: Sequence[RolloutRow], device: torch.device) -> Batch:
    """Return rows as tensors."""
    places = {prompt: i for i, prompt in enumerate(dict.fromkeys(row.prompt for row in rows))}
    before = max(map(len, places))
    prompts = torch.tensor([(0,) * (before - len(p)) + p for p in places])
    known = torch.tensor([(0,) * (before - len(p)) + (1,) * len(p) for p in places])
    which = [places[row.prompt] for row in rows]
    after = max(len(row.tokens) for row in rows)
    tokens = torch.tensor([row.tokens + (0,) * (after - len(row.tokens)) for row in rows])
    counted = torch.arange(after) < torch.tensor([[len(row.tokens)] for row in rows])
    numbers = torch.tensor([[row.advantage, row.weight] for row in rows])
    lines = Lines._make(part.to(device) for part in _lines([row.tokens for row in rows], which))
    parts = (prompts, known, torch.tensor(which), tokens, counted.float(), *numbers.T.contiguous())
    return Batch._make((*(part.to(device) for part in parts), lines))


def _lines(completions: Sequence[tuple[int, ...]], which: Sequence[int]) -> Lines:
    """Lay the completions of each prompt out in lines no longer than the longest of all."""
    width = max(map(len, completions)) - 1
    room: dict[int, list[tuple[int, int]]] = {}
    homes: list[int] = []
    cells = torch.zeros(len(completions), width, dtype=torch.long)
    starts = []
    for row in sorted(range(len(completions)), key=lambda row: -len(completions[row])):
        size = len(completions[row]) - 1
        if size == 0:
            continue
        own = room.setdefault(which[row], [])
        place = next((i for i, (_, left) in enumerate(own) if left >= size), None)
        if place is None:
            place = len(own)
            own.append((len(homes), width))
            homes.append(which[row])
        line, left = own[place]
        own[place] = (line, left - size)
        start = line * width + width - left
        cells[row, :size] = torch.arange(start, start + size)
        starts.append((row, start, size))
    ids, targets, owner, step = (torch.zeros(len(homes) * width, dtype=torch.long) for _ in "itos")
    owner.fill_(-1)
    for row, start, size in starts:
        tokens = torch.tensor(completions[row])
        ids[start : start + size], targets[start : start + size] = tokens[:-1], tokens[1:]
        owner[start : start + size], step[start : start + size] = row, torch.arange(size)
    shaped = (part.view(len(homes), width) for part in (ids, targets, owner, step))
    return Lines._make((torch.tensor(homes), *shaped, cells))
