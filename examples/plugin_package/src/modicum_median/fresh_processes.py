"""Runs each trial in a fresh process, one after the other: what a trial leaves in memory ends with it."""

import contextlib
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

from modicum.executor import Executor, Job, Outcomes, TokenTally
from modicum.outcome import Outcome

__all__ = ["FreshProcesses"]


@final
@dataclass(frozen=True)
class FreshProcesses(Executor):
    """A process a trial; its outcome comes back through a pipe."""

    @contextlib.contextmanager
    def running(self, tally: TokenTally) -> Iterator[Outcomes]:
        """Start a process for each job as its outcome is asked for; nothing outlives the block."""
        spent = [0.0, 0.0]

        def outcomes(jobs: Sequence[Job]) -> Iterator[Outcome]:
            for job in jobs:
                outcome = _outcome(job)
                for place, names in enumerate((_RUN, _COUNTED)):
                    spent[place] += sum(_sum(outcome, name) for name in names)
                tally.set(*spent)
                yield outcome

        yield outcomes


_RUN = ("tokens_prompt", "tokens_sampled")
_COUNTED = ("tokens_sampled", "tokens_trained")


def _sum(outcome: Outcome, name: str) -> float:
    return sum(float(ledger.get(name, 0)) for ledger in (outcome.elicitation, outcome.serving))


def _outcome(job: Job) -> Outcome:
    """What a process of its own says of a job; a process that dies is a failed trial."""
    command = [sys.executable, "-m", __name__]
    done = subprocess.run(command, input=pickle.dumps(job), stdout=subprocess.PIPE, check=False)
    if done.returncode:
        return Outcome(job.trial, error=f"ProcessLost: it ended with {done.returncode}")
    outcome = pickle.loads(done.stdout)
    if not isinstance(outcome, Outcome):
        raise TypeError(outcome)
    return outcome


if __name__ == "__main__":
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not stand in the answer
    asked: Job = pickle.load(sys.stdin.buffer)
    answer.write(pickle.dumps(asked.run(lambda _ledger: None)))
