"""Median vote: the middle one of a few numbers; no labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from modicum.ledger import Ledger
from modicum.method import Judge, Kind, Method, PromptSolver, Solver
from modicum.model import Model
from modicum.types import Problem, Solved

__all__ = ["MedianVote"]


@final
@dataclass(frozen=True)
class MedianVote(Method):
    """Draws n answers and takes the one whose number stands in the middle.

    Source: an example; the median of a sample is older than its papers.
    """

    kind: ClassVar[Kind] = "decoding"

    n: int = 5
    """Samples a problem, at least 1."""

    def elicit(
        self,
        model: Model,
        shots: Sequence[Problem],
        judge: Judge,
        rng: np.random.Generator,
        ledger: Ledger,
    ) -> Solver:
        """Gives the voting solver in the floor's style."""
        del shots, rng, ledger  # reads no labels, draws nothing of its own
        return _Median(model, PromptSolver(model, judge.style, judge.sheet, self.n, 1.0), judge)

    def restore(self, model: Model, judge: Judge, folder: Path) -> Solver:
        """Gives the voting solver with the saved style."""
        style = PromptSolver.saved_style(folder)
        return _Median(model, PromptSolver(model, style, judge.sheet, self.n, 1.0), judge)


@final
@dataclass(frozen=True)
class _Median(Solver):
    model: Model
    plain: PromptSolver
    judge: Judge

    def solve(self, problems: Sequence[Problem], *, stream: str, ledger: Ledger) -> list[Solved]:
        solved = self.plain.solve(problems, stream=stream, ledger=ledger)
        return [self._middle(answers) for answers in solved]

    def _middle(self, solved: Solved) -> Solved:
        read = [self.judge.read(c.text) for c in solved.completions]
        numbers = sorted((float(a), i) for i, a in enumerate(read) if a and a.isdecimal())
        return replace(solved, chosen=numbers[len(numbers) // 2][1]) if numbers else solved

    def save(self, folder: Path) -> None:
        self.plain.save(folder)
