"""Trials that draw nothing: they are copied, or marked, from the stored answers of another one."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from modicum.ledger import as_reused
from modicum.store.database import Outcome, Store
from modicum.study.controls import is_marked_only
from modicum.study.plan import Plan, Subject
from modicum.study.trial import remark
from modicum.types import Trial

__all__ = ["copied_floor", "mark_twins", "original"]

Finished = Callable[[Outcome], None]


def copied_floor(plan: Plan, trial: Trial, store: Store, finished: Finished) -> bool:
    """Copy the floor's answers where the default style was chosen for it: the same prompts.

    Args:
        plan: The study.
        trial: A trial that has not run.
        store: Where the floor is, and the copy goes.
        finished: Told of the copy.

    Returns:
        Whether it was copied.
    """
    subject = Subject(plan, trial.model, trial.task)
    if trial.id != subject.default().id:
        return False
    floor = store.read(subject.floor())
    if floor is None or floor.error:
        return False
    if floor.styles is None or floor.style.name != floor.styles.asked[0]:
        return False
    served = as_reused(floor.serving, len(floor.answers))
    store.write(replace(floor, trial=trial, elicitation={}, serving=served, artefact=""))
    finished(Outcome(trial))
    return True


def mark_twins(twins: Sequence[Trial], store: Store, finished: Finished) -> None:
    """Mark the twins that have not ended from the stored answers of their originals.

    Args:
        twins: Scrambled twins that are only marked.
        store: Where their originals are, and what is marked goes.
        finished: Told of each.
    """
    done = store.done()
    for trial in twins:
        outcome = store.read(original(trial) or trial) if trial.id not in done else None
        if outcome is not None and not outcome.error:
            store.write(remark(outcome, trial))
            finished(Outcome(trial))


def original(trial: Trial) -> Trial | None:
    """Return the trial whose answers a scrambled twin can be marked from; None where it saw shots."""
    if not is_marked_only(trial):
        return None
    return replace(trial, task=trial.task.removeprefix("scrambled:"))
