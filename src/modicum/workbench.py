"""The Python interface: a study with the same power as the command line."""

import contextlib
import sys
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from pathlib import Path
from typing import Self

from modicum.analysis.verdict import Verdict
from modicum.analysis.verdicts import Verdicts
from modicum.cli.advance import Advance
from modicum.cli.drive import How, Telling, carry_out, is_complete, only_read, opened
from modicum.cli.folder import open_study
from modicum.cli.notebook_bar import fitting_watcher
from modicum.cli.pick_rung import picked_trial, place_of, subject_of, verdict_on
from modicum.cli.told_study import ToldStudy
from modicum.exporting.exporter import Exported, export, finished, fitting
from modicum.files.limits import LIMITS, check_number
from modicum.model import resolve_backend
from modicum.running.folder_lock import me, sole_driver
from modicum.running.given import (
    KeepsModel,
    Saying,
    given_models,
    given_tasks,
    refuse_apart,
    several,
)
from modicum.running.homes import RUNS, home_of
from modicum.running.kept_verdicts import recalled
from modicum.running.options import PLANNED, Options, refuse_unknown
from modicum.running.planning import plan_of
from modicum.running.quick import quick_line, quickened
from modicum.running.restoring import Elicited, restored
from modicum.running.runner import Silent, Watcher, planned
from modicum.running.spelling import as_python, python_words
from modicum.running.spending import plan_text
from modicum.store.database import Store
from modicum.store.siblings import siblings
from modicum.study.budget import Budget, budget_of
from modicum.study.checks import check_plan
from modicum.study.plan import Plan, Subject
from modicum.study.trust import refuse_untrusted
from modicum.study.whole import declared, part_of
from modicum.task import full_reference
from modicum.types import Trial

__all__ = ["Study", "load"]

_SAID: set[str] = set()
"""Functions of which it was said that they cannot be stopped."""


