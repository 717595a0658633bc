"""From texts to imitate to a solver: what every method that tunes on texts shares."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from modicum.ledger import Ledger
from modicum.method import Judge, PromptSolver
from modicum.training.adapters import AdapterShape, Parameters, default_rate, load_nudge
from modicum.training.loop import Example, Schedule, tune
from modicum.whitebox import WhiteBox

__all__ = ["Tuning", "imitated", "restored"]


@runtime_checkable
class Tuning(Protocol):
    """The settings of a method that tunes."""

    @property
    def parameters(self) -> Parameters:
        """What is trained."""

    @property
    def rank(self) -> int:
        """LoRA rank."""

    @property
    def learning_rate(self) -> float:
        """Peak rate; 0 takes the default."""

    @property
    def steps(self) -> int:
        """Least updates."""

    @property
    def passes(self) -> int:
        """Times each example is seen at least."""

    @property
    def batch(self) -> int:
        """Examples an update."""


def imitated(
    settings: Tuning,
    whitebox: WhiteBox,
    judge: Judge,
    texts: Sequence[tuple[str, str]],
    rng: np.random.Generator,
    ledger: Ledger,
) -> PromptSolver:
    """Tunes a copy of the model on (prompt, completion) texts and answers greedily with it.

    Raises:
        TrialError: no texts, or a loss that is not finite.
    """
    examples = [
        Example(tuple(whitebox.encode(prompt)), tuple(whitebox.encode_completion(text)))
        for prompt, text in texts
    ]
    rate = settings.learning_rate or default_rate(settings.parameters, whitebox.card.parameters)
    shape = AdapterShape(settings.parameters, settings.rank, 2.0 * settings.rank)
    schedule = Schedule(rate, settings.steps, settings.passes, settings.batch)
    tuned = tune(whitebox, examples, shape, schedule, rng, ledger)
    return PromptSolver(tuned.model, judge.style, judge.sheet, source=tuned.folder)


def restored(whitebox: WhiteBox, judge: Judge, folder: Path) -> PromptSolver:
    """Gives the model with the saved nudge; as it is where nothing was tuned."""
    style = PromptSolver.saved_style(folder)
    if not any(folder.glob("*.safetensors")):
        return PromptSolver(whitebox, style, judge.sheet)
    tuned = whitebox.with_module(load_nudge(whitebox, folder))
    return PromptSolver(tuned, style, judge.sheet, source=folder)
