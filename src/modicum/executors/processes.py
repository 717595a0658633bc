"""Runs trials in several one-thread processes of this machine; a lost worker loses no study."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict, final

from tqdm import tqdm

from modicum.executor import Executor, Job, Outcomes, TokenTally, line_of, tokens_of
from modicum.ledger import Ledger
from modicum.outcome import Outcome

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import SynchronizedArray, SynchronizedString

__all__ = ["MAX_TRIES", "Processes", "Workers"]

LINE = 400
"""Most bytes of the line that says how training gets on."""
MAX_TRIES = 3
"""Times a trial may be in flight while a worker dies before it counts as failed."""


@final
@dataclass(frozen=True)
class Processes(Executor):
    """Runs trials in processes that are started once and serve until the study ends."""

    workers: int = 2

    @contextlib.contextmanager
    def running(self, tally: TokenTally) -> Iterator[Outcomes]:
        """Start workers with the first job, and end them with the block."""
        crew = Workers(self.workers, tally)
        try:
            yield crew.outcomes
        finally:
            crew.stop()


class Workers:
    """The processes of one study and the count that they share."""

    def __init__(self, workers: int, tally: TokenTally) -> None:
        """Prepare the shared count of tokens; start nothing yet."""
        self._workers, self._tally = workers, tally
        self._context = multiprocessing.get_context("spawn")
        self._tokens = self._context.Array("d", [0.0, 0.0])
        self._line = self._context.Array(ctypes.c_char, LINE)
        self._executor: ProcessPoolExecutor | None = None

    def outcomes(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """Yield the outcome of each job as it ends."""
        left = dict(enumerate(jobs))
        lost: Counter[int] = Counter()
        while left:
            try:
                for number, outcome in self._once(left):
                    del left[number]
                    yield outcome
            except BrokenProcessPool:
                # a worker was killed (memory, say): what had not ended is tried again
                self.stop()
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
            self._tally.set(*self._tokens[:])
            self._tally.says(bytes(self._line[:]).partition(b"\0")[0].decode("utf-8", "ignore"))
            for future in ended:
                yield numbers[future], future.result()
                # the driver has written it by now, so that others find its draws
                running.discard(names[numbers[future]])

    def stop(self) -> None:
        """End the workers at once: one would run its queued trials to their end, or begin only now."""
        if self._executor is None:
            return
        workers = list((getattr(self._executor, "_processes", None) or {}).values())
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = None
        for worker in workers:
            worker.kill()


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
    """Prepare a worker: one thread, and an end when the driver has gone."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _share_no_lock()
    _WORKER["tokens"], _WORKER["line"] = tokens, line
    threading.Thread(target=_follow, args=(driver,), daemon=True).start()


def _share_no_lock() -> None:
    """Let progress bars of libraries take a lock of this process alone.

    tqdm's own has a name in the system. A worker is killed at the end and cannot take it back, and
    Python would warn of it.
    """
    tqdm.set_lock(threading.RLock())


def _follow(driver: int) -> None:
    """End this process once its driver was killed; an orphan would go on for minutes."""
    while os.getppid() == driver:
        time.sleep(0.5)
    os._exit(1)


def _work(job: Job) -> Outcome:
    """Run one trial in a worker and add its tokens to the shared count."""
    seen: dict[int, tuple[float, float]] = {}

    def observe(ledger: Ledger) -> None:
        now, before = tokens_of(ledger), seen.get(id(ledger), (0.0, 0.0))
        shared = _WORKER["tokens"]
        with shared.get_lock():
            for place in range(2):
                shared[place] += now[place] - before[place]
        seen[id(ledger)] = now
        if line := line_of(job.trial, ledger):
            # of several processes the last one to speak is heard
            _WORKER["line"].value = line.encode()[: LINE - 1]

    return job.run(observe)
