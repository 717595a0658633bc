"""Computes trials in this process or in several one-thread ones; a lost worker loses no study."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypedDict, cast

from modicum.ledger import Ledger
from modicum.ranks import ranks
from modicum.shelves import shelf
from modicum.stock import Stock
from modicum.store import Outcome
from modicum.study import Plan
from modicum.trials import AS_PLANNED, Way, run_trial
from modicum.types import Style, Trial

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import SynchronizedArray, SynchronizedString

__all__ = ["Job", "Pool", "follow"]

LINE = 400
"""Most bytes of the line that says how training gets on."""
MAX_TRIES = 3
"""Times a trial may be in flight while a worker dies before it counts as failed."""


@dataclass(frozen=True)
class Job:
    """What a worker needs for one trial."""

    plan: Plan
    trial: Trial
    floor: Style | None
    artefacts: Path
    shelves: tuple[Path, ...] = ()
    """Folders with draws: the study's own first, then those of other studies."""
    after: frozenset[str] = frozenset()
    """Ids of trials of the same list that end before it begins: it takes their draws."""
    way: Way = AS_PLANNED
    """How it is run."""

    def run(self, observer: Callable[[Ledger], None]) -> Outcome:
        """Gives the outcome of its trial; what was drawn before is read from the shelves."""
        stock = Stock(shelf(self.shelves[:1]), shelf(self.shelves[1:]))
        return run_trial(
            self.plan, self.trial, self.floor, self.artefacts, observer, stock, self.way
        )


def _said(trial: Trial, ledger: Ledger) -> str:
    """Gives the last figures of a trial's training with its name."""
    control = f" {trial.control}" if trial.control else ""
    return f"{trial.method} n={trial.n_shots}{control}, seed {trial.seed}: {ledger.said}"


def _tokens(ledger: Ledger) -> tuple[float, float]:
    """Gives what was run, prompts included, and what counts against a budget."""
    sampled = float(ledger.tokens_sampled)
    return ledger.tokens_prompt + sampled, sampled + ledger.tokens_trained


