"""Runs trials one after the other in this process, with all its threads."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

from modicum.executor import Executor, Job, Outcomes, TokenTally
from modicum.outcome import Outcome
from modicum.training.launch import ranks

__all__ = ["Here"]


@final
@dataclass(frozen=True)
class Here(Executor):
    """Runs trials in the process that asks for them."""

    @contextlib.contextmanager
    def running(self, tally: TokenTally) -> Iterator[Outcomes]:
        """Run jobs as their outcomes are asked for; nothing is started, nothing to let go."""

        def outcomes(jobs: Sequence[Job]) -> Iterator[Outcome]:
            for job in jobs:
                if job.plan.method(job.trial.method).needs.is_spread:
                    ranks().tell(job)
                yield job.run(tally.observer(job.trial))

        yield outcomes
