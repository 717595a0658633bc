"""The Python interface: a study with the same power as the command line."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modicum.analysis.verdict import Verdict
from modicum.doctor.visit import refuse_faults, unchecked, visit
from modicum.errors import CheckpointError, ConfigError, ModicumError
from modicum.files.foreign import inside, is_name
from modicum.ledger import Ledger
from modicum.method import LADDER, METHODS, Kind, Needs, method_of
from modicum.model import Model, backend_access
from modicum.nudge import Solver, read_nudge
from modicum.outcome import Outcome
from modicum.running.folder_lock import me, sole_driver
from modicum.running.kept_verdicts import recalled
from modicum.running.renewal import renew
from modicum.running.runner import Silent, Watcher, floor_style, run
from modicum.store.database import Store
from modicum.store.siblings import siblings
from modicum.study.budget import Budget
from modicum.study.checks import check_plan
from modicum.study.plan import Grid, Plan, Subject
from modicum.study.trial import judge_for, open_model
from modicum.task import full_reference, resolve_task
from modicum.types import Access, Problem, Solved, Supervision, Trial

__all__ = [
    "SHOTS",
    "Elicited",
    "Study",
    "default_methods",
    "nudge_folder",
    "plan_for",
    "restored",
    "rung",
]

SHOTS = (1, 4, 8)
"""Budgets of the methods that take labels, where none are given."""
_LONGEST = 60
"""Characters of a study's name that is made from its task's."""
_SIZES: Mapping[str, int] = {
    field.name: int(str(field.default))
    for field in dataclasses.fields(Plan)
    if field.name in ("test", "selection")
}


@dataclass(frozen=True)
class Elicited:
    """A solver found by a study, ready to answer new problems."""

    solver: Solver

    @property
    def model(self) -> Model:
        """The model with its nudge."""
        return self.solver.model

    def solve(self, problems: Sequence[Problem], ledger: Ledger | None = None) -> list[Solved]:
        """Answers problems; golds are hidden from the solver. A ledger counts what it costs."""
        hidden = [problem.hidden() for problem in problems]
        return self.solver.solve(hidden, stream="seed-0", ledger=ledger or Ledger())

    def read(self, text: str) -> str | None:
        """Read the answer from a text, as the task does; None where there is none."""
        return self.solver.judge.read(text)


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
        f"no rung {method} at {n_shots} shots, seed {seed}",
        ", ".join(sorted(known)) or "a study with rungs",
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
        raise ConfigError(f"{trial.method} has not run", "a finished rung", "call run() first")
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


def default_methods(model: str, task: str) -> tuple[str, ...]:
    """Return the usual methods that fit what the task's shots reveal and what the model offers.

    Of the tunings the one stands that reads most of what the shots reveal.

    Prompts that reason or demonstrate are left out where the task names a worked form of its own:
    there the forced form says what they would, and the organism knows neither words nor long
    prompts.
    """
    sheet, offered = resolve_task(task).sheet, backend_access(model)
    found = [one for name in METHODS.entries if (one := _usual(name)) is not None]
    fit = [one for one in found if one.access <= offered and one.supervision <= sheet.supervision]
    most = max((one.supervision for one in fit if one.kind == "tuning"), default=0)
    kept = [
        one
        for one in fit
        if (one.kind != "prompt" or not sheet.opener)
        and (one.kind != "tuning" or one.supervision == most)
    ]
    return tuple(one.name for one in sorted(kept, key=lambda one: one.rank))


@dataclass(frozen=True)
class _Usual:
    """A method of the usual ladder, known without importing it."""

    name: str
    kind: Kind
    access: Access
    supervision: Supervision

    @property
    def rank(self) -> tuple[int, int, str]:
        """Its place on the ladder: cheapest kind first, then what any model offers."""
        return LADDER.index(self.kind), int(self.access), self.name


def _usual(name: str) -> _Usual | None:
    """Return a method of modicum's own that says it is usual; None else."""
    entry = METHODS.entry(name)
    stated = entry.stated
    kind, needs = stated.get("kind"), stated.get("needs")
    known = next((one for one in LADDER if one == kind), None)
    if entry.package or not stated.get("is_usual") or known is None:
        return None
    said = needs if isinstance(needs, Mapping) else {}
    access = Access[str(said.get("access", Needs.access.name))]
    supervision = Supervision[str(said.get("supervision", Needs.supervision.name))]
    return _Usual(name, known, access, supervision)


