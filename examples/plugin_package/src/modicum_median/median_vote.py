"""Median vote: the middle one of a few numbers; no labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, final

from modicum.bench import Bench
from modicum.method import Kind, Method
from modicum.model import Model
from modicum.nudge import Answering, Asking, Decoding, Direct, Nudge
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

    @property
    def answering(self) -> Answering:
        """The middle one of n samples."""
        return Median(self.n)

    def elicit(self, bench: Bench[Model]) -> Nudge:
        """Return the rule in the floor's style; nothing is learned."""
        return Nudge(bench.style, self.answering)


@final
@dataclass(frozen=True)
class Median(Answering):
    """How such a nudge answers: n samples, of which the middle number stands."""

    n: int

    def solve(self, asking: Asking, problems: Sequence[Problem]) -> list[Solved]:
        """Draw the samples, read them, and choose."""
        drawn = Direct(self.n, 1.0).solve(asking, problems)
        read = [[asking.judge.read(c.text) for c in solved.completions] for solved in drawn]
        return [
            replace(solved, chosen=middle(answers, ()))
            for solved, answers in zip(drawn, read, strict=True)
        ]

    @property
    def draws(self) -> int:
        """Sample a problem."""
        return self.n

    def decoding(self) -> Decoding:
        """Return the rule for `model.generate`: `modicum export` sends `middle` along as source."""
        return Decoding.sampled(self.n, 1.0, middle)


def middle(answers: Sequence[str | None], certain: Sequence[float]) -> int:
    """Return the place of the middle number; the first answer's where none is a number."""
    del certain
    numbers = sorted((float(a), i) for i, a in enumerate(answers) if a and a.isdecimal())
    return numbers[len(numbers) // 2][1] if numbers else 0
