"""Which two things are compared: `FOLDER`, or `FOLDER:NAME` with a method, a task or a model of it."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from modicum.analysis.comparison import Comparison, Side, compare
from modicum.analysis.sides import FLOOR, PICK, names_of_sides, side_of
from modicum.analysis.verdict import Verdict
from modicum.cli.folder import reading
from modicum.errors import ConfigError, nearest
from modicum.running.kept_verdicts import recalled
from modicum.store.database import Store
from modicum.store.opening import DATABASE
from modicum.study.editions import Edition, earlier_subjects
from modicum.study.plan import Plan, Subject
from modicum.task import held

__all__ = ["SideName", "compared", "read_sides", "reference"]


@dataclass(frozen=True)
class SideName:
    """One side as it was typed."""

    folder: Path
    names: tuple[str, ...] = ()
    """Names of a method, a task or a model."""


def reference(text: str) -> SideName:
    """Read `FOLDER` or `FOLDER:NAME+NAME`.

    Raises:
        ConfigError: no part before a colon is the folder of a study.
    """
    places = [i for i, char in enumerate(text) if char == ":"] + [len(text)]
    for place in reversed(places):
        folder = Path(text[:place])
        if (folder / DATABASE).exists():
            rest = text[place + 1 :]
            return SideName(folder, tuple(name.strip() for name in rest.split("+") if name.strip()))
    raise ConfigError(
        f"no study in {text.partition(':')[0]!r}",
        "FOLDER or FOLDER:NAME, with a folder that `modicum run` wrote",
        "list them with `modicum runs`",
    )


def read_sides(
    which: SideName, *, task: str | None, model: str | None, trusted: bool, default: str
) -> tuple[Side, ...]:
    """Read the sides of a reference, one for each subject that fits; nothing is drawn, no answer read.

    Args:
        which: The folder, and what is meant in it.
        task: Only subjects of this task.
        model: Only subjects of this model.
        trusted: Whether the user trusts whoever wrote the folder.
        default: Which method is meant where the reference names none.

    Raises:
        ConfigError: nothing fits, or nothing of it is finished.
    """
    with reading(which.folder, trusted=trusted, read_only=True) as (store, plan):
        subjects = [
            m
            for m in _measured(plan, store)
            if task in (None, m.subject.task) and model in (None, m.subject.model)
        ]
        left = list(which.names)
        for name in which.names:
            fits = [m for m in subjects if name in m.names]
            if fits:
                subjects = fits
                left.remove(name)
        if len(left) > 1 or not subjects:
            raise _unknown(which, left or [*which.names], subjects or _measured(plan, store), store)
        method = left[0] if left else default
        verdicts = recalled(plan, store)
        read = [(m.subject, m.side(store, method, verdicts)) for m in subjects]
        # of a subject that was measured in several ways the last finished one is meant
        last = {(s.model, s.task): side for s, side in reversed(read) if side is not None}
        if not last:
            raise _unknown(which, [method], subjects, store)
    return tuple(last.values())[::-1]


@dataclass(frozen=True)
class _Measured:
    """A model on a task, as it was measured."""

    subject: Subject
    label: str
    """What sets it apart from others on the same model and task."""
    edition: Edition | None = None
    """Its tasks, where their files have changed since."""

    @property
    def names(self) -> tuple[str, ...]:
        """What it is called."""
        return tuple(filter(None, (self.subject.task, self.subject.model, self.label)))

    def side(self, store: Store, method: str, verdicts: Sequence[Verdict]) -> Side | None:
        """Return a method of it; None where nothing of that is finished."""
        wanted = (self.subject.model, self.subject.task, self.label)
        verdict = next((v for v in verdicts if (v.model, v.task, v.variant) == wanted), None)
        with self._tasks():
            return side_of(self.subject, store, method, verdict)

    def sides(self, store: Store) -> tuple[str, ...]:
        """Return the names of what is finished of it."""
        with self._tasks():
            return names_of_sides(self.subject, store)

    def _tasks(self) -> AbstractContextManager[None]:
        return nullcontext() if self.edition is None else held(self.edition.tasks)


def _measured(plan: Plan, store: Store) -> list[_Measured]:
    """Return everything that a folder measured: as its files are now, then as they were before."""
    earlier = [_Measured(s, e.label(s), e) for e, s in earlier_subjects(plan, store)]
    return [*(_Measured(s, s.plan.label) for s in plan.subjects()), *earlier]


def compared(first: Sequence[Side], second: Sequence[Side]) -> list[Comparison]:
    """Return the comparisons of all pairs that belong together.

    Where both hold several tasks or models, those of the same task (and model, where it is among
    both) are compared; a single one is compared with whatever stands on the other side.

    Raises:
        ConfigError: no task of the one is a task of the other.
    """
    pairs = [(a, b) for a in first for b in second]
    if len(pairs) > 1:
        pairs = [(a, b) for a, b in pairs if a.task == b.task] or pairs
        same = [(a, b) for a, b in pairs if a.model == b.model]
        covered = {a.task for a, _ in same} == {a.task for a, _ in pairs}
        pairs = same if covered else pairs
        if not any(a.task == b.task for a, b in pairs):
            raise ConfigError(
                f"tasks {_listed(a.task for a in first)} and {_listed(b.task for b in second)}",
                "a task that both have, or one task on each side",
                "name one: FOLDER:TASK",
            )
    return [compare(a, b) for a, b in pairs]


def _unknown(
    which: SideName, names: Sequence[str], subjects: Sequence[_Measured], store: Store
) -> ConfigError:
    """Say what the folder holds in place of what was asked for."""
    there = [name for one in subjects for name in (*one.names, *one.sides(store))]
    known = list(dict.fromkeys([PICK, FLOOR, *there]))
    meant = nearest(names[0], known) if names else None
    hint = f"did you mean {meant!r}? " if meant else ""
    return ConfigError(
        f"nothing finished called {' and '.join(map(repr, names))} in {which.folder}",
        f"one method, and at most a task and a model, of: {', '.join(known)}",
        f"{hint}write {which.folder}:NAME, several joined by +",
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))
