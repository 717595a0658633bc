"""Runs what is missing of a study within its limits: the check, the trials, the verdict, the report."""

import dataclasses
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import click

from modicum.analysis.verdict import Verdict
from modicum.cli.advance import Advance
from modicum.cli.began import BEGAN
from modicum.cli.consent import agreed, time_line
from modicum.cli.doctor_first import look_first
from modicum.cli.progress import waiting, watcher
from modicum.cli.told_run import ToldRun, tell
from modicum.errors import ConfigError
from modicum.executor import Executor, resolve_executor
from modicum.files.limits import check_number
from modicum.model import resolve_backend
from modicum.running.renewal import Renewed, renew
from modicum.running.runner import keep_tasks, missing, planned, run
from modicum.running.session import BudgetOver, TimeLimit, counted, spent_before
from modicum.running.spending import Spending, refuse_unpayable, shares, spending
from modicum.store.database import Store
from modicum.study.budget import Budget
from modicum.study.plan import Plan
from modicum.training.launch import ranks
from modicum.types import Trial, named

__all__ = ["How", "driven", "is_complete"]


_ENDING_S, _VERDICT_S, _MOST_KEPT = 2.0, 1.0, 0.2
"""Seconds that a report takes, and each verdict in it; the most of a budget that is kept for them."""


@dataclass(frozen=True)
class How:
    """How a study is run."""

    no_check: bool
    """The doctor is left out."""
    force: bool
    """A fault that it finds stops nothing."""
    budget: Budget | None
    workers: int | None
    """Processes; as many as fit where None."""
    executor: str
    """Reference of an executor; by the number of workers where empty."""
    yes: bool = False
    """Nothing is asked before a long study, or was answered."""

    def __post_init__(self) -> None:
        if self.workers is not None:
            check_number("workers", self.workers)
        if self.executor and self.workers is not None:
            raise ConfigError(
                "--workers and --executor", "one of the two", "write --executor NAME?workers=4"
            )

    @property
    def seconds(self) -> float:
        """Seconds that the study may take in all; infinite without a budget."""
        return math.inf if self.budget is None else self.budget.seconds

    def left(self, store: Store | None) -> float:
        """Return the seconds that are left of it, what earlier runs of the folder took left out."""
        before = spent_before(store)[0] if store is not None else 0.0
        return self.seconds - before - (monotonic() - BEGAN)

    def reserve(self, plan: Plan) -> float:
        """Return the seconds of a budget that are kept for the verdicts and the report."""
        wanted = _ENDING_S + _VERDICT_S * len(plan.subjects())
        return min(wanted, _MOST_KEPT * self.seconds) if math.isfinite(self.seconds) else 0.0

    def asked(self, plan: Plan, store: Store | None, ahead: Spending, workers: int) -> "How":
        """Return how it is run once the user has agreed to a long one.

        Raises:
            Declined: the user has not.
        """
        if self.yes:
            return self
        return dataclasses.replace(self, yes=agreed(plan, store, ahead, self.seconds, workers))

    def shared_by(self, plan: Plan) -> int:
        """Return how many processes share the work of a plan; 1 where an executor is named."""
        if self.executor:
            return resolve_executor(self.executor).workers
        return _workers(plan) if self.workers is None else self.workers


def is_complete(plan: Plan, store: Store) -> bool:
    """Say whether nothing of a plan is missing; loads no method."""
    return planned(plan, store) <= store.done()


