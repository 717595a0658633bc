"""The contract of a marker: it reads an answer from a text and compares it with the gold."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, final

from modicum.answers import Form, Reading, Rule, Stated
from modicum.catalog import Catalog, read_reference
from modicum.types import Grade, Mark, Problem, Setting

__all__ = [
    "MARKERS",
    "Marker",
    "Reader",
    "grade_of",
    "marker_parts",
    "named_marker",
    "resolve_marker",
    "text_hash",
]

MARKERS = Catalog("markers")


class Marker(ABC):
    """Reads and compares answers. Final subclasses are frozen dataclasses, one file each."""

    plugin_kinds: ClassVar[tuple[str, ...]] = ("markers",)
    version: ClassVar[int] = 1
    is_verbatim: ClassVar[bool] = False
    """Whether all after the first colon is the detail: patterns and paths hold `?` and `&`."""

    powers: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What a setting switches on where it is set; see `Backend.powers`."""

    is_form: ClassVar[bool] = False
    """Whether the marker itself fixes the exact format: then the task's form is not asked for."""

    @property
    def fingerprint(self) -> str:
        """What else decides its marks: a hash of a file it reads; empty where there is none."""
        return ""

    @property
    def stamp(self) -> tuple[object, ...]:
        """What changes when a file changes that decides its marks, at no cost; empty where none does.

        As it was when it was first asked for: one marker object marks by one state of its files.
        """
        return ()

    def check(self) -> None:  # noqa: B027 - most markers have nothing to refuse
        """Raise a `ConfigError` for what can be known wrong before any work; cheap."""

    @abstractmethod
    def gold(self, text: str) -> str | None:
        """Return a gold in canonical form; None where this marker could never accept it."""

    def stated(self, gold: str, form: Form) -> str:
        """Return the gold in the exact format; empty where that cannot be known."""
        return form.write(gold)

    def rule(self, form: Form) -> Rule | None:  # noqa: ARG002 - for subclasses
        """Return how `read` reads, as a value that leaves with an export; None where that cannot be."""
        return None

    @abstractmethod
    def read(self, text: str, form: Form) -> str | None:
        """Read the answer leniently, in canonical form; None where there is none."""

    @abstractmethod
    def mark(self, problem: Problem, text: str, form: Form) -> Mark:
        """Judge a text leniently, and strictly in the form that was asked for.

        Raises:
            JudgeError: the comparison hung or died twice.
        """


class Reader(Marker):
    """A marker that reads by a `Reading`, then compares: what most of them are.

    Only the last `answers.KEPT` characters of a text are read.
    """

    @property
    @abstractmethod
    def reading(self) -> Reading:
        """How answers are read, whatever the gold: what rewards, votes and exports use as well."""

    @abstractmethod
    def agrees(self, answer: str, gold: str) -> bool:
        """Say whether an answer in canonical form is right."""

    def reading_for(self, gold: str) -> Reading:  # noqa: ARG002 - most readings know no gold
        """Return the reading where the gold shows which few words may be the answer."""
        return self.reading

    @final
    def gold(self, text: str) -> str | None:
        """A gold is what is an answer as a whole."""
        return self.reading.whole(text)

    @final
    def rule(self, form: Form) -> Rule:
        """Return the reading with the form."""
        return Stated(self.reading, form)

    @final
    def read(self, text: str, form: Form) -> str | None:
        """Look where an answer is said, the last such place first, then anywhere."""
        return self.reading.read(text, form)

    @final
    def mark(self, problem: Problem, text: str, form: Form) -> Mark:
        """Compare what was read; strictly, the form must hold that and nothing else."""
        answer, strict = self.reading_for(problem.answer).both(text, form)
        grade = self._grade(answer, problem)
        return Mark(answer, grade, Grade.UNREADABLE if strict is None else grade)

    def _grade(self, answer: str | None, problem: Problem) -> Grade:
        if answer is None:
            return Grade.UNREADABLE
        return grade_of(is_right=self.agrees(answer, problem.answer))


def grade_of(*, is_right: bool | None) -> Grade:
    """Return the grade of a comparison; None is unreadable."""
    if is_right is None:
        return Grade.UNREADABLE
    return Grade.CORRECT if is_right else Grade.INCORRECT


def marker_parts(reference: str) -> tuple[str, dict[str, Setting]]:
    """Return the plug-in of a marker's reference and the settings it names; builds nothing.

    Raises:
        UnknownNameError: no such marker.
        ConfigError: what follows the question mark is not `field=value`.
    """
    kind, _, detail = reference.partition(":")
    own: dict[str, str] = {}
    if "?" in kind or not getattr(MARKERS.load(kind), "is_verbatim", False):
        kind, detail, own = read_reference(reference)
    return kind, {**own, **({"name": detail} if detail else {})}


def resolve_marker(reference: str) -> Marker:
    """Return the marker of a reference: `NAME`, `NAME:DETAIL` or `NAME?field=value`.

    `DETAIL` fills the plug-in's field `name`.

    Raises:
        UnknownNameError: no such marker or field.
        ConfigError: the marker's own check refuses.
    """
    marker = named_marker(reference)
    marker.check()
    return marker


def named_marker(reference: str) -> Marker:
    """Return the marker of a reference as `resolve_marker` does, unchecked.

    Raises:
        UnknownNameError: no such marker or field.
    """
    marker = MARKERS.build(*marker_parts(reference))
    if not isinstance(marker, Marker):
        raise TypeError(reference)
    return marker


def text_hash(*texts: str) -> str:
    """Return 12 hexadecimal digits for some texts; equal texts, equal digits."""
    digest = hashlib.blake2b(digest_size=6)
    for text in texts:
        part = text.encode("utf-8", "surrogatepass")
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()
