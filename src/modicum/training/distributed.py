"""Rollouts and gradients of one training run, spread over the processes of a launch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import nn

from modicum.errors import ConfigError, TrialError
from modicum.ledger import Ledger
from modicum.stock import Group
from modicum.training.launch import Ranks
from modicum.types import Request, Sampling
from modicum.whitebox import WhiteBox

__all__ = ["add_gradients", "own_part", "same_start", "spread"]

_COUNTS = ("tokens_prompt", "tokens_sampled", "flops")


def spread(model: WhiteBox, ranks: Ranks) -> WhiteBox:
    """Return a model whose samples are drawn by all processes, each a part of every request's.

    A sample's random stream depends on its number alone, so that it is drawn alike wherever it is;
    every process gets every answer.
    """

    def draw(requests: Sequence[Request], sampling: Sampling, ledger: Ledger) -> list[Group]:
        own = []
        for request in requests:
            first, end = (request.n * i // ranks.count for i in (ranks.number, ranks.number + 1))
            own.append(replace(request, first=request.first + first, n=end - first))
        spent = Ledger()
        asked = [request for request in own if request.n]
        drawn = iter(model.generate(asked, sampling, spent) if asked else [])
        mine = [next(drawn) if request.n else () for request in own]
        parts = ranks.gather((mine, {name: getattr(spent, name) for name in _COUNTS}))
        for _, counts in parts:
            ledger.tokens_prompt += int(counts["tokens_prompt"])
            ledger.tokens_sampled += int(counts["tokens_sampled"])
            ledger.flops += counts["flops"]
        return [sum((part[i] for part, _ in parts), ()) for i in range(len(own))]

    return model.drawn_by(draw)


def add_gradients(parameters: Iterable[nn.Parameter], ranks: Ranks) -> None:
    """Add up the gradients of all processes; where some have none, theirs count as zeros.

    The loss of a part is divided by the whole batch's totals, so that the sum over the processes is
    the gradient that one process would have. A parameter that has none anywhere keeps none, for an
    optimiser moves one whose gradient is zero.
    """
    if ranks.count == 1:
        return
    held = list(parameters)
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in held])
    there = flat.new_tensor([float(p.grad is not None) for p in held])
    summed = ranks.add(torch.cat((flat, there)))
    parts = torch.split(summed[: len(flat)], [p.numel() for p in held])
    for parameter, gradient, has in zip(held, parts, summed[len(flat) :].tolist(), strict=True):
        parameter.grad = gradient.view_as(parameter).to(parameter.dtype) if has else None


def own_part(n: int, ranks: Ranks) -> slice:
    """Return which of n parts of an update are this process's.

    Raises:
        ConfigError: fewer parts than processes.
    """
    if n < ranks.count:
        raise ConfigError(
            f"{ranks.count} processes for updates of {n}",
            "at least one for each process",
            "start fewer processes, or raise the batch",
        )
    return slice(n * ranks.number // ranks.count, n * (ranks.number + 1) // ranks.count)


def same_start(state: Mapping[str, torch.Tensor], ranks: Ranks) -> None:
    """Look whether all processes begin with the same parameters.

    Raises:
        TrialError: they do not.
    """
    total = sum(float(tensor.double().abs().sum()) for tensor in state.values())
    found = ranks.gather(total)
    if len(set(found)) > 1:
        msg = f"the processes begin with other parameters: their sums are {found}"
        raise TrialError(msg)
