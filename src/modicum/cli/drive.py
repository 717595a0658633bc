"""Runs what is missing of a study within its limits: the check, the trials, the verdict, the report."""

import contextlib
import dataclasses
import math
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import click

from modicum.cli.advance import Advance
from modicum.cli.began import BEGAN
from modicum.cli.consent import Declined, agreed, time_line
from modicum.cli.doctor_first import look_first, said_once
from modicum.cli.progress import waiting, watcher
from modicum.cli.told_run import ToldRun, tell
from modicum.doctor.visit import refuse_faults
from modicum.errors import ConfigError, ModicumError
from modicum.executor import Executor, resolve_executor
from modicum.files.limits import check_number
from modicum.model import resolve_backend
from modicum.running.renewal import Renewed, renew
from modicum.running.runner import Watcher, has_tasks, keep_tasks, missing, planned, run
from modicum.running.session import BudgetOver, TimeLimit, counted, spent_before
from modicum.running.spending import Spending, refuse_unpayable, shares, spending
from modicum.store.database import Store
from modicum.store.opening import DATABASE
from modicum.study.budget import Budget
from modicum.study.plan import Plan
from modicum.training.launch import ranks
from modicum.types import Trial, named

__all__ = ["How", "Telling", "carry_out", "driven", "is_complete", "only_read", "opened"]


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
    since: float = BEGAN
    """When the command began, on the monotonic clock: the budget counts from there."""

    def __post_init__(self) -> None:
        if self.workers is not None:
            check_number("workers", self.workers)
        if self.executor and self.workers is not None:
            raise ConfigError(
                "--workers and --executor", "one of the two", "write --executor NAME?workers=4"
            )

    @staticmethod
    def in_python(
        budget: Budget | None, workers: int | None, executor: str, *, check: bool
    ) -> "How":
        """Return how Python runs a study from now on: here unless said otherwise; nothing is asked."""
        here = 1 if workers is None and not executor else workers
        return How(not check, False, budget, here, executor, yes=True, since=monotonic())

    @property
    def seconds(self) -> float:
        """Seconds that the study may take in all; infinite without a budget."""
        return math.inf if self.budget is None else self.budget.seconds

    def left(self, store: Store | None) -> float:
        """Return the seconds that are left of it, what earlier runs of the folder took left out."""
        before = spent_before(store)[0] if store is not None else 0.0
        return self.seconds - before - (monotonic() - self.since)

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


@dataclass(frozen=True)
class Telling:
    """Where a run says how it gets on."""

    say: Callable[[str], None]
    """Takes a line."""
    watching: Callable[[Advance], AbstractContextManager[Watcher]]
    """Gives what shows the trials."""
    is_shown: bool = True
    """Whether what is waited for is shown."""
    says_reach: bool = False
    """Whether the check's lines say what the sizes can show; the command line has said it before."""

    def waiting(self, what: str) -> AbstractContextManager[None]:
        """Say what is waited for."""
        return waiting(what) if self.is_shown else contextlib.nullcontext()


@contextlib.contextmanager
def only_read(folder: Path) -> Iterator[Store | None]:
    """Open what a folder holds, to change nothing of it; None where it holds no study."""
    if not (folder / DATABASE).exists():
        yield None
        return
    with contextlib.closing(Store(folder, read_only=True)) as store:
        yield store


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Store]:
    """Open a study's folder to run in it; one that was made for nothing goes again.

    That is one made just now, in which no plan was kept: the user declined, or it was refused before
    anything was drawn.
    """
    is_new, is_bare = not (folder / DATABASE).exists(), True
    has_place = folder.exists()
    try:
        with contextlib.closing(Store(folder)) as store:
            try:
                yield store
            finally:
                with contextlib.suppress(ModicumError):
                    is_bare = store.plan is None and not store.has_draws
    except (Declined, click.Abort, ModicumError) as error:
        if is_new and (is_bare or not isinstance(error, ModicumError)):
            _take_away(folder, has_place=has_place)
        raise


def _take_away(folder: Path, *, has_place: bool) -> None:
    """Remove a new study; the folder too unless it was there before."""
    if not has_place:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for path in folder.glob(f"{DATABASE}*"):
        path.unlink(missing_ok=True)