def plan_for(
    model: str,
    task: str,
    methods: Sequence[str] = (),
    shots: Sequence[int] = (),
    **options: object,
) -> Plan:
    """Return the plan of one model on one task; `options` are the other fields of `Plan`.

    Sizes that are not given shrink to what the task has: a small file is no error.

    Raises:
        UnknownNameError: unknown task, method or option.
    """
    task = full_reference(task)
    names = tuple(methods) or default_methods(model, task)
    exist = resolve_task(task).sheet.available
    budgets = tuple(shots) or tuple(n for n in SHOTS if n <= exist.get("shots", n)) or SHOTS[:1]
    sizes = {n: min(size, exist[n]) for n, size in _SIZES.items() if n in exist}
    grid = Grid((model,), (task,), names, budgets, str(options.pop("twin", "")))
    return Plan.thawed({"name": _plain_name(task), **sizes, **options, "grids": [grid]})


def _plain_name(task: str) -> str:
    """Return a task's name as a folder may bear it: a file's name without its suffix."""
    head = task.partition("?")[0]
    kind, _, detail = head.rpartition("scrambled:")[2].partition(":")
    file = Path(detail.removesuffix(".gz"))
    name = file.stem if file.suffix == f".{kind}" else head
    plain = re.sub(r"[^\w.-]+", "-", name)[:_LONGEST].rstrip(".")
    return plain if is_name(plain) else f"study-{plain.strip('.-')}".rstrip("-")


@dataclass
class Study:
    """One model, one task, a ladder of methods.

    Example:
        study = Study(model="organism", task="word_sums", methods=["cot_decoding"])
        verdict = study.run()
        verdict.ability, verdict.least_data, verdict.ship
    """

    model: str
    task: str
    methods: Sequence[str] = ()
    shots: Sequence[int] = ()
    """Budgets; `SHOTS`, as far as the task has labels, where empty."""
    seeds: int = 3
    out: Path | str | None = None
    """Folder of the study; `runs/<task>` where None. A second run goes on there."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Other fields of `Plan`, by name: test, samples, prefer …"""
    check: bool = True
    """Let the doctor look first; a fault then stops the study before it spends anything."""
    reuse: Sequence[Path | str] | None = None
    """Folders of studies whose answers are taken over; those beside this one where None."""
    budget: Budget | None = None
    """What the study may take in all, such as `Budget(seconds=1200)`; the rest is left out."""

    @property
    def plan(self) -> Plan:
        """The declared grid."""
        return plan_for(
            self.model, self.task, self.methods, self.shots, seeds=self.seeds, **self.options
        )

    @property
    def folder(self) -> Path:
        """The study's folder."""
        return Path(self.out) if self.out is not None else Path("runs") / self.plan.name

    def run(self, watcher: Watcher | None = None) -> Verdict:
        """Run what is missing and gives the verdict.

        Raises:
            ConfigError: bad input, before any weights load; a fault that the doctor found; or
                measures that failed.
            FolderBusyError: another run is at work in the folder.
            StoreError: its database is damaged, or the disk is full.
        """
        plan = self.plan
        check_plan(plan)
        store = Store(self.folder)
        try:
            with sole_driver(self.folder, lambda: store.driver, None):
                return self._run(plan, store, watcher or Silent())
        finally:
            store.close()

    def _run(self, plan: Plan, store: Store, watcher: Watcher) -> Verdict:
        """Run what is missing, as the folder's only driver."""
        store.keep_driver(me())
        store.freeze(plan.as_dict())
        others = self._others()
        renew(plan, store)
        if self.check:
            subjects = unchecked(plan, store)
            refuse_faults([visit(subject, store, reuse=others) for subject in subjects])
        run(plan, store, watcher, reuse=others, budget=self.budget)
        verdicts = recalled(plan, store)
        if not verdicts:
            raise ConfigError(
                "; ".join(store.failed().values()) or "no measure finished",
                "floor, default and samples",
                "mend the cause and run again: what is finished is kept",
            )
        return verdicts[0]

    def _others(self) -> tuple[Path, ...]:
        """Return the folders of studies whose answers are taken over."""
        return siblings(self.folder) if self.reuse is None else tuple(map(Path, self.reuse))

    def solver(self, method: str, n_shots: int = 0, seed: int = 0) -> Elicited:
        """Return a solver that the study has made.

        Raises:
            ConfigError: no such rung, or it has not run.
        """
        subject = Subject(self.plan, self.model, full_reference(self.task))
        trial = rung(subject, method, n_shots, seed)
        store = Store(self.folder)
        try:
            return restored(subject, trial, store)
        finally:
            store.close()
