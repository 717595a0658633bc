"""The copy of a task that a study keeps: what a verdict and a report need, without its file or marker.

A finished study is read on another machine, after its file has gone or changed, and without running
anything that its plan names; so the driver keeps each task as plain values when a run begins.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

from modicum.errors import ConfigError
from modicum.files.packing import summed, unsummed
from modicum.marking.marks import read_or_none
from modicum.plain import table_of, thawed
from modicum.stats.written import count
from modicum.task import Sheet, Task
from modicum.types import Mark, Problem, Split

__all__ = ["KeptSheet", "KeptTask", "TaskRecord", "record_of"]


@dataclass(frozen=True)
class KeptSheet:
    """A gold in the exact format, and how the task's own reader reads it there."""

    answer: str
    solution: str | None
    stated: str
    read: str | None
    """Canonical form of the gold; None where the reader found none, or failed."""
    right: tuple[str, ...] = ()
    """Each different right answer as the reader gives it, where several may be."""


@dataclass(frozen=True)
class TaskRecord:
    """A task as plain values."""

    version: int
    fingerprint: str
    sheet: Sheet
    problems: tuple[Problem, ...]
    """Test problems, in the task's order."""
    said: tuple[KeptSheet, ...]
    """Once a gold."""
    notes: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    """Where each problem comes from, in words."""

    def holds(self, other: "TaskRecord") -> bool:
        """Say whether it is the same task with all problems of another record, or more."""
        cut = replace(self, problems=self.problems[: len(other.problems)])
        return (
            replace(cut, said=(), origins=()) == replace(other, said=(), origins=())
            and set(other.said) <= set(self.said)
            and self.origins[: len(other.origins)] == other.origins
        )

    def as_text(self) -> str:
        """Return it as JSON."""
        return summed(table_of(self))

    @staticmethod
    def from_text(text: str) -> "TaskRecord":
        """Read it from JSON.

        Raises:
            ValueError: no JSON, or something that is no record.
        """
        try:
            return thawed(TaskRecord, unsummed(text))
        except (AttributeError, KeyError, TypeError) as error:
            msg = f"no record of a task: {type(error).__name__} {error}"
            raise ValueError(msg) from error


def record_of(task: Task, problems: Iterable[Problem]) -> TaskRecord:
    """Return what a study keeps of a task; its reader is asked once a gold.

    Args:
        task: The task, not a scrambled one.
        problems: Its test problems that the study draws on.
    """
    problems = tuple(problems)
    golds = {(p.answer, p.solution): p for p in problems}
    return TaskRecord(
        version=task.version,
        fingerprint=task.fingerprint,
        sheet=task.sheet,
        problems=problems,
        said=tuple(
            KeptSheet(
                answer,
                solution,
                stated := task.stated(p),
                read_or_none(task, stated),
                task.right_answers(p),
            )
            for (answer, solution), p in golds.items()
        ),
        notes=task.notes,
        origins=tuple(map(task.origin, problems)),
    )


@final
class KeptTask(Task):
    """A task read back from a study: it gives problems and golds, and marks nothing."""

    def __init__(self, reference: str, record: TaskRecord) -> None:
        """Take a record.

        Args:
            reference: How the plan names the task, for messages.
            record: What was kept.
        """
        self._reference, self._record = reference, record
        object.__setattr__(self, "version", record.version)

    @property
    def sheet(self) -> Sheet:
        """The form that the task had."""
        return self._record.sheet

    @property
    def fingerprint(self) -> str:
        """The hash that the task's files had."""
        return self._record.fingerprint

    @property
    def notes(self) -> tuple[str, ...]:
        """What was said of the task."""
        return self._record.notes

    def problems(self, split: Split, n: int) -> tuple[Problem, ...]:
        """Return the first n test problems.

        Raises:
            ConfigError: more than were kept, or another split.
        """
        kept = self._record.problems if split == "test" else ()
        if n > len(kept):
            raise ConfigError(
                f"{count(n, f'{split} problem')} of the study's copy of {self._reference}",
                f"at most {len(kept)}",
                "run the study again where the task's own data is",
            )
        return kept[:n]

    def read(self, text: str) -> str | None:
        """Read a gold as the task's own reader did.

        Raises:
            ConfigError: any other text.
        """
        if text not in self._readings:
            raise self._no_reader()
        return self._readings[text]

    def mark(self, problem: Problem, text: str) -> Mark:
        """Refuse.

        Raises:
            ConfigError: always.
        """
        del problem, text
        raise self._no_reader()

    def stated(self, problem: Problem) -> str:
        """Return a gold in the exact format, as the task wrote it."""
        known = self._golds.get((problem.answer, problem.solution))
        return known.stated if known is not None else super().stated(problem)

    def right_answers(self, problem: Problem) -> tuple[str, ...]:
        """Return what the task listed when the study began."""
        known = self._golds.get((problem.answer, problem.solution))
        return known.right if known is not None else ()

    def origin(self, problem: Problem) -> str:
        """Say where a problem comes from, as the task did."""
        return self._origins.get(problem.id, super().origin(problem))

    def _no_reader(self) -> ConfigError:
        return ConfigError(
            f"an answer to mark with the study's copy of {self._reference}",
            "stored marks alone: a study that is read starts no marker",
            "run the study again where the task's own data is",
        )

    @cached_property
    def _golds(self) -> Mapping[tuple[str, str | None], KeptSheet]:
        return {(said.answer, said.solution): said for said in self._record.said}

    @cached_property
    def _readings(self) -> Mapping[str, str | None]:
        return {said.stated: said.read for said in self._record.said}

    @cached_property
    def _origins(self) -> Mapping[str, str]:
        record = self._record
        return {p.id: origin for p, origin in zip(record.problems, record.origins, strict=False)}