def driven(plan: Plan, store: Store, how: How, reuse: Sequence[Path], since: float) -> ToldRun:
    """Run what is missing, as the folder's only driver, and write the report.

    Args:
        plan: The study.
        store: Its folder.
        how: How it is run.
        reuse: Folders of other studies whose answers are taken over.
        since: When the command began, on the monotonic clock: the budget counts from there.

    Raises:
        ConfigError: the check found a fault, or the budget cannot pay what every study takes.
        Declined: the user does not want what it takes.
    """
    store.freeze(plan.as_dict())
    # a complete study is not looked at: listing its trials would load every method
    with waiting("marking stored texts of an earlier version again"):
        renewed = () if is_complete(plan, store) else renew(plan, store)
    _say_renewed(renewed)
    if not is_complete(plan, store):
        _check(plan, store, how, reuse, since)
        _run(plan, store, how, reuse)
    elif renewed or not store.kept_tasks():
        keep_tasks(plan, store)
    with waiting("working out the verdict"):
        told = tell(plan, store)
    if how.budget is not None:
        failed = store.failed()
        _say_left_out([t for t in missing(plan, store) if t.id not in failed], told.own)
    return told


def _check(plan: Plan, store: Store, how: How, reuse: Sequence[Path], since: float) -> None:
    """Let the doctor look first, within the budget; refuse what it cannot pay."""
    limit, earlier = TimeLimit(how.seconds), spent_before(store)[0]
    with counted(store, lambda: 0.0, since) as clock:
        limit.taken = lambda: earlier + clock.seconds
        refuse_unpayable(plan, store, limit.left, how.shared_by(plan))
        if how.no_check or limit.left <= 0:
            return
        try:
            look_first(plan, store, force=how.force, reuse=reuse, limit=limit)
        except BudgetOver as over:
            raise ConfigError(
                f"{over} by the check, before the floor and ceiling began",
                "time for the check, the floor and the ceiling",
                "raise --budget, or take smaller sizes: --quick, --max-new-tokens",
            ) from over


def _run(plan: Plan, store: Store, how: How, reuse: Sequence[Path]) -> None:
    """Run the trials that are missing, once the user has agreed to what they take."""
    workers = how.shared_by(plan)
    ahead = spending(plan, store, workers)
    how = how.asked(plan, store, ahead, workers)
    if line := time_line(ahead):
        click.echo(line, err=True)
    executor = _executor(plan, how)
    end = monotonic() + how.left(store)
    advance = Advance(shares(plan, store), ahead.seconds, lambda: end - monotonic())
    budget = None if how.budget is None else how.budget.less(how.reserve(plan), 0.0)
    with watcher(advance) as watching:
        run(plan, store, watching, executor=executor, reuse=reuse, budget=budget)


def _say_renewed(renewed: Sequence[Renewed]) -> None:
    """Say which trials of an earlier version were marked again, and whose figures moved."""
    if not renewed:
        return
    moved = [one for one in renewed if one.now != one.before]
    click.echo(
        f"{len(renewed)} trials of an earlier version marked again from their stored texts, nothing "
        f"drawn; {len(moved)} moved",
        err=True,
    )
    for one in moved:
        name = " ".join(named([one.trial]))
        twin = " (answers permuted)" if one.trial.is_twin else ""
        click.echo(f"  {name}{twin}: {one.before} → {one.now} of {one.problems} right", err=True)


def _say_left_out(trials: Sequence[Trial], verdicts: Sequence[Verdict]) -> None:
    """Say which trials the budget did not buy, and where nothing can be said without them."""
    if not trials:
        return
    names = ", ".join(named(trials))
    click.echo(
        f"budget used up: {len(trials)} trials not run: {names}; the same command with a larger "
        "--budget, or with none, adds them",
        err=True,
    )
    if not verdicts:
        click.echo("no verdict yet: the floor and ceiling are not complete", err=True)


def _executor(plan: Plan, how: How) -> Executor:
    """Return what runs the trials; of a launch of several processes each runs its own share here."""
    if how.executor:
        return resolve_executor(how.executor)
    workers = how.shared_by(plan)
    is_here = workers <= 1 or ranks().count > 1
    return resolve_executor("here" if is_here else f"processes?workers={workers}")


def _workers(plan: Plan) -> int:
    """As many processes as cores where every model is light, else one."""
    models = {m for g in plan.grids for m in (*g.models, g.twin)} | {plan.reference}
    light = all(resolve_backend(model).light for model in models - {""})
    return len(os.sched_getaffinity(0)) if light else 1
