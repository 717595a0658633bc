"""Fine-tuning on the worked solutions of n shots: LoRA, biases or all weights."""

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
from modicum.types import Access, Problem, Supervision
from modicum.whitebox import need_whitebox

__all__ = ["FineTune"]


@final
@dataclass(frozen=True)
class FineTune(Method):
    """Imitates the shots' worked solutions for a fixed number of steps; answers greedily.

    No label is spent on choosing a checkpoint: the last one stands.

    Source: N-shot tuning as in Raghavendra et al. 2024 (2410.03717); LoRA, Hu et al. 2021.
    Differs: the number of steps is a fixed function of n, so that no label chooses it.
    """

    access: ClassVar[Access] = Access.WEIGHTS
    supervision: ClassVar[Supervision] = Supervision.SOLUTION
    kind: ClassVar[Kind] = "tuning"
    controls: ClassVar[tuple[str, ...]] = ("shuffled", "format")

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
        """Tunes a copy of the model on prompt -> worked solution.

        Raises:
            BudgetError: no shots, or a shot without a solution.
            AccessError: the model's weights cannot be reached.
        """
        whitebox = need_whitebox(model, "fine_tune")
        if not shots or any(shot.solution is None for shot in shots):
            msg = "fine_tune needs shots with worked solutions; rejection_tuning needs answers only"
            raise BudgetError(msg)
        texts = [
            (render(model, judge.style, shot.question), judge.sheet.joiner + (shot.solution or ""))
            for shot in shots
        ]
        return imitated(self, whitebox, judge, texts, rng, ledger)

    def restore(self, model: Model, judge: Judge, folder: Path) -> PromptSolver:
        """Gives the model with the saved adapter or weights."""
        return restored(need_whitebox(model, "fine_tune"), judge, folder)
