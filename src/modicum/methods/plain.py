"""Measures the model as it is: greedy, sampled, or with the worked form forced."""

from dataclasses import dataclass
from typing import ClassVar, Literal, final

from modicum.bench import Bench
from modicum.method import Kind, Method, Quick
from modicum.model import Model
from modicum.nudge import Answering, Direct, Nudge

__all__ = ["Plain"]


@final
@dataclass(frozen=True)
class Plain(Method):
    """No nudge at all; what every rung is compared with.

    Source: pass@k needs samples at temperature 1, top-p 1 (Chen et al. 2021, 2107.03374).
    """

    kind: ClassVar[Kind] = "measure"
    quick: ClassVar[Quick] = Quick({"samples": 3})

    style: Literal["default", "floor"] = "floor"
    """The style as given, or the one chosen for the floor."""
    samples: int = 1
    """Completions a problem; greedy where 1, else temperature 1."""
    forced: bool = False
    """Begin each answer with the task's opener of the worked form."""

    @property
    def answering(self) -> Answering:
        """Greedy, or samples of which the first stands."""
        return Direct(self.samples, 1.0 if self.samples > 1 else 0.0)

    def elicit(self, bench: Bench[Model]) -> Nudge:
        """Return the style and nothing else."""
        judge, opener = bench.judge, bench.sheet.opener or ""
        style = judge.styles[0] if self.style == "default" else judge.style
        temperature = 1.0 if self.samples > 1 else 0.0
        return Nudge(style, Direct(self.samples, temperature, opener if self.forced else ""))
