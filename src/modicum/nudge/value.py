"""A nudge as a value: made by a method, applied to a model, turned into files, read from them."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self, final

from modicum.errors import CheckpointError, ConfigError
from modicum.files.foreign import read_table
from modicum.ledger import Ledger
from modicum.marking.judge import Judge
from modicum.model import Model
from modicum.nudge.answering import GREEDY, Answering, Asking
from modicum.plain import JsonObject
from modicum.types import Problem, Solved, Style

__all__ = ["Change", "Nudge", "Solver", "read_nudge", "weight_bytes"]

_ASKED = "solver.json"
"""How it is asked: style and answering."""
_WEIGHTS = ".safetensors"


class Change(ABC):
    """What a nudge changes of a model: directions, an adapter, all weights (`training.changes`)."""

    order: ClassVar[int]
    """Of several the one of the lower order is applied first: weights before activations."""

    @abstractmethod
    def applied(self, model: Model) -> Model:
        """Return the model with the change; the model itself stays as it was.

        Raises:
            AccessError: weights or activations cannot be reached.
            CheckpointError: files that are broken, or of another model.
        """

    @abstractmethod
    def files(self) -> Mapping[str, bytes]:
        """Return what other tools load it from, by file name; never a pickle."""

    @classmethod
    @abstractmethod
    def found(cls, folder: Path) -> Self | None:
        """Return the change that a folder holds, None where it holds none; loads no model.

        Raises:
            CheckpointError: its files are broken.
        """


@final
@dataclass(frozen=True)
class Nudge:
    """What a method leaves: how to ask, how it answers, what it changes."""

    style: Style
    """The style that problems are asked in."""
    answering: Answering = GREEDY
    """How it answers."""
    changes: tuple[Change, ...] = ()
    """What it changes of the model; empty where prompt or decoding alone are other."""
    facts: JsonObject = field(default_factory=dict)
    """What the record keeps of how it was made: curves, what was chosen; plain values."""

    def __post_init__(self) -> None:
        """Refuse two changes of one kind: the second would take the first one's place."""
        kinds = [type(change) for change in self.changes]
        twice = [kind for kind in kinds if kinds.count(kind) > 1]
        if twice:
            raise ConfigError(
                f"two changes of the kind {twice[0].__name__} in one nudge",
                "one of each kind",
                "make one of both, or apply the first to the model and find the second there",
            )

    def applied(self, model: Model) -> Model:
        """Return the model with every change, weights first.

        Raises:
            AccessError: weights or activations cannot be reached.
            CheckpointError: files that are broken, or of another model.
        """
        for change in sorted(self.changes, key=lambda change: change.order):
            model = change.applied(model)
        return model

    def then(self, other: "Nudge") -> "Nudge":
        """Return both as one nudge: the other's style and answering, the changes and facts of both.

        A vector on an adapter is `adapter.then(vector)`, a vote on it
        `adapter.then(Nudge(adapter.style, Vote(5)))`.

        Raises:
            ConfigError: both change the same.
        """
        changes = (*self.changes, *other.changes)
        return replace(other, changes=changes, facts={**self.facts, **other.facts})

    def only(self, kind: type[Change]) -> bool:
        """Return whether it changes this and nothing else, and answers as one prompt is answered."""
        kinds = [type(change) for change in self.changes]
        return kinds == [kind] and self.answering == GREEDY

    def files(self) -> dict[str, bytes]:
        """Return its files by name: how it is asked, and those of its changes."""
        asked = {"style": asdict(self.style), **self.answering.kept()}
        found = {_ASKED: json.dumps(asked, indent=1).encode()}
        for change in self.changes:
            found.update(change.files())
        return found


@final
@dataclass(frozen=True)
class Solver:
    """The elicited system: a model with its nudge, and the door to the task."""

    model: Model
    """The model with its nudge; the plain one where only prompt or decoding changed."""
    nudge: Nudge
    judge: Judge
    """Reads answers; its style is the nudge's."""

    @staticmethod
    def of(model: Model, nudge: Nudge, judge: Judge) -> "Solver":
        """Apply a nudge to a model; the judge reads in the nudge's style.

        Raises:
            AccessError: what it changes cannot be reached.
        """
        return Solver(nudge.applied(model), nudge, judge.in_style(nudge.style))

    @property
    def style(self) -> Style:
        """The style that problems are asked in."""
        return self.nudge.style

    def solve(self, problems: Sequence[Problem], *, stream: str, ledger: Ledger) -> list[Solved]:
        """Answer problems (golds are hidden); `stream` names the random streams."""
        asking = Asking(self.model, self.judge, stream, ledger)
        return self.nudge.answering.solve(asking, problems)


def weight_bytes(files: Mapping[str, bytes]) -> int:
    """Return how much of a nudge's files is numbers that are added to a model.

    >>> weight_bytes({"solver.json": b"{}", "vector.safetensors": b"1234"})
    4
    """
    return sum(len(content) for name, content in files.items() if name.endswith(_WEIGHTS))


def read_nudge(
    folder: Path, answering: Answering = GREEDY, changes: Sequence[type[Change]] = ()
) -> Nudge:
    """Return the nudge whose files lie in a folder; loads no model.

    Args:
        folder: Where the study wrote them.
        answering: How nudges of its method answer.
        changes: What its method may have changed.

    Raises:
        CheckpointError: missing or broken.
    """
    try:
        asked = read_table(folder / _ASKED)
        style = asked["style"]
        if not isinstance(style, dict):
            raise TypeError(f"a style that is {type(style).__name__}")
        read = Style.thawed(style)
        answering = answering.recalled(asked)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{_ASKED} in {str(folder)!r} cannot be read: {error}",
            "the style that the study wrote",
            "put the study's own folder back, or run the study again in a new folder",
        ) from error
    found = [change for kind in changes if (change := kind.found(folder)) is not None]
    return Nudge(read, answering, tuple(found))
