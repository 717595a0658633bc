"""Rollouts as training rows: equal ones joined, like lengths together, padding on the outside."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Batch", "Row", "batch_rows", "batches", "join_equal"]


@dataclass(frozen=True)
class Row:
    """One rollout, or several equal ones, with its advantage."""

    prompt: tuple[int, ...]
    """Token ids of the prompt, at least one."""
    tokens: tuple[int, ...]
    """Token ids of the completion, the end token included, at least one."""
    advantage: float
    weight: float = 1.0
    """How many equal rollouts it stands for."""


class Batch(NamedTuple):
    """Rows as tensors: prompts end in one column, where completions begin."""

    ids: Int[Tensor, "rows length"]
    mask: Int[Tensor, "rows length"]
    """1 at tokens, 0 at padding, for attention."""
    places: Int[Tensor, "rows length"]
    """Position of each token."""
    tokens: Int[Tensor, "rows longest"]
    """The completions."""
    counted: Float[Tensor, "rows longest"]
    """1 where a completion's token counts."""
    advantage: Float[Tensor, " rows"]
    weight: Float[Tensor, " rows"]

    @property
    def start(self) -> int:
        """Column of the last prompt position, which predicts the first token."""
        return int(self.ids.shape[1] - self.tokens.shape[1] - 1)


def join_equal(rows: Sequence[Row]) -> list[Row]:
    """Gives one row for all that are equal in prompt, tokens and advantage; the loss stays the same.

    A small answer space repeats itself: of 256 rollouts of the organism a few dozen differ.

    >>> rows = [Row((1,), (2,), 0.5), Row((1,), (3,), 0.5), Row((1,), (2,), 0.5)]
    >>> [(row.tokens, row.weight) for row in join_equal(rows)]
    [((2,), 2.0), ((3,), 1.0)]
    """
    joined: dict[tuple[object, ...], Row] = {}
    for row in rows:
        name = (row.prompt, row.tokens, row.advantage)
        before = joined[name].weight if name in joined else 0.0
        joined[name] = Row(row.prompt, row.tokens, row.advantage, before + row.weight)
    return list(joined.values())


def batches(rows: Sequence[Row], most_tokens: int) -> Iterator[list[Row]]:
    """Cuts rows, shortest first, into batches of at most so many tokens, padding included."""
    batch: list[Row] = []
    for row in sorted(rows, key=lambda row: (len(row.tokens), len(row.prompt))):
        longest = max([len(r.prompt) for r in (*batch, row)]) + len(row.tokens)
        if batch and (len(batch) + 1) * longest > most_tokens:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def batch_rows(rows: Sequence[Row], device: torch.device) -> Batch:
    """Gives rows as tensors: prompts padded on the left, completions on the right."""
    before = max(len(row.prompt) for row in rows)
    after = max(len(row.tokens) for row in rows)
    ids = torch.zeros(len(rows), before + after, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        first, end = before - len(row.prompt), before + len(row.tokens)
        ids[i, first:end] = torch.tensor(row.prompt + row.tokens)
        mask[i, first:end] = 1
    places = (mask.cumsum(1) - 1).clamp(min=0)
    numbers = torch.tensor([[row.advantage, row.weight] for row in rows])
    parts = (ids, mask, places, ids[:, before:], mask[:, before:].float(), *numbers.T.contiguous())
    return Batch(*(part.to(device) for part in parts))
