"""Self-consistency: the majority answer of a few samples; no labels."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from modicum.ledger import Ledger
from modicum.method import Judge, Kind, Method, PromptSolver, Solver
from modicum.model import Model
from modicum.types import Problem, Solved

__all__ = ["SelfConsistency"]


@final
@dataclass(frozen=True)
class SelfConsistency(Method):
    """Draws n answers and takes the one read most often; ties go to the one drawn first.

    Source: Wang et al. 2022 (2203.11171).
    Differs: temperature 1 by default, so that the samples are the ceiling's own.
    """

    kind: ClassVar[Kind] = "decoding"

    n: int = 10
    """Samples a problem, at most 10: what a served system can afford."""
    temperature: float = 1.0
    """Sampling temperature, above 0."""

    def __post_init__(self) -> None:
        """Refuses budgets outside 2..10."""
        if not 2 <= self.n <= 10:
            msg = f"n = {self.n}, expected 2 to 10"
            raise ValueError(msg)

    def elicit(
        self,
        model: Model,
        shots: Sequence[Problem],  # noqa: ARG002 - part of the contract
        judge: Judge,
        rng: np.random.Generator,  # noqa: ARG002
        ledger: Ledger,  # noqa: ARG002
    ) -> Solver:
        """Gives the voting solver in the floor's style."""
        plain = PromptSolver(model, judge.style, judge.sheet, self.n, self.temperature)
        return _Vote(model, plain, judge)

    def stands(self, read: Iterable[str | None]) -> int:
        """Give the first answer that was read as most were."""
        return _winner(list(read))

    def restore(self, model: Model, judge: Judge, folder: Path) -> Solver:
        """Gives the voting solver with the saved style."""
        style = PromptSolver.saved_style(folder)
        plain = PromptSolver(model, style, judge.sheet, self.n, self.temperature)
        return _Vote(model, plain, judge)


@final
@dataclass(frozen=True)
class _Vote(Solver):
    model: Model
    plain: PromptSolver
    judge: Judge

    def solve(self, problems: Sequence[Problem], *, stream: str, ledger: Ledger) -> list[Solved]:
        solved = self.plain.solve(problems, stream=stream, ledger=ledger)
        return [self._vote(answers) for answers in solved]

    def _vote(self, solved: Solved) -> Solved:
        read = [self.judge.read(c.text) for c in solved.completions]
        votes = Counter(answer for answer in read if answer is not None)
        if not votes:
            return solved
        scores = tuple(float(votes[a]) if a is not None else 0.0 for a in read)
        return replace(solved, chosen=_winner(read), scores=scores)

    def save(self, folder: Path) -> None:
        state = {"style": asdict(self.plain.style), "n": self.plain.n}
        (folder / "solver.json").write_text(json.dumps(state, indent=1), encoding="utf-8")


def _winner(read: Sequence[str | None]) -> int:
    """Give the place of the first answer that was read as most were; 0 where none was read."""
    votes = Counter(answer for answer in read if answer is not None)
    return read.index(votes.most_common(1)[0][0]) if votes else 0
