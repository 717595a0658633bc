"""The contract of a method: a recipe that finds a nudge for a model, from shots."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal, final

from modicum.bench import Bench
from modicum.catalog import Catalog
from modicum.model import Model
from modicum.nudge import GREEDY, Answering, Change, Nudge
from modicum.types import Access, Supervision

__all__ = ["METHODS", "Kind", "Method"]

METHODS = Catalog("methods")

Kind = Literal["measure", "prompt", "decoding", "steering", "tuning"]

_CHANGING = frozenset({"tuning", "steering"})
"""Kinds that change weights or activations."""


class Method(ABC):
    """A recipe for a nudge. Final subclasses are frozen dataclasses, one a file in `methods/`."""

    plugin_kinds: ClassVar[tuple[str, ...]] = ("methods",)
    version: ClassVar[int] = 1
    access: ClassVar[Access] = Access.TEXT
    """The least access it needs."""
    supervision: ClassVar[Supervision] = Supervision.QUESTION
    """The least that its shots must reveal."""
    reads_solutions: ClassVar[bool] = False
    """Whether it reads worked solutions where shots reveal them, though answers suffice."""
    kind: ClassVar[Kind] = "prompt"
    """What it changes: the prompt, the decoding, or weights (`measure`: nothing)."""
    controls: ClassVar[tuple[str, ...]] = ()
    """Tell-tale controls: `shuffled` (other problems' solutions and answers on the shots, a trial
    of its own), `format` (right in form, empty in content: another problem's bare answer on the
    shots, and a judge that looks at the format alone), `majority` (the vote of as many samples as
    the method draws, from the ceiling's)."""

    control_settings: ClassVar[Mapping[str, Mapping[str, object]]] = MappingProxyType({})
    """Controls that are the method itself with other settings, by name."""
    veto_controls: ClassVar[tuple[str, ...]] = ()
    """Those of `controls` that should do nothing: where they gain as much, the claim falls."""
    shortens: ClassVar[bool] = False
    """Whether it is to make answers shorter and not more often right: no control of another ability."""
    file_setting: ClassVar[str] = ""
    """The setting that names a file or folder, which counts by what it holds; read from the class
    without importing it."""
    powers: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What a setting switches on where it is set; see `Backend.powers`."""
    control_draws: ClassVar[int] = 1
    """Seeds of each control that the method draws itself."""
    changes: ClassVar[tuple[type[Change], ...]] = ()
    """What its nudges may change of the model, and hence what its folders are read as."""
    is_spread: ClassVar[bool] = False
    """Whether the processes of a launch (`modicum.ranks`) share its training."""

    @final
    @property
    def changes_model(self) -> bool:
        """Whether weights or activations are others afterwards, so that retention is scored."""
        return self.kind in _CHANGING

    def check(self) -> None:  # noqa: B027 - most methods have nothing to refuse
        """Raises a `ConfigError` for what can be known wrong before weights load; cheap.

        Called once before a run, never to read what is stored.
        """

    @property
    def answering(self) -> Answering:
        """How its nudges answer, by its settings; `Answering.recalled` adds what eliciting found out."""
        return GREEDY

    def shown(self, n_shots: int) -> int:
        """Gives the labelled problems it sees at a budget: more where it picks its shots from them.

        Those that it reads count in its labels (`Method.reads`).
        """
        return n_shots

    def reads(self, n_shown: int) -> int:
        """Gives of how many of the problems that it is shown it uses the labels."""
        return n_shown if self.supervision > Supervision.QUESTION else 0

    @abstractmethod
    def elicit(self, bench: Bench[Model]) -> Nudge:
        """Return the nudge; the bench's model stays as it was."""
