"""Runs what is missing of a study, writes each outcome, and goes on after failures and kills."""

import dataclasses
import multiprocessing
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Protocol

from modicum.ledger import Ledger
from modicum.store import Outcome, Store
from modicum.study import Plan, Subject
from modicum.trials import remark, run_trial
from modicum.types import Style, Trial

__all__ = ["Silent", "Watcher", "missing", "run"]


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


def missing(plan: Plan, store: Store) -> list[Trial]:
    """Gives the trials that have not finished, in the order they will run."""
    done = store.done()
    return [trial for trial in plan.trials() if trial.id not in done]


def run(plan: Plan, store: Store, watcher: Watcher, *, workers: int = 1) -> None:
    """Runs every missing trial of a plan; what is finished is never run again.

    First the floor's style of every subject, for all else is asked in it; then the rest. Twins
    that only need other golds are marked from stored answers.

    Args:
        plan: What to run.
        store: Where outcomes go; the driver alone writes.
        watcher: Told of progress.
        workers: Processes; 1 runs in this one.
    """
    todo = missing(plan, store)
    watcher.started(len(plan.trials()), len(plan.trials()) - len(todo))
    first = [t for t in todo if t.method == "prompt_style" and not t.task.startswith("scrambled:")]
    later = [t for t in todo if t not in first]
    copied = [t for t in later if _original(t) is not None]
    drawn = [t for t in later if t not in copied]
    with _Pool(plan, store, watcher, workers) as pool:
        pool.run(first)
        pool.run(drawn)
    for trial in copied:
        original = store.read(_original(trial) or trial)
        if original is not None and not original.error:
            store.write(remark(original, trial))
            watcher.finished(Outcome(trial))


def floor_style(store: Store, subject: Subject) -> Style | None:
    """Gives the style chosen for a subject's floor, or None before it is chosen."""
    outcome = store.read(subject.floor())
    if outcome is None or outcome.error:
        return None
    values = dict(outcome.notes["style"])  # type: ignore[call-overload]
    return Style(**{**values, "stop": tuple(values["stop"])})


def _original(trial: Trial) -> Trial | None:
    """The trial whose answers a scrambled twin can be marked from; None where it saw shots."""
    if trial.n_shots or not trial.task.startswith("scrambled:"):
        return None
    return dataclasses.replace(trial, task=trial.task.removeprefix("scrambled:"))


class _Pool:
    """Runs trials in this process or in several one-thread processes."""

    def __init__(self, plan: Plan, store: Store, watcher: Watcher, workers: int) -> None:
        self.plan, self.store, self.watcher = plan, store, watcher
        self.workers = workers
        self.tokens = multiprocessing.get_context("spawn").Value("d", 0.0)
        self._styles: dict[tuple[str, str], Style | None] = {}
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> "_Pool":
        return self

    def __exit__(self, *exc: object) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)

    def run(self, trials: Sequence[Trial]) -> None:
        """Runs trials and writes each as it ends."""
        outcomes = self._here(trials) if self.workers <= 1 else self._spread(trials)
        for outcome in outcomes:
            self.store.write(outcome)
            self.watcher.finished(outcome)

    def _arguments(self, trial: Trial) -> tuple[Plan, Trial, Style | None, Path]:
        pair = (trial.model, trial.task.removeprefix("scrambled:"))
        if trial.method != "prompt_style" and self._styles.get(pair) is None:
            self._styles[pair] = floor_style(self.store, Subject(self.plan, *pair))
        return self.plan, trial, self._styles.get(pair), self.store.artefacts(trial)

    def _here(self, trials: Iterable[Trial]) -> Iterator[Outcome]:
        total = 0.0

        def observe(ledger: Ledger) -> None:
            self.watcher.spent(total + ledger.tokens_prompt + ledger.tokens_sampled)

        for trial in trials:
            outcome = run_trial(*self._arguments(trial), observe)
            total += sum(
                outcome.elicitation.get(k, 0) + outcome.serving.get(k, 0)
                for k in ("tokens_prompt", "tokens_sampled")
            )
            yield outcome

    def _spread(self, trials: Sequence[Trial]) -> Iterator[Outcome]:
        if not trials:
            return
        if self._executor is None:
            self._executor = ProcessPoolExecutor(
                self.workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_begin,
                initargs=(self.tokens, os.getpid()),
            )
        waiting: set[Future[Outcome]] = {
            self._executor.submit(_work, *self._arguments(trial)) for trial in trials
        }
        while waiting:
            ended, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
            self.watcher.spent(self.tokens.value)
            for future in ended:
                yield future.result()


_WORKER: dict[str, object] = {}
"""What a worker process was given at its start; empty in the driver."""


def _begin(tokens: object, driver: int) -> None:
    """Prepares a worker: one thread, and an end when the driver has gone."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TOKENIZERS_PARALLELISM"):
        os.environ[name] = "false" if name.startswith("TOK") else "1"
    _WORKER["tokens"] = tokens
    threading.Thread(target=_follow, args=(driver,), daemon=True).start()


def _follow(driver: int) -> None:
    """Ends this process once its driver was killed; an orphan would go on for minutes."""
    while os.getppid() == driver:
        time.sleep(0.5)
    os._exit(1)


def _work(plan: Plan, trial: Trial, floor: Style | None, artefacts: Path) -> Outcome:
    """Runs one trial in a worker and adds its tokens to the shared count."""
    seen = {}

    def observe(ledger: Ledger) -> None:
        now = float(ledger.tokens_prompt + ledger.tokens_sampled)
        shared = _WORKER["tokens"]
        with shared.get_lock():  # type: ignore[attr-defined]
            shared.value += now - seen.get(id(ledger), 0.0)  # type: ignore[attr-defined]
        seen[id(ledger)] = now

    return run_trial(plan, trial, floor, artefacts, observe)
