"""The contract of an executor: what runs a study's trials, here or elsewhere, and yields their outcomes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Protocol, TypeAlias

from modicum.catalog import Catalog, read_reference
from modicum.ledger import Ledger
from modicum.outcome import Outcome
from modicum.stock import Stock
from modicum.store.siblings import shelf
from modicum.study.plan import Plan
from modicum.study.trial import AS_PLANNED, Way, run_trial
from modicum.training.launch import ranks
from modicum.types import Style, Trial

__all__ = [
    "EXECUTORS",
    "Executor",
    "Job",
    "Outcomes",
    "TokenTally",
    "follow",
    "line_of",
    "resolve_executor",
    "tokens_of",
]

EXECUTORS = Catalog("executors")


@dataclass(frozen=True)
class Job:
    """What is needed to run one trial, wherever that is; it can be pickled."""

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
        """Return the outcome of its trial; what was drawn before is read from the shelves.

        Args:
            observer: Told each of the trial's ledgers as it grows.
        """
        stock = Stock(shelf(self.shelves[:1]), shelf(self.shelves[1:]))
        return run_trial(
            self.plan, self.trial, self.floor, self.artefacts, observer, stock, self.way
        )


Outcomes: TypeAlias = Callable[[Sequence[Job]], Iterator[Outcome]]
"""Runs jobs and yields the outcome of each as it ends; the driver writes it before it asks for more."""


class TokenTally:
    """What is known of trials in flight: tokens, and how a training gets on."""

    def __init__(
        self, spent: Callable[[float], None], learns: Callable[[str], None] | None = None
    ) -> None:
        """Begin at nothing.

        Args:
            spent: Told now and then how many tokens were run so far, prompts included.
            learns: Told the last figures of what is being trained, in one line.
        """
        self._spent, self._learns = spent, learns
        self._run = self._counted = 0.0

    @property
    def tokens(self) -> float:
        """Tokens sampled and trained so far, those of trials in flight included."""
        return self._counted

    def set(self, run: float, counted: float) -> None:
        """Take over what was run (prompts included), and what of it counts against a budget."""
        self._run, self._counted = run, counted
        self._spent(run)

    def says(self, line: str) -> None:
        """Pass on the last figures of a training; nothing where there are none."""
        if line and self._learns is not None:
            self._learns(line)

    def observer(self, trial: Trial) -> Callable[[Ledger], None]:
        """Return what counts the ledgers of a trial that runs in this process."""
        before = self._run, self._counted
        seen: dict[int, tuple[float, float]] = {}

        def observe(ledger: Ledger) -> None:
            seen[id(ledger)] = tokens_of(ledger)
            run, counted = (
                start + sum(pair[place] for pair in seen.values())
                for place, start in enumerate(before)
            )
            self.set(run, counted)
            self.says(line_of(trial, ledger))

        return observe


def tokens_of(ledger: Ledger) -> tuple[float, float]:
    """Return what was run, prompts included, and what counts against a budget."""
    sampled = float(ledger.tokens_sampled)
    return ledger.tokens_prompt + sampled, sampled + ledger.tokens_trained


def line_of(trial: Trial, ledger: Ledger) -> str:
    """Return the last figures of a trial's training with its name; empty where there are none."""
    if not ledger.said:
        return ""
    control = f" {trial.control}" if trial.control else ""
    return f"{trial.method} n={trial.n_shots}{control}, seed {trial.seed}: {ledger.said}"


class Executor(ABC):
    """Where trials run. Final subclasses are frozen dataclasses, one a file in `executors/`."""

    plugin_kinds: ClassVar[tuple[str, ...]] = ("executors",)
    version: ClassVar[int] = 1
    powers: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What a setting switches on where it is set; see `Backend.powers`."""

    workers: int = 1
    """Trials in flight at once."""

    @abstractmethod
    def running(self, tally: TokenTally) -> AbstractContextManager[Outcomes]:
        """Start what runs jobs, and let it go again at the end of the block, at once after an error.

        A job waits for those of the same list that its `after` names; they stand before it. A job that
        cannot be run is an outcome with an `error`, and ends no other. What an outcome depends on is in
        its job alone: the same jobs give the same outcomes wherever they run.

        Args:
            tally: Told of tokens and training as they go.
        """


class _Shared(Protocol):
    """What the first process tells the others to take part in; it can be pickled."""

    def run(self, observer: Callable[[Ledger], None], /) -> object:
        """Take part."""


def follow() -> None:
    """Take part in what the first process of a launch begins, until that one ends.

    A trial ends here where its training does: only the first process answers and writes.
    """
    nothing: _Shared | None = None
    while (job := ranks().tell(nothing)) is not None:
        job.run(lambda _ledger: None)


def resolve_executor(reference: str) -> Executor:
    """Return the executor of a reference such as `processes?workers=4`.

    Raises:
        UnknownNameError: no such executor.
        ConfigError: a setting that it does not have, or that is none.
    """
    name, _, settings = read_reference(reference)
    executor = EXECUTORS.build(name, settings)
    if not isinstance(executor, Executor):
        raise TypeError(reference)
    return executor
