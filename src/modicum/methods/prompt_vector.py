"""A vector from two prompts of the same questions, no answers needed: what the plain one adds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, final

from modicum.bench import Bench
from modicum.method import Control, Kind, Method, Needs, Quick
from modicum.model import Model
from modicum.nudge import Change, Nudge
from modicum.nudge.contrast import Average
from modicum.training.changes import Vectors
from modicum.training.prompt_contrast import Place, PromptPairs
from modicum.types import Access
from modicum.whitebox import need_whitebox

__all__ = ["PromptVector"]


@final
@dataclass(frozen=True)
class PromptVector(Method):
    """Adds, under one prompt, what another one leaves at the prompt's last token; reads no label.

    Its budgets are questions without answers. Layer and strength are chosen by agreement with what
    the model itself answers to them under the other prompt.

    Source: mean difference of contrastive pairs, Rimsky et al. 2024 (2312.06681).
    Differs: the two sides are the same question in two prompts, and no gold is read: candidates are
    ranked by the likelihood of the model's own answers under the wanted prompt, strengths near 1 first
    where they do nearly as much, and of the first few the one stands that agrees most often with these.
    """

    needs: ClassVar[Needs] = Needs(access=Access.ACTIVATIONS, language=True)
    controls: ClassVar[tuple[Control, ...]] = (
        Control("random", veto=True, draws=5, settings={"direction": "random"}),
        Control("questions", veto=True, draws=3, settings={"direction": "questions"}),
    )
    proposals: ClassVar[Mapping[str, str]] = {
        "latent": "a steering vector could reach the same without touching weights",
    }
    kind: ClassVar[Kind] = "steering"
    changes: ClassVar[tuple[type[Change], ...]] = (Vectors,)
    quick: ClassVar[Quick] = Quick({"layers": [2], "strengths": [1.0, 2.0], "tries": 2})

    wanted: str = ""
    """Name of the prompt whose answers are wanted, of the list of plain ones (`chat`, `raw`, …), or a
    text with `{question}`; the first plain one where empty."""
    unwanted: str = ""
    """The same of the other side; the prompt that is asked in where empty."""
    at: Place = "first"
    """Where it acts: once, at the last token of the prompt; where the two forms part; at every
    generated token; at every position."""
    average: Average = "mean"
    """How pairs become one direction."""
    layers: tuple[int, ...] = ()
    """Layers tried; all of them where empty."""
    strengths: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0)
    """Strengths tried, in units of the mean difference."""
    selection: int = 16
    """Most questions on which layer and strength are chosen."""
    samples: int = 1
    """Answers to a question whose majority is agreed with; the greedy one where 1."""
    tries: int = 8
    """Layers and strengths, the first by likelihood, whose answers are compared."""
    direction: Literal["contrast", "random", "questions"] = "contrast"
    """`random` and `questions` put another direction of equal length at the chosen place (veto
    controls): a random one, or the difference between two questions under one prompt."""

    def __post_init__(self) -> None:
        """Refuse settings outside their ranges."""
        if not self.strengths or min(self.strengths) <= 0:
            msg = "strengths above 0"
            raise ValueError(msg)
        if min(self.selection, self.samples, self.tries) < 1:
            msg = "selection, samples and tries of at least 1"
            raise ValueError(msg)

    def texts(self, n_shots: int) -> int:
        """Return the questions of its budget; two at least for a difference between questions."""
        return max(n_shots, 2) if self.direction == "questions" and n_shots else n_shots

    def shown(self, n_shots: int) -> int:
        """Return no labelled problem."""
        del n_shots
        return 0

    def draws(self, n_shots: int) -> int:
        """Return its own answers, and those of what it tries."""
        return n_shots * self.samples + min(n_shots, self.selection) * (self.tries + 2)

    def elicit(self, bench: Bench[Model]) -> Nudge:
        """Find the direction and its dose.

        Raises:
            BudgetError: no question.
            AccessError: the model's activations cannot be reached.
            ConfigError: a prompt that is not among the plain ones.
            TrialError: no plain answer can be read, or the two prompts do not differ.
        """
        pairs = PromptPairs(
            self.wanted,
            self.unwanted,
            self.at,
            self.average,
            self.layers,
            self.strengths,
            self.selection,
            self.direction,
            self.samples,
            self.tries,
        )
        return pairs.nudge(bench.on(need_whitebox))
