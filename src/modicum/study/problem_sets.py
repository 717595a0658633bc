"""Which problems a trial sees: test, selection and shots, each drawn by the trial's own names."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from modicum.method import METHODS, Method
from modicum.scope import Scope
from modicum.seeds import stream
from modicum.task import Task, resolve_task
from modicum.task_names import split_task
from modicum.types import Problem, Split, Trial

__all__ = [
    "POOL",
    "editions_of",
    "most_shots",
    "names_of",
    "pool_of",
    "problems_of",
    "retained_size",
    "shots_of",
]

POOL = 512
"""Labelled problems from which the shots of a seed are drawn, where the task has as many."""
_LEARNABLE = 16_384
"""Labelled problems from which a net that has learned nothing may learn, where the task has as many."""


def names_of(trial: Trial) -> tuple[str, ...]:
    """Return the name of the study's own stream, where it has one."""
    return (trial.scope.stream,) if trial.scope.stream else ()


def problems_of(
    task: Task, split: Literal["test", "selection"], scope: Scope
) -> tuple[Problem, ...]:
    """Return the test or selection problems of a trial's scope, the same ones whatever its method.

    A named stream takes them in its own order from twice as many, where the task has them; the
    scrambled twin's golds are moved within all of these. `first` keeps the first ones only.
    """
    n, name = scope.size(split), scope.stream
    found = pool_of(task, split, n, name)
    if name:
        order = stream("problems", split, name).permutation(len(found))
        found = tuple(found[i] for i in order[:n])
    return found[: scope.first] if split == "test" and scope.first else found


def pool_of(task: Task, split: Split, n: int, name: str) -> tuple[Problem, ...]:
    """Return the problems among which a stream of this name finds its n."""
    if not name:
        return task.problems(split, n)
    return task.problems(split, max(n, min(2 * n, task.sheet.available.get(split, 2 * n))))


def editions_of(references: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Return version and content of those tasks that have more than a first version."""
    tasks = {name: resolve_task(name) for name in references}
    return {
        name: (task.version, task.fingerprint)
        for name, task in tasks.items()
        if task.version > 1 or task.fingerprint
    }


def retained_size(task: Task, wanted: int) -> int:
    """Return how many problems of a retained task are scored: as many as wanted, or as it has."""
    return min(wanted, task.sheet.available.get("test", wanted))


def most_shots(task: Task, method: Method) -> int:
    """Return the greatest budget of labels of a method on a task.

    A nudge takes no more than the pool; what learns from nothing needs more than what there is to unlock.
    """
    most = _LEARNABLE if method.kind == "scratch" else POOL
    return min(most, task.sheet.available.get("shots", most))


def shots_of(trial: Trial, task: Task, shown: int | None = None) -> tuple[Problem, ...]:
    """Return the labelled problems a trial may see: its shots, or as many as its method is shown.

    A method may choose on the selection split, as the floor's style is. Every other gets the first n of a
    pool shuffled by the seed, so that a larger budget contains the smaller one; a budget beyond the pool
    goes on with the task's further problems in their own order. The control `shuffled` gives each shot
    the worked solution of another problem of the pool, `format` that problem's bare answer in the exact
    format.
    """
    if _is_on_selection(trial.method):
        return problems_of(
            task, "selection", dataclasses.replace(trial.scope, selection=trial.n_shots)
        )
    if trial.n_shots == 0:
        return ()
    n = trial.n_shots if shown is None else shown
    most = max(POOL, n)
    pool = task.problems("shots", min(most, task.sheet.available.get("shots", most)))
    _, name = split_task(trial.task)
    rng = stream("shots", name, trial.seed, *names_of(trial))
    shuffled = rng.permutation(min(POOL, len(pool)))
    order = np.concatenate([shuffled, np.arange(shuffled.size, len(pool))])
    chosen = [pool[i] for i in order[:n]]
    if trial.control in ("shuffled", "format"):
        # half a pool further on: never the shot itself, however small or odd the pool
        donors = [pool[i] for i in np.roll(order, -(len(pool) // 2))[:n]]
        if trial.control == "format":
            bare = [dataclasses.replace(donor, solution=None) for donor in donors]
            donors = [
                dataclasses.replace(d, solution=task.stated(d).strip() or d.answer) for d in bare
            ]
        chosen = [
            dataclasses.replace(shot, solution=donor.solution, answer=donor.answer)
            for shot, donor in zip(chosen, donors, strict=True)
        ]
    return tuple(chosen)


def _is_on_selection(method: str) -> bool:
    """Return whether a method says that its labelled problems are those of the selection split."""
    entry = METHODS.entries.get(method)
    needs = entry.stated.get("needs") if entry is not None else None
    return isinstance(needs, Mapping) and needs.get("split") == "selection"
