"""Self-consistency: the majority answer of a few samples; no labels."""

from dataclasses import dataclass
from typing import ClassVar, final

from modicum.bench import Bench
from modicum.method import Kind, Method, Quick
from modicum.model import Model
from modicum.nudge import Answering, Nudge, Vote

__all__ = ["SelfConsistency"]


@final
@dataclass(frozen=True)
class SelfConsistency(Method):
    """Draws n answers and takes the one read most often; ties go to the one drawn first.

    Source: Wang et al. 2022 (2203.11171).
    Differs: temperature 1 by default, so that the samples are the ceiling's own.
    """

    kind: ClassVar[Kind] = "decoding"
    is_usual: ClassVar[bool] = True
    quick: ClassVar[Quick] = Quick({"n": 3})

    n: int = 10
    """Samples a problem, at most 10: what a served system can afford."""
    temperature: float = 1.0
    """Sampling temperature, above 0."""

    def __post_init__(self) -> None:
        """Refuse budgets outside 2..10."""
        if not 2 <= self.n <= 10:
            msg = f"n = {self.n}, expected 2 to 10"
            raise ValueError(msg)

    @property
    def answering(self) -> Answering:
        """The vote."""
        return Vote(self.n, self.temperature)

    def elicit(self, bench: Bench[Model]) -> Nudge:
        """Return the vote in the floor's style."""
        return Nudge(bench.style, self.answering)
