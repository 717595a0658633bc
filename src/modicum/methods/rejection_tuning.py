"""Rejection tuning: sample, keep what is right, tune on it; needs answers only."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from modicum.errors import BudgetError
from modicum.ledger import Ledger
from modicum.method import Judge, Kind, Method, PromptSolver
from modicum.model import Model, render
from modicum.training.adapters import Parameters
from modicum.training.imitate import imitated, restored
from modicum.types import Access, Grade, Problem, Request, Sampling, Supervision
from modicum.whitebox import need_whitebox

__all__ = ["RejectionTuning"]


@final
@dataclass(frozen=True)
class RejectionTuning(Method):
    """Draws samples for each shot, keeps a few that the judge marks correct, imitates them.

    Where no sample is right the model stays as it is: nothing was found to reinforce.

    Source: STaR, Zelikman et al. 2022 (2203.14465), one round and without rationalisation;
    rejection sampling fine-tuning, Yuan et al. 2023 (2308.01825).
    """

    access: ClassVar[Access] = Access.WEIGHTS
    supervision: ClassVar[Supervision] = Supervision.ANSWER
    kind: ClassVar[Kind] = "tuning"
    controls: ClassVar[tuple[str, ...]] = ("shuffled", "format")

    samples: int = 32
    """Completions drawn a shot, at temperature 1."""
    keep: int = 4
    """Most correct completions kept a shot, distinct ones, the first drawn."""
    parameters: Parameters = "lora"
    """What is trained."""
    rank: int = 8
    """LoRA rank, at least 1."""
    learning_rate: float = 0.0
    """Peak AdamW rate; 0 takes the default of the parameters and the model's size."""
    steps: int = 40
    """Updates, at least 1; more where the shots are many."""
    passes: int = 5
    """Times each example is seen at least."""
    batch: int = 8
    """Examples an update, at least 1."""

    def elicit(
        self,
        model: Model,
        shots: Sequence[Problem],
        judge: Judge,
        rng: np.random.Generator,
        ledger: Ledger,
    ) -> PromptSolver:
        """Tunes a copy of the model on its own correct answers to the shots.

        Raises:
            BudgetError: no shots.
            AccessError: the model's weights cannot be reached.
        """
        whitebox = need_whitebox(model, "rejection_tuning")
        if not shots:
            msg = "rejection_tuning needs at least one labelled shot"
            raise BudgetError(msg)
        prompts = [render(model, judge.style, shot.question) for shot in shots]
        sampling = Sampling(
            judge.sheet.max_new_tokens,
            stop=judge.sheet.stop + judge.style.stop,
            stream=f"rejection-{rng.integers(2**62)}",
        )
        requests = [
            Request(prompt, shot.id, self.samples, split=shot.split)
            for prompt, shot in zip(prompts, shots, strict=True)
        ]
        drawn = model.generate(requests, sampling, ledger)
        texts = [
            (prompt, text)
            for prompt, shot, group in zip(prompts, shots, drawn, strict=True)
            for text in self._correct(judge, shot, [c.text for c in group])
        ]
        if not texts:
            return PromptSolver(model, judge.style, judge.sheet)
        return imitated(self, whitebox, judge, texts, rng, ledger)

    def restore(self, model: Model, judge: Judge, folder: Path) -> PromptSolver:
        """Gives the model with the saved adapter, or as it is where nothing was kept."""
        return restored(need_whitebox(model, "rejection_tuning"), judge, folder)

    def _correct(self, judge: Judge, shot: Problem, texts: Sequence[str]) -> list[str]:
        kept: list[str] = []
        for text in dict.fromkeys(texts):
            if len(kept) == self.keep:
                break
            if judge.mark(shot.id, text).lenient == Grade.CORRECT:
                kept.append(text)
        return kept
