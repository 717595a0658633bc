"""Which two things are compared: `FOLDER`, or `FOLDER:NAME` with a method, a task or a model of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from modicum.analysis.comparison import Comparison, Side, compare
from modicum.analysis.sides import FLOOR, PICK, names_of_sides, side_of
from modicum.cli.folder import reading
from modicum.cli.pick_rung import verdict_on
from modicum.errors import ConfigError, nearest
from modicum.running.kept_verdicts import recalled
from modicum.store.database import Store
from modicum.store.opening import DATABASE
from modicum.study.plan import Subject
from modicum.study.problem_sets import problems_of
from modicum.task import resolve_task

__all__ = ["SideName", "SidesFound", "compared", "read_sides", "reference"]


@dataclass(frozen=True)
class SideName:
    """One side as it was typed."""

    folder: Path
    names: tuple[str, ...] = ()
    """Names of a method, a task or a model."""


@dataclass(frozen=True)
class SidesFound:
    """The sides of one reference, one for each subject that fits."""

    sides: tuple[Side, ...]
    questions: dict[str, str]
    """Each problem's question, by its id."""


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
) -> SidesFound:
    """Read the sides of a reference from its folder; no text is read and nothing is drawn.

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
            s for s in plan.subjects() if task in (None, s.task) and model in (None, s.model)
        ]
        left = list(which.names)
        for name in which.names:
            fits = [s for s in subjects if name in (s.task, s.model, s.plan.label)]
            if fits:
                subjects = fits
                left.remove(name)
        if len(left) > 1 or not subjects:
            raise _unknown(which, left or [*which.names], subjects or plan.subjects(), store)
        method = left[0] if left else default
        verdicts = recalled(plan, store)
        read = [(s, side_of(s, store, method, verdict_on(s, verdicts))) for s in subjects]
        # of a subject that was measured in several sizes the last finished one is meant
        finished = [(s, side) for s, side in read if side is not None]
        last = {(s.model, s.task): (s, side) for s, side in reversed(finished)}
        chosen = tuple(last.values())[::-1]
        sides = tuple(side for _, side in chosen)
        if not sides:
            raise _unknown(which, [method], subjects, store)
        questions = {
            problem.id: problem.question
            for subject, _ in chosen
            for problem in problems_of(resolve_task(subject.task), "test", subject.scope())
        }
    return SidesFound(sides, questions)


def compared(first: SidesFound, second: SidesFound) -> list[Comparison]:
    """Return the comparisons of all pairs that belong together.

    Where both hold several tasks or models, those of the same task (and model, where it is among
    both) are compared; a single one is compared with whatever stands on the other side.

    Raises:
        ConfigError: no task of the one is a task of the other.
    """
    pairs = [(a, b) for a in first.sides for b in second.sides]
    if len(pairs) > 1:
        pairs = [(a, b) for a, b in pairs if a.task == b.task] or pairs
        same = [(a, b) for a, b in pairs if a.model == b.model]
        covered = {a.task for a, _ in same} == {a.task for a, _ in pairs}
        pairs = same if covered else pairs
        if not any(a.task == b.task for a, b in pairs):
            raise ConfigError(
                f"tasks {_listed(a.task for a in first.sides)} and {_listed(b.task for b in second.sides)}",
                "a task that both have, or one task on each side",
                "name one: FOLDER:TASK",
            )
    return [compare(a, b) for a, b in pairs]


def _unknown(
    which: SideName, names: Sequence[str], subjects: Sequence[Subject], store: Store
) -> ConfigError:
    """Say what the folder holds in place of what was asked for."""
    held = [
        name
        for s in subjects
        for name in (s.task, s.model, s.plan.label, *names_of_sides(s, store))
        if name
    ]
    known = list(dict.fromkeys([PICK, FLOOR, *held]))
    meant = nearest(names[0], known) if names else None
    hint = f"did you mean {meant!r}? " if meant else ""
    return ConfigError(
        f"nothing finished called {' and '.join(map(repr, names))} in {which.folder}",
        f"one method, and at most a task and a model, of: {', '.join(known)}",
        f"{hint}write {which.folder}:NAME, several joined by +",
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))
