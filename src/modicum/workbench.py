"""The Python interface: a study with the same power as the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modicum.analysis.verdict import Verdict
from modicum.doctor.visit import refuse_faults, unchecked, visit
from modicum.errors import ConfigError
from modicum.running.folder_lock import me, sole_driver
from modicum.running.kept_verdicts import recalled
from modicum.running.planning import plan_for
from modicum.running.renewal import renew
from modicum.running.restoring import Elicited, restored, rung
from modicum.running.runner import Silent, Watcher, run
from modicum.store.database import Store
from modicum.store.siblings import siblings
from modicum.study.budget import Budget
from modicum.study.checks import check_plan
from modicum.study.plan import Plan, Subject
from modicum.task import full_reference

__all__ = ["Study"]


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
