"""Fine-tuning: a copy of a model learns to say what examples say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn

from modicum.errors import TrialError
from modicum.ledger import Ledger
from modicum.sampling.whole import whole_pass
from modicum.training.adapters import AdapterShape, attach
from modicum.training.changes import Adapter, Weights, change_of
from modicum.training.fit import Course, Curve, Descent, Lesson, Taken, fit
from modicum.training.head import head_of
from modicum.training.losses import IGNORED, imitation
from modicum.training.masters import Masters
from modicum.training.passes import Passes
from modicum.training.progress_line import loss_line
from modicum.training.rollouts import RolloutRow, batch_rows, batches
from modicum.training.scoring import is_beyond, room_for, score
from modicum.whitebox import WhiteBox

__all__ = ["Example", "Schedule", "Tuned", "batch_of", "tune"]


@dataclass(frozen=True)
class Example:
    """One text to imitate."""

    prompt: tuple[int, ...]
    """Token ids that are given."""
    completion: tuple[int, ...]
    """Token ids that are learned, the end token included."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast."""

    learning_rate: float
    """Peak rate of AdamW, above 0."""
    steps: int
    """Optimiser steps, at least 1; fixed beforehand, so that no label is spent on stopping."""
    passes: int = 5
    """Times each example is seen at least: many examples get more steps than `steps`."""
    batch: int = 8
    """Examples a step; all of them where there are fewer."""
    warmup: float = 0.1
    """Share of the steps with a rising rate; then cosine to a tenth."""
    weight_decay: float = 0.0
    """AdamW's, on matrices."""

    def updates(self, n_examples: int) -> int:
        """Return the number of optimiser steps for so many examples."""
        size = min(n_examples, self.batch)
        return max(self.steps, -(-self.passes * n_examples // size))


@dataclass(frozen=True)
class Tuned:
    """What was learned."""

    change: Adapter | Weights
    """What it changes of the model."""
    losses: tuple[float, ...]
    """Loss of each step, nats a token."""


def tune(
    whitebox: WhiteBox,
    examples: Sequence[Example],
    shape: AdapterShape,
    schedule: Schedule,
    rng: np.random.Generator,
    ledger: Ledger,
) -> Tuned:
    """Imitate the examples and return what was learned; the model itself is untouched.

    Every example is used equally often up to one; the order comes from `rng`.

    Raises:
        TrialError: no examples, or a loss that is not finite.
    """
    if not examples:
        msg = "no examples to tune on"
        raise TrialError(msg)
    tuned = attach(whitebox, shape, rng).train()
    losses = _optimised(whitebox, tuned, examples, schedule, rng, ledger)
    # the optimiser's memory is free by now: what was learned is written out
    return Tuned(change_of(whitebox, tuned.eval()), losses)


def _optimised(
    whitebox: WhiteBox,
    tuned: nn.Module,
    examples: Sequence[Example],
    schedule: Schedule,
    rng: np.random.Generator,
    ledger: Ledger,
) -> tuple[float, ...]:
    """Take every step on the copy; return the loss of each."""
    masters = Masters(tuned)
    trainable = list(masters.named.values())
    groups: list[dict[str, Any]] = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": schedule.weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=schedule.learning_rate)
    updates = schedule.updates(len(examples))
    lesson = _Imitation(whitebox, tuned, masters, examples, _order(len(examples), schedule, rng))
    lesson.flops = whitebox.card.flops_per_token
    course = Course(
        updates,
        lambda step: schedule.learning_rate * _rate(step, updates, schedule.warmup),
        lambda curves: ledger.says(loss_line(curves, updates)),
    )
    with whitebox.threaded():
        fitted = fit(lesson, Descent(optimiser, trainable, write=masters.write), course, ledger)
    masters.release()
    return tuple(curve["loss"] for curve in fitted.curves)


@final
class _Imitation(Lesson):
    """A copy that learns to say what examples say."""

    def __init__(
        self,
        whitebox: WhiteBox,
        tuned: nn.Module,
        masters: Masters,
        examples: Sequence[Example],
        order: Passes,
    ) -> None:
        self._whitebox, self._tuned, self._masters = whitebox, tuned, masters
        self._examples, self._order = examples, order

    @property
    def named(self) -> Mapping[str, nn.Parameter]:
        return self._masters.named

    def step(self, number: int, curves: Sequence[Curve], descent: Descent) -> Taken:
        del curves
        chosen = [self._examples[i] for i in self._order.step(number)]
        loss, _ = descent.take(lambda: self._backward(chosen))
        tokens = sum(len(example.prompt) + len(example.completion) for example in chosen)
        return Taken({"loss": loss}, (tokens,))

    def _backward(self, examples: Sequence[Example]) -> float:
        device = next(iter(self._tuned.parameters())).device
        rows = [RolloutRow(one.prompt, one.completion, 0.0) for one in examples]
        room = room_for(self._whitebox, self._tuned)
        parts = list(batches(rows, room))
        if head_of(self._tuned) is None and len(parts) == 1:
            ids, mask, labels = (t.to(device) for t in batch_of(examples, pad=0))
            loss = imitation(whole_pass(self._tuned, ids, mask).logits, labels)
            loss.backward()
            return float(loss.detach())
        # a large table of scores is never held whole, and what memory cannot hold goes part by part
        total, tokens = 0.0, sum(len(one.completion) for one in examples)
        for part in parts:
            batch = batch_rows(part, device)
            found = score(self._tuned, batch, is_tight=is_beyond(batch, room)).logprobs
            loss = -(found * batch.counted).sum() / tokens
            loss.backward()
            total += float(loss.detach())
        return total


def batch_of(examples: Sequence[Example], pad: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return ids, attention mask and labels, right-padded, shape `[batch, length]` each."""
    length = max(len(e.prompt) + len(e.completion) for e in examples)
    ids: Int[Tensor, "batch length"] = torch.full((len(examples), length), pad)
    labels = torch.full_like(ids, IGNORED)
    mask = torch.zeros_like(ids)
    for row, example in enumerate(examples):
        start, end = len(example.prompt), len(example.prompt) + len(example.completion)
        ids[row, :end] = torch.tensor(example.prompt + example.completion)
        labels[row, start:end] = ids[row, start:end]
        mask[row, :end] = 1
    return ids, mask, labels


def _order(n: int, schedule: Schedule, rng: np.random.Generator) -> Passes:
    """Which examples each step sees; all passes are shuffled now, for the numbers are the trial's own."""
    size = min(n, schedule.batch)
    orders = [rng.permutation(n) for _ in range(-(-schedule.updates(n) * size // n))]
    return Passes(n, size, orders.__getitem__)


def _rate(step: int, steps: int, warmup: float) -> float:
    """Share of the peak rate at a step: linear warm-up, then cosine to a tenth."""
    rise = max(1, round(warmup * steps))
    if step < rise:
        return (step + 1) / rise
    done = (step - rise) / max(1, steps - rise)
    return 0.1 + 0.45 * (1.0 + float(np.cos(np.pi * done)))
