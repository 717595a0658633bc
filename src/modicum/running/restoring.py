"""The solver of a finished trial, made again from the nudge that its study keeps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modicum.errors import CheckpointError, ConfigError, ModicumError
from modicum.files.foreign import inside
from modicum.ledger import Ledger
from modicum.method import method_of
from modicum.model import Model
from modicum.nudge import Solver, read_nudge
from modicum.outcome import Outcome
from modicum.running.runner import floor_style
from modicum.seeds import key
from modicum.store.database import Store
from modicum.study.plan import Subject
from modicum.study.trial import judge_for, open_model
from modicum.task import resolve_task
from modicum.types import Problem, Solved, Trial

__all__ = ["Elicited", "nudge_folder", "restored", "rung"]


@dataclass(frozen=True)
class Elicited:
    """A solver found by a study, ready to answer new problems."""

    solver: Solver

    @property
    def model(self) -> Model:
        """The model with its nudge."""
        return self.solver.model

    def solve(
        self, problems: str | Problem | Sequence[str | Problem], ledger: Ledger | None = None
    ) -> list[Solved]:
        """Answer questions or problems, whose golds are hidden; one answer each, in a list.

        Args:
            problems: A question as the task asks it, a problem, or several of either.
            ledger: Counts what it costs.
        """
        if isinstance(problems, str | Problem):
            problems = [problems]
        hidden = [_asked(problem).hidden() for problem in problems]
        return self.solver.solve(hidden, stream="seed-0", ledger=ledger or Ledger())

    def read(self, text: str) -> str | None:
        """Read the answer from a text, as the task does; None where there is none."""
        return self.solver.judge.read(text)


def _asked(problem: str | Problem) -> Problem:
    """Return a question as a problem of its own."""
    if isinstance(problem, Problem):
        return problem
    return Problem(f"asked/{key(problem):016x}", problem)


def rung(subject: Subject, method: str, n_shots: int = 0, seed: int = 0) -> Trial:
    """Return the trial of a rung of a subject.

    Raises:
        ConfigError: the plan has no such rung.
    """
    for trial in subject.rungs():
        named = (trial.method, trial.n_shots, trial.seed, trial.control, trial.task)
        if named == (method, n_shots, seed, "", subject.task):
            return trial
    known = {f"{t.method} n={t.n_shots}" for t in subject.rungs()}
    raise ConfigError(
        f"no method {method} at {n_shots} shots, seed {seed}",
        ", ".join(sorted(known)) or "a study with methods",
        "choose one of those",
    )


def restored(subject: Subject, trial: Trial, store: Store) -> Elicited:
    """Return the solver of a finished trial, from the nudge that the study keeps.

    Raises:
        ConfigError: it has not run, or its nudge is gone.
        CheckpointError: the model cannot be loaded, or the nudge's files are damaged.
    """
    outcome, floor = store.read(trial, texts=False), floor_style(store, subject)
    if outcome is None or outcome.error:
        raise ConfigError(f"{trial.method} has not run", "a finished method", "call run() first")
    folder = nudge_folder(outcome, store)
    task = resolve_task(subject.task)
    model = open_model(subject.model)
    judge, _ = judge_for(subject.plan, trial, task, model, floor, Ledger())
    try:
        method = method_of(trial)
        nudge = read_nudge(folder, method.answering, method.changes)
        return Elicited(Solver.of(model, nudge, judge))
    except (ModicumError, MemoryError):
        raise
    except Exception as error:  # whatever a library raises on files that were cut or changed
        raise CheckpointError(
            f"the nudge of {trial.method} in {folder} cannot be read: {type(error).__name__}: {error}",
            "the files that the study wrote",
            "put them back from a copy, or run the study again in a new folder",
        ) from error


def nudge_folder(outcome: Outcome, store: Store) -> Path:
    """Return the folder of a finished trial's nudge, within its study's.

    Raises:
        ConfigError: it is gone, or the database names a place outside of the study.
    """
    named = outcome.artefact
    if named and not inside(named):
        raise ConfigError(
            f"a nudge of {outcome.trial.method} in {named!r:.80}, outside of {store.folder}",
            "a folder within the study's",
            "do not use this study: its database was changed",
        )
    folder = store.folder / named
    if not named or not folder.is_dir():
        raise ConfigError(
            f"no nudge of {outcome.trial.method} in {folder}",
            "the folder that the study wrote",
            "put it back, or run the study again in a new folder",
        )
    return folder
