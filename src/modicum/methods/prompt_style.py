"""Prompt style: the best of a short closed list of zero-shot prompts; sets the floor."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from modicum.bench import Bench
from modicum.errors import BudgetError
from modicum.method import Kind, Method, Needs
from modicum.model import Model
from modicum.nudge import Nudge
from modicum.types import Supervision

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
    needs: ClassVar[Needs] = Needs(supervision=Supervision.ANSWER, split="selection")

    def elicit(self, bench: Bench[Model]) -> Nudge:
        """Choose the style with the most lenient-correct selection problems.

        Raises:
            BudgetError: several styles, and no selection problems.
        """
        styles = bench.judge.styles
        if len(styles) == 1:
            return Nudge(styles[0])
        if not bench.shots:
            msg = "prompt_style needs labelled selection problems, got none"
            raise BudgetError(msg)
        scores = [bench.accuracy(bench.model, bench.shots, "selection", style) for style in styles]
        return Nudge(styles[int(np.argmax(scores))])
