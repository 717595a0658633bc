"""What was really spent: labels, judge calls, tokens, updates, FLOPs, seconds."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from modicum.errors import BudgetError

__all__ = ["Ledger", "as_reused", "cost"]

_RARE = ("texts", "tokens_texts")
"""Counters of the few methods that read unlabelled texts."""


@dataclass(slots=True)
class Ledger:
    """Counters that only grow; one for eliciting, one for serving.

    What was drawn before and is taken again counts as reused: it was not spent here, and yet a
    nudge costs it (`cost`). A method cannot write to it: models, the judge and the training loop do.
    """

    labels: int = 0
    """Labelled problems seen, selection included."""
    texts: int = 0
    """Questions without labels seen beside those."""
    tokens_texts: int = 0
    """Their tokens."""
    judge_calls: int = 0
    """Answers marked for the method."""
    tokens_prompt: int = 0
    """Prompt tokens run through the model (shared prefixes once)."""
    tokens_sampled: int = 0
    """Tokens generated."""
    tokens_trained: int = 0
    """Tokens that went through a training step, padding left out."""
    updates: int = 0
    """Optimiser steps."""
    flops: float = 0.0
    """2 N a token run, 6 N a token trained."""
    seconds: float = 0.0
    """Wall-clock time inside `timed`."""
    completions_reused: int = 0
    """Answers that were drawn before."""
    tokens_reused: float = 0.0
    """Their tokens, with their share of the prompts run for them."""
    flops_reused: float = 0.0
    """What drawing them took."""
    nudge_bytes: int = 0
    """Size of what is added to the model."""
    max_judge_calls: int | None = field(default=None, compare=False)
    """Limit on judge calls; passing it raises `BudgetError`."""
    depth: int = field(default=0, compare=False, repr=False)
    """How many timed blocks are open."""
    observer: Callable[["Ledger"], None] | None = field(default=None, compare=False, repr=False)
    """Called after tokens were counted; shows progress, must be cheap."""
    drawn: int = field(default=0, compare=False, repr=False)
    """Completions that have ended, for a watcher; no counter of cost, and 0 of models that do not say."""
    said: str = field(default="", compare=False, repr=False)
    """What is under way, such as the last figures of a training, in one line for a watcher."""

    def ran(self, *, prompt: int = 0, sampled: int = 0, flops_per_token: float) -> None:
        """Counts tokens run through a model."""
        self.tokens_prompt += prompt
        self.tokens_sampled += sampled
        self.flops += flops_per_token * (prompt + sampled)
        if self.observer is not None:
            self.observer(self)

    def read_unlabelled(self, texts: int, tokens: int) -> None:
        """Count texts without labels that are learned from, and their tokens."""
        self.texts += texts
        self.tokens_texts += tokens

    def reused(
        self, *, completions: int, prompt: float, sampled: int, flops_per_token: float
    ) -> None:
        """Counts answers that were drawn before."""
        self.completions_reused += completions
        self.tokens_reused += prompt + sampled
        self.flops_reused += flops_per_token * (prompt + sampled)

    def trained(self, tokens: int, flops_per_token: float) -> None:
        """Count one optimiser step over `tokens` tokens (forward and backward: 3 x)."""
        self.tokens_trained += tokens
        self.updates += 1
        self.flops += 3.0 * flops_per_token * tokens
        if self.observer is not None:
            self.observer(self)

    def says(self, line: str) -> None:
        """Take a line of what is under way, for the observer."""
        self.said = line
        if self.observer is not None:
            self.observer(self)

    def judged(self, calls: int = 1) -> None:
        """Counts answers marked for a method.

        Raises:
            BudgetError: more calls than the limit.
        """
        self.judge_calls += calls
        if self.max_judge_calls is not None and self.judge_calls > self.max_judge_calls:
            msg = f"{self.judge_calls} judge calls, limit {self.max_judge_calls}"
            raise BudgetError(msg)

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """Add the wall-clock seconds of a block; inside another timed block it adds nothing."""
        start, self.depth = time.perf_counter(), self.depth + 1
        try:
            yield
        finally:
            self.depth -= 1
            if self.depth == 0:
                self.seconds += time.perf_counter() - start

    def as_dict(self) -> dict[str, float]:
        """Return the counters as plain numbers, for the store; those of `_RARE` only where they count."""
        hidden = {"observer", "max_judge_calls", "depth", "drawn", "said"}
        hidden |= {name for name in _RARE if not getattr(self, name)}
        return {
            f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in hidden
        }


def cost(spent: Mapping[str, float]) -> float:
    """Return the FLOPs that the work of a stored ledger takes, whoever has paid for them."""
    return float(spent.get("flops", 0.0)) + float(spent.get("flops_reused", 0.0))


def as_reused(spent: Mapping[str, float], completions: int) -> dict[str, float]:
    """Return a stored ledger as that of a trial which takes the same answers and draws nothing."""
    if not spent:
        return {}
    tokens = sum(spent.get(n, 0) for n in ("tokens_prompt", "tokens_sampled", "tokens_reused"))
    fresh = Ledger(completions_reused=completions, tokens_reused=tokens, flops_reused=cost(spent))
    return fresh.as_dict()