class Pool:
    """Runs jobs in this process (one worker) or in several; a context manager."""

    def __init__(
        self,
        workers: int,
        spent: Callable[[float], None],
        learns: Callable[[str], None] | None = None,
    ) -> None:
        """Prepares the shared count of tokens; starts nothing yet.

        Args:
            workers: Processes; 1 runs in this one, as does any number within a launch of several.
            spent: Told now and then how many tokens were run so far.
            learns: Told the last figures of what is being trained, in one line.
        """
        self._workers, self._spent, self._learns = workers, spent, learns
        if ranks().count > 1:
            self._workers = 1
        self._context = multiprocessing.get_context("spawn")
        self._tokens = self._context.Array("d", [0.0, 0.0])
        self._line = cast("SynchronizedString", self._context.Array("c", LINE))
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Pool":
        """Gives itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Lets the workers go; ends them where an interrupt or an error ended the work."""
        self._stop(at_once=kind is not None)

    @property
    def tokens(self) -> float:
        """Tokens sampled and trained so far, those of trials in flight included."""
        return float(self._tokens[1])

    def outcomes(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """Gives the outcome of each job as it ends."""
        return self._here(jobs) if self._workers <= 1 else self._spread(jobs)

    def _here(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        for job in jobs:
            if job.plan.method(job.trial.method).is_spread:
                ranks().tell(job)
            yield job.run(self._observer(job.trial))

    def _observer(self, trial: Trial) -> Callable[[Ledger], None]:
        """Gives what passes on the tokens and the figures of a trial that runs in this process."""
        before = tuple(self._tokens[:])
        seen: dict[int, tuple[float, float]] = {}

        def observe(ledger: Ledger) -> None:
            seen[id(ledger)] = _tokens(ledger)
            for place in range(2):
                self._tokens[place] = before[place] + sum(pair[place] for pair in seen.values())
            self._spent(self._tokens[0])
            if ledger.said and self._learns is not None:
                self._learns(_said(trial, ledger))

        return observe

    def _spread(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        left = dict(enumerate(jobs))
        lost: Counter[int] = Counter()
        while left:
            try:
                for number, outcome in self._once(left):
                    del left[number]
                    yield outcome
            except BrokenProcessPool:
                # a worker was killed (memory, say): what had not ended is tried again
                self._stop(at_once=True)
                first = sorted(left)[: self._workers]
                lost.update(first)
                for number in [n for n in first if lost[n] >= MAX_TRIES]:
                    job = left.pop(number)
                    yield Outcome(job.trial, error="WorkerLost: its process was killed each time")

    def _once(self, jobs: dict[int, Job]) -> Iterator[tuple[int, Outcome]]:
        if self._executor is None:
            self._executor = ProcessPoolExecutor(
                self._workers,
                mp_context=self._context,
                initializer=_begin,
                initargs=(self._tokens, self._line, os.getpid()),
            )
        numbers: dict[Future[Outcome], int] = {}
        held, names = dict(jobs), {n: str(job.trial.id) for n, job in jobs.items()}
        running = set(names.values())
        waiting: set[Future[Outcome]] = set()
        while held or waiting:
            for number in [n for n, job in held.items() if not job.after & running]:
                with _deaf_processes():
                    future = self._executor.submit(_work, held.pop(number))
                numbers[future] = number
                waiting.add(future)
            ended, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
            self._spent(self._tokens[0])
            line = bytes(self._line[:]).partition(b"\0")[0].decode("utf-8", "ignore")
            if line and self._learns is not None:
                self._learns(line)
            for future in ended:
                yield numbers[future], future.result()
                # the driver has written it by now, so that others find its draws
                running.discard(names[numbers[future]])

    def _stop(self, *, at_once: bool = False) -> None:
        """Lets the workers go, or kills them: a worker would run its queued trials to their end."""
        if self._executor is None:
            return
        workers = list((getattr(self._executor, "_processes", None) or {}).values())
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = None
        for worker in workers if at_once else ():
            worker.kill()


def follow() -> None:
    """Takes part in what the first process of a launch begins, until that one ends.

    A trial ends here where its training does: only the first process answers and writes.
    """
    nothing: Job | None = None
    while (job := ranks().tell(nothing)) is not None:
        job.run(lambda _ledger: None)


class _Given(TypedDict, total=False):
    """What all workers write to together."""

    tokens: "SynchronizedArray[float]"
    line: "SynchronizedString"


_WORKER: _Given = {}
"""What a worker process was given at its start; empty in the driver."""


@contextlib.contextmanager
def _deaf_processes() -> Iterator[None]:
    """Let processes that start meanwhile hear no interrupt.

    A terminal interrupts every process of a command at once; a worker that heard it would give its
    trial up, take the next one and run that to its end. The driver ends its workers itself. An
    interrupt that comes meanwhile is heard afterwards.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(tokens: "SynchronizedArray[float]", line: "SynchronizedString", driver: int) -> None:
    """Prepares a worker: one thread, and an end when the driver has gone."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _WORKER["tokens"], _WORKER["line"] = tokens, line
    threading.Thread(target=_follow, args=(driver,), daemon=True).start()


def _follow(driver: int) -> None:
    """Ends this process once its driver was killed; an orphan would go on for minutes."""
    while os.getppid() == driver:
        time.sleep(0.5)
    os._exit(1)


def _work(job: Job) -> Outcome:
    """Runs one trial in a worker and adds its tokens to the shared count."""
    seen: dict[int, tuple[float, float]] = {}

    def observe(ledger: Ledger) -> None:
        now, before = _tokens(ledger), seen.get(id(ledger), (0.0, 0.0))
        shared = _WORKER["tokens"]
        with shared.get_lock():
            for place in range(2):
                shared[place] += now[place] - before[place]
        seen[id(ledger)] = now
        if ledger.said:
            # of several processes the last one to speak is heard
            _WORKER["line"].value = _said(job.trial, ledger).encode()[: LINE - 1]

    return job.run(observe)
