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
from modicum.training.adapters import AdapterShape, Parameters, default_rate, load_nudge
from modicum.training.loop import Example, Schedule, tune
from modicum.types import Access, Problem, Supervision
from modicum.whitebox import WhiteBox, need_whitebox

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
    controls: ClassVar[tuple[str, ...]] = ("shuffled",)

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
        examples = [self._example(whitebox, judge, shot) for shot in shots]
        shape = AdapterShape(self.parameters, self.rank, 2.0 * self.rank)
        rate = self.learning_rate or default_rate(self.parameters, whitebox.card.parameters)
        schedule = Schedule(rate, self.steps, self.passes, self.batch)
        tuned = tune(whitebox, examples, shape, schedule, rng, ledger)
        return PromptSolver(tuned.model, judge.style, judge.sheet, source=tuned.folder)

    def restore(self, model: Model, judge: Judge, folder: Path) -> PromptSolver:
        """Gives the model with the saved adapter or weights."""
        whitebox = need_whitebox(model, "fine_tune")
        tuned = whitebox.with_module(load_nudge(whitebox, folder))
        style = PromptSolver.saved_style(folder)
        return PromptSolver(tuned, style, judge.sheet, source=folder)

    @staticmethod
    def _example(whitebox: WhiteBox, judge: Judge, shot: Problem) -> Example:
        prompt = whitebox.encode(render(whitebox, judge.style, shot.question))
        text = judge.sheet.joiner + (shot.solution or "")
        return Example(tuple(prompt), tuple(whitebox.encode_completion(text)))
