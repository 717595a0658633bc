"""What a folder measured before the files of its tasks changed: it stays in sight, as what it was.

A trial's identity holds a hash of the files that its task is read and marked with. Where these change, the
same plan makes other trials; the earlier ones are found again with the tasks that the study kept of then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modicum.errors import ConfigError
from modicum.outcome import Outcome
from modicum.store.database import Store
from modicum.store.kept_tasks import KeptTask
from modicum.study.plan import Plan, Subject
from modicum.task import Task, full_reference, held, resolve_task
from modicum.task_names import split_task
from modicum.types import Trial

__all__ = ["Edition", "TaskVersions", "earlier_subjects"]


@dataclass(frozen=True)
class Edition:
    """The tasks of a folder as they were before one of their files changed."""

    name: str
    """How it is called; the oldest is `earlier version 1`."""
    tasks: Mapping[str, KeptTask]
    """By full reference."""

    def label(self, subject: Subject) -> str:
        """Return what sets a subject's verdict apart from others in its folder."""
        return ", ".join(filter(None, (subject.plan.label, self.name)))

    def doubt(self, subject: Subject, now: Mapping[str, str]) -> str:
        """Say that a subject was measured with other files than those of now.

        Args:
            subject: One of this edition's.
            now: What the study keeps of each task now: its fingerprint by full reference.
        """
        wanted = (_plain(subject.task), *map(_plain, subject.retain()))
        names = [
            name.partition("?")[0].rpartition(":")[2]
            for name in dict.fromkeys(wanted)
            if name in self.tasks and self.tasks[name].fingerprint != now.get(name)
        ]
        return (
            f"problems and marking are those of an earlier version of {' and '.join(names)}, "
            "whose files have changed since"
        )


def earlier_subjects(plan: Plan, store: Store) -> list[tuple[Edition, Subject]]:
    """Return the subjects of a plan as they were measured before files changed, the newest first.

    Each is read while the edition's tasks are held. What stands as it did then is left out, and what
    another version of the task's code marked again.

    Args:
        plan: What the folder was run with.
        store: The folder.
    """
    found = _editions(store)
    if not found:
        return []
    done = store.done()
    seen = {str(subject.floor().id) for subject in plan.subjects()}
    heads = store.heads()
    seen |= {
        one.marked_again.earlier
        for one in heads.values()
        if one.marked_again is not None and _is_renewed(one, one.marked_again.earlier, heads)
    }
    earlier: list[tuple[Edition, Subject]] = []
    for edition in found:
        own = []
        with held(edition.tasks):
            for subject in plan.subjects():
                name = _floor_in(subject)
                if name in done and name not in seen:
                    seen.add(name)
                    own.append((edition, subject))
        earlier = [*own, *earlier]
    return earlier


@dataclass(frozen=True)
class TaskVersions:
    """Which version of its task a stored trial is of."""

    editions: Sequence[Edition]
    now: Mapping[str, str]
    """Fingerprint of each task that the study keeps now, by full reference."""

    @staticmethod
    def of(store: Store) -> "TaskVersions":
        """Return those of a folder."""
        found = _editions(store)
        kept = store.kept_tasks() if found else {}
        return TaskVersions(found, {name: record.fingerprint for name, record in kept.items()})

    def version(self, trial: Trial) -> str:
        """Return the name of a trial's version; empty where its task is as it was then."""
        edition = self._edition(trial)
        return "" if edition is None else edition.name

    def named(self, trial: Trial) -> str:
        """Return the studied task's reference, with the version behind it where that is an earlier one."""
        version = self.version(trial)
        return f"{trial.subject} ({version})" if version else trial.subject

    def parted(self, named: str) -> tuple[str, Mapping[str, Task] | None]:
        """Return the reference in such a name, and the tasks to hold for it; None for those of now."""
        for edition in self.editions:
            reference = named.removesuffix(f" ({edition.name})")
            if reference != named:
                return reference, edition.tasks
        return named, None

    def task(self, trial: Trial) -> Task:
        """Return the task that a trial answered, in its version.

        Raises:
            ConfigError: there is none.
        """
        edition = self._edition(trial)
        if edition is None:
            return resolve_task(trial.task)
        with held(edition.tasks):
            return resolve_task(trial.task)

    def _edition(self, trial: Trial) -> Edition | None:
        """Return the oldest edition that a trial is of; None where its task is as then."""
        versions = trial.scope.versions
        if versions is None or not self.editions:
            return None
        name, content = _plain(trial.task), versions.content.partition(" ")[0]
        if self.now.get(name) == content:
            return None
        fits = (
            e for e in self.editions if name in e.tasks and e.tasks[name].fingerprint == content
        )
        return next(fits, None)


def _editions(store: Store) -> list[Edition]:
    """Return what the folder's tasks were, the oldest first."""
    return [
        Edition(
            f"earlier version {i + 1}",
            {name: KeptTask(name, record) for name, record in tasks.items()},
        )
        for i, tasks in enumerate(store.editions())
    ]


def _is_renewed(outcome: Outcome, earlier: str, heads: Mapping[str, Outcome]) -> bool:
    """Say whether an outcome is an earlier one, marked again by another version of its task's code."""
    before, now = heads.get(earlier), outcome.trial.scope.versions
    then = before.trial.scope.versions if before is not None else None
    return then is None or now is None or then.task != now.task


def _floor_in(subject: Subject) -> str:
    """Return the id of a subject's floor with the tasks that are held; empty where one is not there."""
    try:
        return str(subject.floor().id)
    except ConfigError:
        return ""


def _plain(reference: str) -> str:
    """Return the full reference of a task's original."""
    return split_task(full_reference(reference))[1]
