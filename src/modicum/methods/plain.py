"""Measures the model as it is: greedy, sampled, or with the worked form forced."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, final

import numpy as np

from modicum.ledger import Ledger
from modicum.method import Judge, Kind, Method, PromptSolver
from modicum.model import Model
from modicum.types import Problem

__all__ = ["Plain"]


@final
@dataclass(frozen=True)
class Plain(Method):
    """No nudge at all; what every rung is compared with.

    Source: pass@k needs samples at temperature 1, top-p 1 (Chen et al. 2021, 2107.03374).
    """

    kind: ClassVar[Kind] = "measure"

    style: Literal["default", "floor"] = "floor"
    """The style as given, or the one chosen for the floor."""
    samples: int = 1
    """Completions a problem; greedy where 1, else temperature 1."""
    forced: bool = False
    """Begin each answer with the task's opener of the worked form."""

    def elicit(
        self,
        model: Model,
        shots: Sequence[Problem],  # noqa: ARG002 - part of the contract
        judge: Judge,
        rng: np.random.Generator,  # noqa: ARG002
        ledger: Ledger,  # noqa: ARG002
    ) -> PromptSolver:
        """Gives the model with its style and nothing else."""
        return PromptSolver(
            model,
            judge.styles[0] if self.style == "default" else judge.style,
            judge.sheet,
            n=self.samples,
            temperature=1.0 if self.samples > 1 else 0.0,
            forced=(judge.sheet.opener or "") if self.forced else "",
        )

    def restore(self, model: Model, judge: Judge, folder: Path) -> PromptSolver:
        """Gives the same solver; nothing was saved but the style."""
        style = PromptSolver.saved_style(folder)
        return PromptSolver(model, style, judge.sheet, self.samples, float(self.samples > 1))
