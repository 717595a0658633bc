"""A worker that is lost loses no study."""

import io
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from tqdm import tqdm
from tqdm.std import TqdmDefaultWriteLock

from modicum.executor import Job, TokenTally
from modicum.executors.processes import MAX_TRIES, Workers, _share_no_lock
from modicum.running.planning import plan_for
from modicum.store.database import Outcome
from modicum.types import Trial

PLAN = plan_for("scripted:latent", "sums", ["cot_decoding"], test=5, samples=2)


def _jobs(n: int) -> list[Job]:
    trials = [Trial("scripted:latent", "sums", "plain", 0, seed) for seed in range(n)]
    return [Job(PLAN, trial, None, Path("nowhere")) for trial in trials]


class _Breaking(Workers):
    """Breaks a number of times after its first outcome, as a killed worker makes it do."""

    def __init__(self, breaks: int, *, after: int = 1) -> None:
        super().__init__(2, TokenTally(lambda tokens: None))
        self.breaks, self.after = breaks, after

    def _once(self, jobs):
        for done, (number, job) in enumerate(sorted(jobs.items())):
            if self.breaks and done == self.after:
                self.breaks -= 1
                raise BrokenProcessPool
            yield number, Outcome(job.trial)


def test_what_had_not_ended_is_tried_again_after_a_lost_worker() -> None:
    outcomes = list(_Breaking(1).outcomes(_jobs(5)))
    assert sorted(o.trial.seed for o in outcomes) == [0, 1, 2, 3, 4]
    assert not any(o.error for o in outcomes)


def test_trial_whose_workers_die_each_time_is_a_failed_trial() -> None:
    outcomes = list(_Breaking(MAX_TRIES, after=0).outcomes(_jobs(4)))
    assert len(outcomes) == 4
    assert [o.trial.seed for o in outcomes if "WorkerLost" in o.error] == [0, 1]


def test_bars_of_libraries_in_workers_take_no_lock_that_the_system_names() -> None:
    before = tqdm.get_lock()
    try:
        _share_no_lock()
        assert not isinstance(tqdm.get_lock(), TqdmDefaultWriteLock)
        with tqdm.get_lock():
            assert list(tqdm([1], file=io.StringIO())) == [1]
    finally:
        tqdm.set_lock(before)