def driven(plan: Plan, store: Store, how: How, reuse: Sequence[Path]) -> ToldRun:
    """Run what is missing, as the folder's only driver, and write the report.

    Args:
        plan: The study.
        store: Its folder.
        how: How it is run.
        reuse: Folders of other studies whose answers are taken over.

    Raises:
        ConfigError: the check found a fault, or the budget cannot pay what every study takes.
        Declined: the user does not want what it takes.
    """
    telling = Telling(lambda line: click.echo(line, err=True), watcher)
    carry_out(plan, store, how, reuse, telling)
    with waiting("working out the verdict"):
        told = tell(plan, store)
    if how.budget is not None and not told.own and _left_out(plan, store):
        telling.say("no verdict yet: the floor and ceiling are not complete")
    return told


def carry_out(plan: Plan, store: Store, how: How, reuse: Sequence[Path], telling: Telling) -> None:
    """Run what is missing, as the folder's only driver.

    The plan is kept once nothing stands against it any more: the check, the budget or the user.

    Args:
        plan: The study.
        store: Its folder.
        how: How it is run.
        reuse: Folders of other studies whose answers are taken over.
        telling: Where it is said how the run gets on.

    Raises:
        ConfigError: the check found a fault, or the budget cannot pay what every study takes.
        Declined: the user does not want what it takes.
    """
    # a complete study is not looked at: listing its trials would load every method
    with telling.waiting("marking stored texts of an earlier version again"):
        renewed = () if is_complete(plan, store) else renew(plan, store)
    for line in _renewed_lines(renewed):
        telling.say(line)
    if is_complete(plan, store):
        store.freeze(plan.as_dict())
        if renewed or not has_tasks(plan, store):
            keep_tasks(plan, store)
        return
    _check(plan, store, how, reuse, telling)
    _run(plan, store, how, reuse, telling)
    left = _left_out(plan, store) if how.budget is not None else []
    if left:
        names = ", ".join(named(left))
        telling.say(
            f"budget used up: {len(left)} trials not run: {names}; the same command with a larger "
            "--budget, or with none, adds them"
        )


def _check(plan: Plan, store: Store, how: How, reuse: Sequence[Path], telling: Telling) -> None:
    """Look at each model on each task first, within the budget; refuse what it cannot pay."""
    limit, earlier = TimeLimit(how.seconds), spent_before(store)[0]
    with counted(store, lambda: 0.0, how.since) as clock:
        limit.taken = lambda: earlier + clock.seconds
        refuse_unpayable(plan, store, limit.left, how.shared_by(plan))
        if how.no_check or limit.left <= 0:
            return
        try:
            checked = look_first(
                plan, store, force=how.force, reuse=reuse, limit=limit, is_shown=telling.is_shown
            )
        except BudgetOver as over:
            raise ConfigError(
                f"{over} by the check, before the floor and ceiling began",
                "time for the check, the floor and the ceiling",
                "raise --budget, or take smaller sizes: --quick, --max-new-tokens",
            ) from over
    for line in said_once(checked, with_reach=telling.says_reach):
        telling.say(line)
    if not how.force:
        refuse_faults(checked)


def _run(plan: Plan, store: Store, how: How, reuse: Sequence[Path], telling: Telling) -> None:
    """Run the trials that are missing, once the user has agreed to what they take."""
    workers = how.shared_by(plan)
    ahead = spending(plan, store, workers)
    if how.budget is not None:
        refuse_unpayable(plan, store, how.left(store), workers)
    how = how.asked(plan, store, ahead, workers)
    store.freeze(plan.as_dict())
    if line := time_line(ahead):
        telling.say(line)
    executor = _executor(plan, how)
    end = monotonic() + how.left(store)
    advance = Advance(shares(plan, store), ahead.seconds, lambda: end - monotonic())
    budget = None if how.budget is None else how.budget.less(how.reserve(plan), 0.0)
    with telling.watching(advance) as watching:
        run(plan, store, watching, executor=executor, reuse=reuse, budget=budget)


def _left_out(plan: Plan, store: Store) -> list[Trial]:
    """Return the trials that have neither ended nor failed."""
    failed = store.failed()
    return [trial for trial in missing(plan, store) if trial.id not in failed]


def _renewed_lines(renewed: Sequence[Renewed]) -> Iterator[str]:
    """Say which trials of an earlier version were marked again, and whose figures moved."""
    if not renewed:
        return
    moved = [one for one in renewed if one.now != one.before]
    yield (
        f"{len(renewed)} trials of an earlier version marked again from their stored texts, nothing "
        f"drawn; {len(moved)} moved"
    )
    for one in moved:
        name = " ".join(named([one.trial]))
        twin = " (answers permuted)" if one.trial.is_twin else ""
        yield f"  {name}{twin}: {one.before} → {one.now} of {one.problems} right"


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
