"""What the forms compare by: next-token scores of the nudged model and of what was loaded back."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from modicum.errors import ConfigError
from modicum.export import Parcel
from modicum.ledger import Ledger
from modicum.model import render
from modicum.nudge import Solver
from modicum.nudge.attach import steered, text_columns
from modicum.nudge.steering import Steering
from modicum.training.changes import Vectors
from modicum.types import Request, Sampling
from modicum.whitebox import WhiteBox

__all__ = [
    "LogitTrace",
    "apart",
    "limit_of",
    "nudged_logits",
    "plain_logits",
    "probes_of",
    "steering_of",
    "whitebox_of",
]

_LONGEST = 48
"""Tokens of an answer that are compared at most."""
_SMALL, _REAL, _ROUNDED = 1e-4, 1e-3, 0.25
"""Largest difference allowed: below five million parameters, above, and in sixteen bits."""
_FEW = 5_000_000


@dataclass(frozen=True)
class LogitTrace:
    """One prompt with the answer that the nudged model gives to it."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]

    @property
    def tokens(self) -> tuple[int, ...]:
        """Both together."""
        return self.prompt + self.answer


Logits = Float[Tensor, "_steps vocab"]


def whitebox_of(solver: Solver) -> WhiteBox:
    """Return the nudged model as one whose weights can be reached.

    Raises:
        ConfigError: they cannot.
    """
    model = solver.model
    if isinstance(model, WhiteBox):
        return model
    raise ConfigError(
        f"a nudge of {model.card.name}, whose weights cannot be reached",
        "a local model",
        "export the prompt instead",
    )


def steering_of(parcel: Parcel) -> Steering | None:
    """Return the directions that the nudge adds, or None where it adds none."""
    found = (c.steering for c in parcel.nudge.changes if isinstance(c, Vectors))
    return next(found, None)


def probes_of(parcel: Parcel, whitebox: WhiteBox) -> list[LogitTrace]:
    """Ask the nudged model a few test questions, greedily; its own answers are compared along."""
    prompts = [render(whitebox, parcel.style, question) for question in parcel.questions]
    longest = min(_LONGEST, parcel.sheet.max_new_tokens)
    sampling = Sampling(longest, 0.0, parcel.sheet.stop + parcel.style.stop, ids=True)
    requests = [Request(prompt, f"export/{i}") for i, prompt in enumerate(prompts)]
    drawn = whitebox.generate(requests, sampling, Ledger())
    return [
        LogitTrace(tuple(whitebox.encode(prompt)), group[0].ids)
        for prompt, group in zip(prompts, drawn, strict=True)
    ]


def nudged_logits(
    whitebox: WhiteBox, steering: Steering | None, probes: Sequence[LogitTrace]
) -> list[Logits]:
    """Return the scores that predict each answer and what follows it, with our hooks in place."""
    found = []
    for probe in probes:
        columns = text_columns(steering, len(probe.tokens), [len(probe.prompt) - 1])
        with steered(whitebox.module, steering, columns):
            found.append(_scores(whitebox.module, probe))
    return found


def plain_logits(module: nn.Module, probes: Sequence[LogitTrace]) -> list[Logits]:
    """Return the same scores of a module as it is."""
    return [_scores(module, probe) for probe in probes]


def apart(one: Sequence[Logits], other: Sequence[Logits]) -> float:
    """Return the largest difference between two lists of scores; infinite where shapes differ."""
    if [a.shape for a in one] != [b.shape for b in other]:
        return float("inf")
    largest = [float((a - b).abs().max()) for a, b in zip(one, other, strict=True)]
    return max(largest) if all(d == d for d in largest) else float("inf")  # noqa: PLR0124 - NaN


def limit_of(whitebox: WhiteBox) -> float:
    """Return the largest difference of a score that counts as the same model."""
    if whitebox.dtype != torch.float32:
        return _ROUNDED
    return _SMALL if whitebox.card.parameters < _FEW else _REAL


def _scores(module: nn.Module, probe: LogitTrace) -> Logits:
    home = next(module.parameters()).device
    with torch.inference_mode():
        output = module(torch.tensor([probe.tokens], device=home), use_cache=False)
    logits: Tensor = output.logits[0, len(probe.prompt) - 1 :]
    return logits.float().cpu()
