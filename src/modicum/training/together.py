"""Rollouts and gradients of one training run, spread over the processes of a launch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import final

import torch
from torch import nn
from transformers import PreTrainedModel

from modicum.errors import TrialError
from modicum.ledger import Ledger
from modicum.model import ModelCard
from modicum.ranks import Ranks
from modicum.steering.nudge import Steering
from modicum.types import Completion, Request, Sampling
from modicum.whitebox import WhiteBox

__all__ = ["Spread", "add_gradients", "same_start"]

_COUNTS = ("tokens_prompt", "tokens_sampled", "flops")


@final
class Spread(WhiteBox):
    """A model whose samples are drawn by all processes, each a part of every request's.

    A sample's random stream depends on its number alone, so that it is drawn alike wherever it is.
    """

    def __init__(self, inner: WhiteBox, ranks: Ranks) -> None:
        """Takes the model as this process has it."""
        self._inner, self._ranks = inner, ranks
        self.module, self.tokenizer, self.threads = inner.module, inner.tokenizer, inner.threads

    @property
    def card(self) -> ModelCard:
        """What is known of the model."""
        return self._inner.card

    def with_module(self, module: PreTrainedModel) -> WhiteBox:
        """Gives the same model around another module, here alone."""
        return self._inner.with_module(module)

    def with_steering(self, steering: Steering) -> WhiteBox:
        """Gives the same model with directions added to its activations, here alone."""
        return self._inner.with_steering(steering)

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, ledger: Ledger
    ) -> list[tuple[Completion, ...]]:
        """Answers each request `n` times, all processes together; every one gets every answer."""
        number, count = self._ranks.number, self._ranks.count
        own = []
        for request in requests:
            first, end = (request.n * i // count for i in (number, number + 1))
            own.append(replace(request, first=request.first + first, n=end - first))
        spent = Ledger()
        asked = [request for request in own if request.n]
        drawn = iter(self._inner.generate(asked, sampling, spent) if asked else [])
        mine = [next(drawn) if request.n else () for request in own]
        parts = self._ranks.gather((mine, {name: getattr(spent, name) for name in _COUNTS}))
        for _, counts in parts:
            ledger.tokens_prompt += int(counts["tokens_prompt"])
            ledger.tokens_sampled += int(counts["tokens_sampled"])
            ledger.flops += counts["flops"]
        return [sum((part[i] for part, _ in parts), ()) for i in range(len(own))]

    def branch(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        ledger: Ledger,
        *,
        k: int,
        min_probability: float,
    ) -> list[tuple[Completion, ...]]:
        """Continues greedily after the likeliest first tokens, here alone."""
        return self._inner.branch(requests, sampling, ledger, k=k, min_probability=min_probability)

    def logprob(self, prompts: Sequence[str], continuations: Sequence[str]) -> list[float]:
        """Gives the sum of log-probabilities (nats) of each continuation after its prompt."""
        return self._inner.logprob(prompts, continuations)

    def chat(self, system: str | None, user: str) -> str | None:
        """Gives the prompt of the chat template, or None where the model has none."""
        return self._inner.chat(system, user)

    def can_encode(self, text: str) -> bool:
        """Says whether the tokenizer keeps the text (no unknown tokens)."""
        return self._inner.can_encode(text)


def add_gradients(parameters: Iterable[nn.Parameter], ranks: Ranks) -> None:
    """Adds up the gradients of all processes; a parameter without one counts as zeros.

    The loss of a part is divided by the whole batch's totals, so that the sum over the processes is
    the gradient that one process would have.
    """
    if ranks.count == 1:
        return
    held = list(parameters)
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in held])
    summed = ranks.add(flat).split([p.numel() for p in held])
    for parameter, gradient in zip(held, summed, strict=True):
        parameter.grad = gradient.view_as(parameter).to(parameter.dtype)


def same_start(state: Mapping[str, torch.Tensor], ranks: Ranks) -> None:
    """Looks whether all processes begin with the same parameters.

    Raises:
        TrialError: they do not.
    """
    total = sum(float(tensor.double().abs().sum()) for tensor in state.values())
    found = ranks.gather(total)
    if len(set(found)) > 1:
        msg = f"the processes begin with other parameters: their sums are {found}"
        raise TrialError(msg)
