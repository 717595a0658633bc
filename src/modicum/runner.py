"""Runs what is missing of a study, writes each outcome, and goes on after failures and kills."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from modicum.ledger import as_reused
from modicum.pool import Job, Pool
from modicum.stamp import plan_stamp
from modicum.store import Outcome, Store
from modicum.study import Plan, Subject
from modicum.trials import remark
from modicum.types import Style, Trial

__all__ = [
    "Silent",
    "Watcher",
    "floor_style",
    "missing",
    "planned",
    "run",
]


class Watcher(Protocol):
    """What wants to know how a run gets on."""

    def started(self, total: int, existing: int) -> None:
        """Called once, with the number of trials and how many exist already."""

    def spent(self, tokens: float) -> None:
        """Called now and then with the tokens run so far."""

    def finished(self, outcome: Outcome) -> None:
        """Called after each trial was written."""


class Silent:
    """A watcher that says nothing."""

    def started(self, total: int, existing: int) -> None:
        """Ignores the start."""

    def spent(self, tokens: float) -> None:
        """Ignores the tokens."""

    def finished(self, outcome: Outcome) -> None:
        """Ignores the outcome."""


def planned(plan: Plan, store: Store) -> frozenset[str]:
    """Gives the ids of a plan's trials; kept in the store, so that a second time loads no method."""
    stamp = plan_stamp(plan)
    kept = store.kept("trials", stamp)
    if kept is not None:
        return frozenset(json.loads(kept))
    names = [trial.id for trial in plan.trials()]
    store.keep("trials", stamp, json.dumps(names))
    return frozenset(names)


def missing(plan: Plan, store: Store) -> list[Trial]:
    """Gives the trials that have not finished, in the order they will run."""
    done = store.done()
    return [trial for trial in plan.trials() if trial.id not in done]


def run(
    plan: Plan,
    store: Store,
    watcher: Watcher,
    *,
    workers: int = 1,
    reuse: Sequence[Path] = (),
) -> None:
    """Runs every missing trial of a plan; what is finished is never run again.

    First the floor's style of every subject, for all else is asked in it; then the rest. Twins
    that only need other golds are marked from stored answers.

    Args:
        plan: What to run.
        store: Where outcomes go; the driver alone writes.
        watcher: Told of progress.
        workers: Processes; 1 runs in this one.
        reuse: Folders of other studies whose draws are taken over.
    """
    shelves = (store.folder, *reuse)
    todo = missing(plan, store)
    watcher.started(len(plan.trials()), len(plan.trials()) - len(todo))
    first = [t for t in todo if t.method == "prompt_style" and not t.is_twin]
    later = [t for t in todo if t not in first]
    copied = [t for t in later if _original(t) is not None]
    drawn = [t for t in later if t not in copied]
    with Pool(workers, watcher.spent) as pool:
        _run_all(_jobs(plan, first, store, shelves), store, watcher, pool)
        same = [t for t in drawn if _copy_floor(plan, t, store, watcher)]
        left = [t for t in drawn if t not in same]
        _run_all(_jobs(plan, left, store, shelves), store, watcher, pool)
    for trial in copied:
        original = store.read(_original(trial) or trial)
        if original is not None and not original.error:
            store.write(remark(original, trial))
            watcher.finished(Outcome(trial))


def floor_style(store: Store, subject: Subject) -> Style | None:
    """Gives the style chosen for a subject's floor, or None before it is chosen."""
    outcome = store.read(subject.floor(), texts=False)
    if outcome is None or outcome.error:
        return None
    return outcome.style


def _jobs(
    plan: Plan, trials: Sequence[Trial], store: Store, shelves: tuple[Path, ...]
) -> list[Job]:
    """Gives the jobs of trials, each in the style of its subject's floor.

    A decoding rung waits for the samples behind the ceiling: it takes its own from them.
    """
    styles: dict[tuple[str, str], Style | None] = {}
    jobs = []
    for trial in trials:
        pair = (trial.model, trial.subject)
        subject = Subject(plan, *pair)
        if trial.method != "prompt_style" and styles.get(pair) is None:
            styles[pair] = floor_style(store, subject)
        is_decoding = plan.method(trial.method).kind == "decoding"
        after = frozenset({str(subject.samples().id)} if is_decoding else ())
        artefacts = store.artefacts(trial)
        jobs.append(Job(plan, trial, styles.get(pair), artefacts, shelves, after))
    return jobs


def _run_all(jobs: Sequence[Job], store: Store, watcher: Watcher, pool: Pool) -> None:
    """Runs jobs and writes the outcome of each as it ends."""
    for outcome in pool.outcomes(jobs):
        store.write(outcome)
        watcher.finished(outcome)


def _copy_floor(plan: Plan, trial: Trial, store: Store, watcher: Watcher) -> bool:
    """Copies the floor's answers where the default style was chosen for it: the same prompts."""
    subject = Subject(plan, trial.model, trial.task)
    if trial.id != subject.default().id:
        return False
    floor = store.read(subject.floor())
    if floor is None or floor.error:
        return False
    chosen, styles = floor.notes["style"], floor.notes["styles"]
    if chosen["name"] != styles[0]:  # type: ignore[index]
        return False
    served = as_reused(floor.serving, len(floor.answers))
    store.write(
        dataclasses.replace(floor, trial=trial, elicitation={}, serving=served, artefact="")
    )
    watcher.finished(Outcome(trial))
    return True


def _original(trial: Trial) -> Trial | None:
    """The trial whose answers a scrambled twin can be marked from; None where it saw shots."""
    if trial.n_shots or not trial.is_twin:
        return None
    return dataclasses.replace(trial, task=trial.subject)
