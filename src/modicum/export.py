"""The contract of an export: a form in which a found nudge leaves, loaded back in its target."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from modicum.answers import Rule
from modicum.catalog import Catalog
from modicum.errors import ConfigError
from modicum.nudge import GREEDY, Change, Nudge, Solver
from modicum.task import Sheet
from modicum.types import Style, Trial

__all__ = ["EXPORTS", "PROBES", "ExportForm", "LoadedBack", "Parcel", "refuse_more"]

EXPORTS = Catalog("exports")

PROBES = 4
"""Test questions on which an export is compared with what it was made from."""


@dataclass(frozen=True)
class Parcel:
    """A found nudge with what a form must know of it, before any weights load."""

    trial: Trial
    """The finished rung that found it."""
    nudge: Nudge
    """What the study keeps of it."""
    style: Style
    """The prompt that it was measured in."""
    sheet: Sheet
    """The task's form."""
    questions: tuple[str, ...]
    """A few test questions, for loading back; never written."""
    origin: str
    """Folder, file or hub id that transformers loads the base model from; empty where none."""
    base: str
    """The base model's plain name, as a card may bear it."""
    rule: Rule | None = None
    """How the task reads answers; None where only its own code can."""


@dataclass(frozen=True)
class LoadedBack:
    """How far an export, loaded in its target, is from the nudged model it was made from."""

    target: str
    """What loaded it."""
    measure: str
    """What was compared."""
    value: float
    """The largest difference found, at least 0."""
    limit: float
    """The largest that is allowed."""

    @property
    def holds(self) -> bool:
        """Whether the export is what it should be; a difference that is no number is not."""
        return self.value <= self.limit


class ExportForm(ABC):
    """A form of export. Final subclasses are frozen dataclasses, one a file in `exports/`."""

    plugin_kinds: ClassVar[tuple[str, ...]] = ("exports",)
    version: ClassVar[int] = 1
    powers: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What a setting switches on where it is set; see `Backend.powers`."""
    library: ClassVar[str] = "transformers"
    """The library that loads it, as the hub names it."""
    relation: ClassVar[str] = ""
    """What it is to its base model, as the hub names it: adapter or finetune; empty else."""
    is_model: ClassVar[bool] = True
    """Whether `modicum run --model FOLDER` opens it."""

    @abstractmethod
    def check(self, parcel: Parcel) -> None:
        """Refuse, before weights load, a nudge that does not fit.

        Raises:
            ConfigError: it does not; the message says which form does.
        """

    @abstractmethod
    def write(self, parcel: Parcel, solver: Solver, folder: Path) -> None:
        """Write the form's own files into an existing folder, without pickle."""

    @abstractmethod
    def load_back(self, parcel: Parcel, solver: Solver, folder: Path) -> LoadedBack:
        """Load what was written in its target and compares it with the nudged model."""

    @abstractmethod
    def uses(self, parcel: Parcel, solver: Solver) -> Mapping[str, str]:
        """Return a few lines of use for each runtime, by its name."""


def refuse_more(parcel: Parcel, *carried: type[Change]) -> None:
    """Refuse a composed nudge of which a form would leave a part behind.

    Args:
        parcel: What is exported.
        carried: The changes that the form carries.

    Raises:
        ConfigError: it changes more, or answers otherwise than by one greedy prompt.
    """
    nudge = parcel.nudge
    more = [type(change).__name__ for change in nudge.changes if not isinstance(change, carried)]
    more += [type(nudge.answering).__name__] if nudge.answering != GREEDY else []
    if more:
        raise ConfigError(
            f"{parcel.trial.method}, whose nudge is more than this form carries: {', '.join(more)}",
            f"a nudge of {' or '.join(kind.__name__ for kind in carried)} alone",
            "export the parts as nudges of their own, or use it from Python: Study.solver",
        )