@dataclass(repr=False)
class Study(Options, ToldStudy):
    """One or several models on one or several tasks, and a ladder of methods.

    Example:
        study = modicum.Study(model="organism", task="word_sums", test=60, samples=16)
        verdict = study.run()
        print(verdict)
        verdict.ability, verdict.pick, verdict.least_data
    """

    model: object = ""
    """A name, a path or hub id; a loaded transformers model with its `tokenizer`; a pipeline; or a list
    of these, of pairs (model, tokenizer) too. A loaded model is put into evaluation mode."""
    task: object = ""
    """A name, a path, `Problems`, or records: a list of dictionaries, a data frame, a data set; or a list
    of names, paths and `Problems`."""
    methods: Sequence[str] = ()
    """Those that fit model and task where empty."""
    shots: Sequence[int] = ()
    """Budgets of the methods that take labels; 1, 4 and 8, as far as the task has labels, where empty."""
    seeds: int | None = None
    """Draws of shots for each method that takes labels; 3."""
    out: Path | str | None = None
    """Folder of the study, below `runs` where None. A second run goes on there."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Options by name in one table, as before they were keywords; keywords count first."""
    check: bool = True
    """Look at model and task first; an error then stops the study before it spends anything."""
    reuse: Sequence[Path | str] | None = None
    """Folders of studies whose answers are taken over; those beside this one where None."""
    budget: Budget | str | float | None = None
    """What the study may take in all, the check and the measures included: a time such as "20m", seconds,
    or a `Budget`. The rest is left out; where not even the measures fit, nothing is begun."""
    _: KW_ONLY
    models: Sequence[object] = ()
    """Several models; `model` may be a list too."""
    tasks: Sequence[object] = ()
    """Several tasks."""
    tokenizer: object = None
    """The tokenizer of a loaded model."""
    marker: str | Saying = ""
    """How answers are marked: a marker's name, or a function of (text, answer) or (text, answer,
    question); see `Problems.marker`."""
    marker_name: str = ""
    """Says what the function is, in place of its code."""
    max_tokens: int | None = None
    """Most tokens to sample or train in all."""
    workers: int | None = None
    """Processes; one, this one, where None. A script that takes more begins under
    `if __name__ == "__main__":`."""
    executor: str = ""
    """Where trials run, such as "processes?workers=4"; here where empty."""
    quick: bool = False
    """Take the sizes of a quick look, where no others are given: `plan_text()` says what it cannot show."""
    progress: bool = True
    """Show how a run gets on: a bar on a terminal and in a notebook, else a line now and then."""

    def __new__(cls, *_: object, **given: object) -> Self:
        """Refuse a keyword that there is not, with the nearest one that there is.

        Raises:
            UnknownNameError: there is one.
        """
        refuse_unknown(given, (f.name for f in fields(cls) if f.init), "keyword of Study")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        """Take what was given, and refuse what cannot be.

        Raises:
            ConfigError: no model or no task, an unknown option, a loaded model without its tokenizer,
                or records that are none.
        """
        refuse_unknown(self.options, {*PLANNED, "twin"}, "option of Study")
        for name in LIMITS.keys() & (given := {**self.options, **self.said()}).keys():
            check_number(name, given[name])
        self._frozen: Plan | None = None
        self._trusted = True
        with python_words():
            self._models = given_models(several(self.model, self.models, "model"), self.tokenizer)
            tasks = several(self.task, self.tasks, "task")
            self._tasks = given_tasks(tasks, self.marker, self.marker_name)
            budget_of(self.budget, self.max_tokens)  # refuses what is none

    @property
    def plan(self) -> Plan:
        """The declared grid.

        Raises:
            ConfigError: a size that cannot be, or a task that cannot be read.
        """
        if self._frozen is not None:
            return self._frozen
        said = {**self.options, **self.said()}
        if self.seeds is not None:
            said["seeds"] = self.seeds
        models, tasks = self._models.references, self._tasks.references
        with python_words():
            plan = plan_of(models, tasks, self.methods, self.shots, **said)
            return quickened(plan, said) if self.quick else plan

    def plan_text(self) -> str:
        """Return what `run` will do, what it costs a method and what its sizes can show; spends nothing.

        Raises:
            ConfigError: bad input.
        """
        with python_words():
            plan = self.plan
            check_plan(plan)
            with only_read(self.folder) as store:
                said = plan_text(plan, store, self.workers or 1)
        limits = textwrap.fill(quick_line(plan), 78, initial_indent="  ", subsequent_indent="    ")
        return as_python("\n".join([said, limits] if self.quick else [said]))

    @property
    def folder(self) -> Path:
        """The study's folder."""
        if self.out is not None:
            return Path(self.out)
        if self.name is not None or "name" in self.options:
            return RUNS / self.plan.name
        return home_of(self.plan)[0]

    def reopened(self, plan: Plan, *, trusted: bool) -> Self:
        """Take the plan that a folder keeps in place of the declared one."""
        self._frozen, self._trusted = plan, trusted
        return self

    def __repr__(self) -> str:
        """Name models, tasks and folder."""
        models, tasks = (" and ".join(g.references) for g in (self._models, self._tasks))
        return f"<Study {tasks} on {models}, in {self.folder}>"

    def run(self, watcher: Watcher | None = None) -> Verdict | Verdicts:
        """Run what is missing, write the report and return the verdict; several as `Verdicts`.

        Args:
            watcher: Told of progress in place of what `progress` shows.

        Raises:
            ConfigError: bad input, before any weights load; an error that the check found; or measures
                that failed.
            FolderBusyError: another run is at work in the folder.
            StoreError: its database is damaged, or the disk is full.
        """
        with python_words():
            if self._frozen is not None and self._is_whole():
                return self._told()
            plan, folder = declared(self.plan), self.folder
            refuse_untrusted(plan, trusted=self._trusted, where=str(folder))
            refuse_apart((self._models, self._tasks), self.executor, self.workers)
            limit = budget_of(self.budget, self.max_tokens)
            how = How.in_python(limit, self.workers, self.executor, check=self.check)
            if not self._has_run(plan):
                check_plan(plan)
                self._warn_of_functions()
            with opened(folder) as store, sole_driver(folder, lambda: store.driver, None):
                store.keep_driver(me())
                carry_out(plan, store, how, self._others(), self._telling(watcher))
            return self._told()

    def _has_run(self, plan: Plan) -> bool:
        """Say whether every trial of a plan has ended; changes nothing."""
        with only_read(self.folder) as store:
            return store is not None and is_complete(plan, store)

    def _telling(self, watcher: Watcher | None) -> Telling:
        """Return where it is said how the run gets on: on standard error, or nowhere."""

        def say(line: str) -> None:
            if self.progress:
                print(as_python(line), file=sys.stderr)  # noqa: T201 - it is shown where it runs

        return Telling(
            say,
            lambda advance: self._watched(watcher, advance),
            is_shown=self.progress,
            says_reach=True,
        )

    def _own(self, verdicts: list[Verdict], whole: Plan) -> tuple[list[Verdict], int]:
        """Return the verdicts of its own models and tasks in its own sizes; all of a folder's if loaded."""
        if self._frozen is not None:
            return super()._own(verdicts, whole)
        pairs = [
            (model, full_reference(task))
            for model in self._models.references
            for task in self._tasks.references
        ]
        own = [v for v in verdicts if (v.model, v.task) in pairs]
        if any(v.variant for v in own):
            label = part_of(whole, self.plan).label
            own = [v for v in own if v.variant == label]
        return own, len(pairs)

    def _is_whole(self) -> bool:
        """Say whether the folder holds every trial of its own plans; opens nothing that they name."""
        with self._read() as (store, plan):
            return planned(plan, store) <= store.done()

    @contextlib.contextmanager
    def _watched(self, watcher: Watcher | None, advance: Advance) -> Iterator[Watcher]:
        """Give what shows progress here, while loaded models are lent."""
        with contextlib.ExitStack() as stack:
            for backend in map(resolve_backend, self._models.references):
                if isinstance(backend, KeepsModel):
                    stack.enter_context(backend.borrowed())
            if watcher is not None or not self.progress:
                yield watcher or Silent()
                return
            with fitting_watcher(advance) as usual:
                yield usual

    def _others(self) -> tuple[Path, ...]:
        """Return the folders of studies whose answers are taken over."""
        return siblings(self.folder) if self.reuse is None else tuple(map(Path, self.reuse))

    def _warn_of_functions(self) -> None:
        """Say once of each function that marks that nothing stops it."""
        new = [name for name in self._tasks.functions if name not in _SAID]
        _SAID.update(new)
        if new:
            warnings.warn(
                f"the marker {', '.join(new)} runs in this process: a call that hangs cannot be stopped "
                '(marker="python:FILE.py:FUNCTION" runs one that can)',
                stacklevel=3,
            )

    def solver(
        self,
        method: str | None = None,
        n_shots: int | None = None,
        seed: int = 0,
        *,
        model: str | None = None,
        task: str | None = None,
    ) -> Elicited:
        """Return a solver that the study has made: what the verdict ships where no method is named.

        Args:
            method: Its name, such as "cot_decoding" or "fine_tune n=4"; "floor" for the plain model.
            n_shots: Its shots; the most that were tried where the name does not say them.
            seed: Which draw of its shots.
            model: Where the study has several.
            task: Where the study has several.

        Raises:
            ConfigError: no such method, it has not run, or nothing is recommended.
        """
        with python_words():
            subject, trial = self._chosen(method, n_shots, seed, model, task)
            resolve_backend(subject.model)  # a loaded model may have changed since
            with contextlib.closing(Store(self.folder)) as store:
                return restored(subject, trial, store)

    def export(
        self,
        *forms: str,
        method: str | None = None,
        n_shots: int | None = None,
        out: Path | str | None = None,
        model: str | None = None,
        task: str | None = None,
    ) -> list[Exported]:
        """Write a nudge in forms that other tools load, each loaded back and compared.

        Args:
            forms: Such as "peft" or "generation"; all that fit where none is named.
            method: As `solver` takes it.
            n_shots: As `solver` takes it.
            out: Folder; `exports` within the study's where None.
            model: Where the study has several.
            task: Where the study has several.

        Raises:
            ConfigError: no such form, or one that does not fit.
            CheckpointError: an export that is not what it was made from; nothing of it is left.
        """
        with python_words():
            subject, trial = self._chosen(method, n_shots, 0, model, task)
            backend = resolve_backend(subject.model)
            with contextlib.closing(Store(self.folder)) as store:
                found = finished(subject, trial, store, None)
                fits, refused = fitting(found, forms)
                if refused and isinstance(backend, KeepsModel):  # those that name their base
                    backend.keep(self.folder / "base")
                    found = finished(subject, trial, store, None)
                    fits, refused = fitting(found, forms)
                for error in refused.values() if forms or not fits else ():
                    raise error
                place = Path(out) if out is not None else place_of(store, trial)
                return export(found, fits, store, place)

    def _chosen(
        self,
        method: str | None,
        n_shots: int | None,
        seed: int,
        model: str | None,
        task: str | None,
    ) -> tuple[Subject, Trial]:
        """Return the subject and the trial that are meant."""
        plan = self.plan
        subject = subject_of(plan, model, task)
        verdict = None
        if method is None:
            with self._read() as (store, stored):
                part = part_of(stored, subject.plan)
                named = replace(subject, plan=part)
                verdict = verdict_on(named, recalled(stored, store))
        return subject, picked_trial(verdict, subject, method, n_shots, seed)[0]


def load(folder: Path | str, *, trust: bool = False) -> Study:
    """Open the folder of a study again: what it says, its answers, its report, its solvers.

    A model, records or a function that only another process had are not there: such a study is read, and
    runs nothing more until it is made with them again.

    Args:
        folder: What `run` wrote.
        trust: Follow the plan where it starts code, asks servers or reads keys.

    Raises:
        ConfigError: no study in the folder.
        StoreError: its database is damaged.
    """
    place = Path(folder)
    store, plan = open_study(place)
    store.close()
    subjects = plan.subjects()
    study = Study(
        models=list(dict.fromkeys(subject.model for subject in subjects)),
        tasks=list(dict.fromkeys(subject.task for subject in subjects)),
        out=place,
    )
    return study.reopened(plan, trusted=trust)
