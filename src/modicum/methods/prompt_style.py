"""Prompt style: the best of a short closed list of zero-shot prompts; sets the floor."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from modicum.errors import BudgetError
from modicum.ledger import Ledger
from modicum.method import Judge, Kind, Method, PromptSolver
from modicum.model import Model
from modicum.types import Problem, Style, Supervision

__all__ = ["PromptStyle"]


@final
@dataclass(frozen=True)
class PromptStyle(Method):
    """Scores each style greedily on labelled selection problems and keeps the best.

    Ties go to the style that stands earlier in the list, the default first. What it finds is the
    floor: the zero of the gap, so that no dearer rung is paid for what a plain prompt does.

    Source: Kojima et al. 2022 (2205.11916) for zero-shot triggers; the list is closed on purpose.
    """

    kind: ClassVar[Kind] = "prompt"
    supervision: ClassVar[Supervision] = Supervision.ANSWER

    def elicit(
        self,
        model: Model,
        shots: Sequence[Problem],
        judge: Judge,
        rng: np.random.Generator,  # noqa: ARG002 - part of the contract
        ledger: Ledger,
    ) -> PromptSolver:
        """Chooses the style with the most lenient-correct selection problems.

        Raises:
            BudgetError: no selection problems.
        """
        if not shots:
            msg = "prompt_style needs labelled selection problems, got none"
            raise BudgetError(msg)
        if len(judge.styles) == 1:
            return PromptSolver(model, judge.styles[0], judge.sheet)
        scores = [self._score(model, shots, judge, style, ledger) for style in judge.styles]
        return PromptSolver(model, judge.styles[int(np.argmax(scores))], judge.sheet)

    def restore(self, model: Model, judge: Judge, folder: Path) -> PromptSolver:
        """Gives the model with the saved style."""
        return PromptSolver(model, PromptSolver.saved_style(folder), judge.sheet)

    @staticmethod
    def _score(
        model: Model, shots: Sequence[Problem], judge: Judge, style: Style, ledger: Ledger
    ) -> int:
        judge = judge.in_style(style)  # it marks what follows the thinking of this style
        solver = PromptSolver(model, style, judge.sheet)
        solved = solver.solve([p.hidden() for p in shots], stream="selection", ledger=ledger)
        return sum(
            judge.mark(shot.id, answer.text).lenient == 1
            for shot, answer in zip(shots, solved, strict=True)
        )
