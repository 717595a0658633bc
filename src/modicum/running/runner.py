"""Runs what is missing of a study, writes each outcome, and goes on after failures and kills."""

import contextlib
import json
import math
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from modicum.executor import Executor, Job, Outcomes, TokenTally, resolve_executor
from modicum.nudge import write_folder, write_shared
from modicum.running.cache_key import plan_stamp
from modicum.running.plan_name import plan_name
from modicum.running.session import BudgetOver, TimeLimit, counted, spent_before
from modicum.running.spending import refuse_unpayable
from modicum.running.undrawn import copied_floor, mark_twins, original
from modicum.store.database import Outcome, Store
from modicum.store.kept_tasks import record_of
from modicum.store.provenance import has_same_weights
from modicum.study.budget import (
    Budget,
    Cost,
    Pace,
    RungTrials,
    arms_of,
    fitting,
    measures_of,
    next_trials,
)
from modicum.study.forecast import forecast
from modicum.study.plan import Plan, Subject
from modicum.study.problem_sets import pool_of, retained_size
from modicum.study.trial import AS_PLANNED, Way, dtype_of, scratch_of
from modicum.task import full_reference, resolve_task
from modicum.task_names import split_task
from modicum.types import Style, Trial

__all__ = [
    "Silent",
    "Watcher",
    "floor_style",
    "has_tasks",
    "keep_tasks",
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

    def learns(self, line: str) -> None:
        """Called now and then with the last figures of what is being trained."""

    def finished(self, outcome: Outcome) -> None:
        """Called after each trial was written."""


class Silent:
    """A watcher that says nothing."""

    def started(self, total: int, existing: int) -> None:
        """Ignore the start."""

    def spent(self, tokens: float) -> None:
        """Ignore the tokens."""

    def learns(self, line: str) -> None:
        """Ignore the figures."""

    def finished(self, outcome: Outcome) -> None:
        """Ignore the outcome."""


def planned(plan: Plan, store: Store) -> frozenset[str]:
    """Return the ids of a plan's trials; kept in the store, so that a second time loads no method."""
    stamp = plan_stamp(plan)
    kept = store.kept("trials", stamp)
    if kept is not None:
        return frozenset(json.loads(kept))
    names = [trial.id for trial in plan.trials()]
    store.keep("trials", stamp, json.dumps(names))
    store.keep(plan_name(plan.as_dict()), stamp, json.dumps(names))
    return frozenset(names)


def keep_tasks(plan: Plan, store: Store) -> None:
    """Keep the tasks of a plan in the store, so that the study is read without their files or markers."""
    for name, n in _kept_sizes(plan).items():
        task = resolve_task(name)
        record = record_of(task, pool_of(task, "test", n, plan.stream))
        store.keep_task(name, record, is_same=task.has_content)


def has_tasks(plan: Plan, store: Store) -> bool:
    """Say whether the store keeps the tasks of a plan as their files are now."""
    kept = store.kept_tasks()
    names = _kept_sizes(plan)
    return all(
        name in kept and kept[name].fingerprint == resolve_task(name).fingerprint for name in names
    )


def _kept_sizes(plan: Plan) -> dict[str, int]:
    """Return how many test problems are kept of each task of a plan, by full reference."""
    sizes: dict[str, int] = {}
    for subject in plan.subjects():
        wanted = {subject.task: plan.test}
        wanted |= {
            name: retained_size(resolve_task(name), plan.retain_test) for name in subject.retain()
        }
        wanted |= {trial.task: plan.test for trial in subject.probed()}
        for reference, n in wanted.items():
            _, name = split_task(full_reference(reference))
            sizes[name] = max(n, sizes.get(name, 0))
    return sizes


def missing(plan: Plan, store: Store) -> list[Trial]:
    """Return the trials that have not finished, in the order they will run."""
    done = store.done()
    return [trial for trial in plan.trials() if trial.id not in done]


def run(
    plan: Plan,
    store: Store,
    watcher: Watcher,
    *,
    executor: Executor | None = None,
    reuse: Sequence[Path] = (),
    budget: Budget | None = None,
) -> None:
    """Run every missing trial of a plan; what is finished is never run again.

    First the floor's style of every subject, for all else is asked in it; then the rest. Twins
    that only need other golds are marked from stored answers. Within a budget the measures run
    first, then as many rungs as it buys (`modicum.study.budget`); where its time is used up, what is
    under way ends.

    Args:
        plan: What to run.
        store: Where outcomes go; the driver alone writes.
        watcher: Told of progress.
        executor: Where trials run; in this process, one after the other, where None.
        reuse: Folders of other studies whose draws are taken over.
        budget: What the study may take in all; None for no limit. Its tokens bind the rungs alone.

    Raises:
        ConfigError: the measures alone are known to take more time than the budget has left.
    """
    keep_tasks(plan, store)
    todo = missing(plan, store)
    watcher.started(len(plan.trials()), len(plan.trials()) - len(todo))
    before, limit = (
        spent_before(store),
        TimeLimit(budget.seconds if budget is not None else math.inf),
    )

    def spent(tokens: float) -> None:
        watcher.spent(tokens)
        limit.check()

    tally, executor = TokenTally(spent, watcher.learns), executor or resolve_executor("here")
    twins = [twin for subject in plan.subjects() for twin in subject.scrambled()]
    with counted(store, lambda: tally.tokens) as clock, executor.running(tally) as outcomes:
        workers, shelves = executor.workers, (store.folder, *reuse)
        moved = {str(replace(twin, task=twin.subject).id): twin for twin in twins}
        moved |= {str(one.id): twin for twin in todo if (one := original(twin)) is not None}
        mark_twins(
            list(moved.values()), store, watcher.finished
        )  # of what a run before this one ended in
        crew = _Crew(plan, store, watcher, outcomes, workers, shelves, moved, limit)
        stored = crew.spent()
        earlier = Cost(max(before[0], stored.seconds / workers), max(before[1], stored.tokens))
        limit.taken = lambda: earlier.seconds + clock.seconds
        if budget is not None:
            refuse_unpayable(plan, store, limit.left, workers)
        with contextlib.suppress(BudgetOver):
            limit.check()
            crew.run_stages(
                todo, budget, lambda: Cost(limit.taken(), earlier.tokens + tally.tokens)
            )
        mark_twins(list(moved.values()), store, watcher.finished)


def floor_style(store: Store, subject: Subject) -> Style | None:
    """Return the style chosen for a subject's floor, or None before it is chosen."""
    outcome = store.read(subject.floor(), texts=False)
    if outcome is None or outcome.error:
        return None
    return outcome.style


def _jobs(
    plan: Plan,
    trials: Sequence[Trial],
    store: Store,
    shelves: tuple[Path, ...],
    probes: Collection[str] = (),
) -> list[Job]:
    """Return the jobs of trials, each in the style of its subject's floor and with its rows.

    Those among `probes` are scored on the selection problems too.

    A decoding rung waits for the samples behind the ceiling: it takes its own from them.
    """
    styles: dict[tuple[str, str], Style | None] = {}
    frozen = {model: _frozen_way(plan, store, model) for model in {t.model for t in trials}}
    jobs = []
    for trial in trials:
        pair = (trial.model, trial.subject)
        subject = Subject(plan, *pair)
        if not trial.is_floor and styles.get(pair) is None:
            styles[pair] = floor_style(store, subject)
        is_decoding = plan.method(trial.method).kind == "decoding"
        after = frozenset({str(subject.samples().id)} if is_decoding else ())
        artefacts = store.artefacts(trial)
        way = replace(frozen[trial.model], selects=str(trial.id) in probes)
        jobs.append(Job(plan, trial, styles.get(pair), artefacts, shelves, after, way))
    return jobs


def _frozen_way(plan: Plan, store: Store, model: str) -> Way:
    """Return the rows and the number format that the model's first floor was drawn with."""
    for subject in plan.subjects():
        outcome = store.read(subject.floor(), texts=False) if subject.model == model else None
        if outcome is not None and not outcome.error:
            card = outcome.card
            # what was measured of other weights says nothing of these
            is_known = card is not None and has_same_weights(outcome)
            return Way(card.rows, dtype_of(card)) if card is not None and is_known else AS_PLANNED
    return AS_PLANNED


@dataclass(frozen=True)
class _Crew:
    """What runs trials and writes their outcomes."""

    plan: Plan
    store: Store
    watcher: Watcher
    outcomes: Outcomes
    workers: int
    shelves: tuple[Path, ...]
    moved: Mapping[str, Trial]
    """The twin that is marked from a trial's answers, by the trial's id."""
    limit: TimeLimit
    """The time of the study."""

    def run_stages(
        self, todo: Sequence[Trial], budget: Budget | None, taken: Callable[[], Cost]
    ) -> None:
        """Run what is missing: floors, what only copies them, then the measures and the rungs.

        Args:
            todo: What is missing, twins that are only marked included.
            budget: What the study may take in all; None for no limit.
            taken: Gives what the study has taken up to now, killed runs included.
        """
        first = [t for t in todo if t.is_floor and not t.is_twin]
        drawn = [t for t in todo if t not in first and original(t) is None]
        self.run(first)
        same = [t for t in drawn if copied_floor(self.plan, t, self.store, self.watcher.finished)]
        self.settle(same)
        left = [t for t in drawn if t not in same]
        if budget is None:
            self.run(left)
            return
        measures = measures_of(self.plan)
        self.run([t for t in left if t.id in measures])
        self.run_within(budget, [t for t in left if t.id not in measures], taken)

    def run(self, trials: Sequence[Trial], probes: Collection[str] = ()) -> None:
        """Run trials and writes the outcome of each as it ends."""
        jobs = _jobs(self.plan, trials, self.store, self.shelves, probes)
        for outcome in self.outcomes(jobs):
            self.store.write(_with_files(outcome, self.store.artefacts(outcome.trial)))
            self.watcher.finished(outcome)
            self.settle([outcome.trial])
            self.limit.check()

    def settle(self, trials: Sequence[Trial]) -> None:
        """Mark the twins of trials that ended, at once: without some nothing is said of a subject."""
        twins = [self.moved[trial.id] for trial in trials if trial.id in self.moved]
        if twins:
            mark_twins(twins, self.store, self.watcher.finished)

    def run_within(
        self, budget: Budget, trials: Sequence[Trial], taken: Callable[[], Cost]
    ) -> None:
        """Run as many of the trials as the budget buys, in the order that `budget` gives them.

        Args:
            budget: What the study may take in all.
            trials: What is missing.
            taken: Gives what the study has taken up to now, killed runs included.
        """
        arms, tried = arms_of(self.plan), set[str]()
        probes = {str(level.probe.id) for arm in arms for level in arm.levels}
        while True:
            open_ones = {t.id: t for t in trials if t.id not in tried | self.store.done()}
            scores = self._scores(arms, set(open_ones))
            wanted = [t for t in next_trials(arms, scores) if t.id in open_ones]
            wanted = wanted or list(open_ones.values())
            pace = Pace(tuple(self._costs()))
            costs = [pace.expect(t, float(forecast(self.plan, [t]).tokens)) for t in wanted]
            spent = taken()
            left = budget.less(spent.seconds, spent.tokens)
            chosen = fitting(wanted, costs, left, self.workers)[: self.workers]
            if not chosen:
                return
            tried.update(trial.id for trial in chosen)
            self.run(chosen, probes)

    def spent(self) -> Cost:
        """Return what all trials of the folder took, seconds of several processes added."""
        costs = [cost for _, cost in self._costs()]
        return Cost(sum(c.seconds for c in costs), sum(c.tokens for c in costs))

    def _costs(self) -> Iterator[tuple[Trial, Cost]]:
        for outcome in self.store.heads().values():
            ledgers = [outcome.elicitation, outcome.serving]
            ledgers += [outcome.selected.costs] if outcome.selected is not None else []
            took = [
                sum(float(ledger.get(name, 0)) for ledger in ledgers)
                for name in ("seconds", "tokens_sampled", "tokens_trained")
            ]
            yield outcome.trial, Cost(took[0], took[1] + took[2])

    def _scores(self, arms: Sequence[RungTrials], open_ones: Collection[str]) -> dict[str, float]:
        """Return the accuracy of each rung's first seeds on the selection problems.

        Other trials that have ended count 0. What is chosen among by the test problems would look
        better there than it is.
        """
        scores = {}
        for level in (level for arm in arms for level in arm.levels):
            scores.update({str(t.id): 0.0 for t in level.rest if t.id not in open_ones})
            if level.probe.id not in open_ones:
                outcome = self.store.read(level.probe, texts=False)
                scores[str(level.probe.id)] = _accuracy(outcome)
        return scores


def _with_files(outcome: Outcome, folder: Path) -> Outcome:
    """Write a trial's files; return its outcome, with the error where they cannot be written."""
    if not outcome.artefact:
        return outcome
    try:
        write_folder(outcome.files, folder)
        write_shared(outcome.shared, folder.parent)
    except OSError as error:
        return Outcome(outcome.trial, error=f"OSError: {error}", draws=outcome.draws)
    shutil.rmtree(scratch_of(folder), ignore_errors=True)
    return outcome


def _accuracy(outcome: Outcome | None) -> float:
    """Return the lenient accuracy on the selection problems; -1 where the trial failed.

    A trial that ran without a budget has none: it counts as half right, neither first nor last.
    """
    if outcome is None or outcome.error or not outcome.answers:
        return -1.0
    if outcome.selected is None:
        return 0.5
    return outcome.selected.right / max(1, outcome.selected.n)
