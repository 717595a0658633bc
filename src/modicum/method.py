"""The contract of a method: a recipe that finds a nudge for a model, from shots."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, Literal, final

from modicum.bench import Bench
from modicum.catalog import Catalog, fields_of
from modicum.model import Model
from modicum.nudge import GREEDY, Answering, Change, Nudge
from modicum.types import Access, Settings, Split, Supervision, Trial

__all__ = ["LADDER", "METHODS", "Aim", "Control", "Kind", "Method", "Needs", "Quick", "method_of"]

METHODS = Catalog("methods")

Kind = Literal["measure", "prompt", "decoding", "steering", "tuning", "scratch"]
Aim = Literal["accuracy", "length"]

LADDER: tuple[Kind, ...] = ("prompt", "decoding", "steering", "tuning", "scratch", "measure")
"""Kinds from the cheapest on."""
_CHANGING = frozenset({"tuning", "steering", "scratch"})
"""Kinds that change weights or activations."""


@dataclass(frozen=True)
class Needs:
    """What a method needs; its file is read for it, so plain constants stand in the call."""

    access: Access = Access.TEXT
    """The least access to the model."""
    supervision: Supervision = Supervision.QUESTION
    """The least that its shots must reveal."""
    language: bool = False
    """Whether the model must be a language model: it is told something in words."""
    reads_solutions: bool = False
    """Whether it reads worked solutions where shots reveal them, though answers suffice."""
    split: Split = "shots"
    """Where its labelled problems come from."""
    is_spread: bool = False
    """Whether the processes of a launch (`modicum.training.launch`) share its training."""


@dataclass(frozen=True)
class Control:
    """What is run beside a method's last budget, and should gain less than it.

    Three names mean more than settings: `shuffled` (other problems' solutions and answers on the
    shots), `format` (right in form, empty in content: another problem's bare answer on the shots, and
    a judge that looks at the format alone) and `majority` (the vote of as many samples as the method
    draws, from the ceiling's, without a trial). Any other is the method itself with other settings.
    """

    name: str
    veto: bool = False
    """Whether it should do nothing: where it gains as much, the claim falls."""
    draws: int = 1
    """Seeds that it is drawn with, where it has settings of its own."""
    settings: Settings = field(default_factory=dict)
    """What the method is set to."""


@dataclass(frozen=True)
class Quick:
    """Small settings for the contract suite, with a model and a task where the usual ones do not fit."""

    settings: Settings = field(default_factory=dict)
    model: str = ""
    task: str = ""


class Method(ABC):
    """A recipe for a nudge. Final subclasses are frozen dataclasses, one a file in `methods/`."""

    plugin_kinds: ClassVar[tuple[str, ...]] = ("methods",)
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs()
    """What it needs of a model and of its shots."""
    kind: ClassVar[Kind] = "prompt"
    """What it changes: the prompt, the decoding, activations, weights, or all of a model that it
    builds itself (`measure`: nothing)."""
    aim: ClassVar[Aim] = "accuracy"
    """What its nudges are to gain; shorter answers are no evidence of an ability."""
    changes: ClassVar[tuple[type[Change], ...]] = ()
    """What its nudges may change of the model, and hence what its folders are read as."""
    controls: ClassVar[tuple[Control, ...]] = ()
    """What stands beside it and should gain less."""
    powers: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What a setting switches on where it is set; see `Backend.powers`."""
    is_usual: ClassVar[bool] = False
    """Whether it stands on the ladder of a study that names no methods; stated in its own file."""
    proposals: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What a verdict proposes where no method of the same words was tried, by the ability's word;
    stated in its own file."""
    quick: ClassVar[Quick] = Quick()
    """What the contract suite runs it with."""

    @final
    @property
    def changes_model(self) -> bool:
        """Whether weights or activations are others afterwards, so that retention is scored."""
        return self.kind in _CHANGING

    def check(self) -> None:  # noqa: B027 - most methods have nothing to refuse
        """Raise a `ConfigError` for what can be known wrong before weights load; cheap.

        Called once before a run, never to read what is stored.
        """

    @property
    def answering(self) -> Answering:
        """How its nudges answer, by its settings; `Answering.recalled` adds what eliciting found out."""
        return GREEDY

    def draws(self, n_shots: int) -> int:
        """Return how many answers it draws at most while it elicits, for what is said beforehand."""
        del n_shots
        return 0

    @property
    def supervision(self) -> Supervision:
        """The least that its shots must reveal, as it is set; less than `needs` says in some settings."""
        return self.needs.supervision

    def texts(self, n_shots: int) -> int:
        """Return how many questions without labels it is shown beside its shots."""
        del n_shots
        return 0

    @final
    @property
    def has_budgets(self) -> bool:
        """Whether it runs at several budgets: of labelled problems, or of questions without labels."""
        return self.supervision > Supervision.QUESTION or self.texts(1) > 0

    def shown(self, n_shots: int) -> int:
        """Return the labelled problems it sees at a budget: more where it picks its shots from them.

        Those that it reads count in its labels (`Method.reads`).
        """
        return n_shots

    def reads(self, n_shown: int) -> int:
        """Return of how many of the problems that it is shown it uses the labels."""
        return n_shown if self.supervision > Supervision.QUESTION else 0

    @abstractmethod
    def elicit(self, bench: Bench[Model]) -> Nudge:
        """Return the nudge; the bench's model stays as it was."""


def method_of(trial: Trial) -> Method:
    """Return the configured method of a trial.

    Raises:
        UnknownNameError: no such method, or a setting that it does not have.
    """
    method = METHODS.build(trial.method, fields_of(trial.settings))
    if not isinstance(method, Method):
        raise TypeError(trial.method)
    return method
