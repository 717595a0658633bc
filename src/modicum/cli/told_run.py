"""What a run says when it has ended: its own verdicts, and those that its folder held before."""

from collections.abc import Sequence
from dataclasses import dataclass

import click

from modicum.analysis.verdict import Verdict
from modicum.cli.folder import keeps_tasks, kept_tasks, plan_in
from modicum.cli.progress import waiting
from modicum.cli.report_file import stands, write
from modicum.errors import ConfigError, ModicumError, StoreError
from modicum.running.kept_verdicts import recalled
from modicum.store.database import Store
from modicum.study.plan import Plan
from modicum.study.trust import powers_of
from modicum.study.whole import part_of

__all__ = ["REPORT", "ToldRun", "tell"]

REPORT = "report.html"
"""Name of the report in a study's folder."""


@dataclass(frozen=True)
class ToldRun:
    """The verdicts of a folder after a run."""

    own: Sequence[Verdict]
    """Of the subjects that were run."""
    others: Sequence[Verdict] = ()
    """Of those that the folder was run with before."""

    @property
    def every(self) -> list[Verdict]:
        """All of them, those that were run first."""
        return [*self.own, *self.others]


def tell(plan: Plan, store: Store) -> ToldRun:
    """Read a folder after a run, and write its report where that does not stand.

    Where what was run before cannot be read any more, a line says so; it stays in the folder.

    Args:
        plan: What was run.
        store: The folder, which may hold more.
    """
    if len(store.plans) < 2:
        return _parted(_read(plan, store), plan, plan)
    whole = plan_in(store)
    is_followed = keeps_tasks(whole, store) or set(powers_of(whole)) <= set(powers_of(plan))
    try:
        if not is_followed:
            raise ConfigError("a plan that asks for more", "its tasks kept", "use `modicum report`")
        with kept_tasks(whole, store):
            found = _read(whole, store)
    except StoreError:
        raise
    except ModicumError as error:
        first = str(error).partition("\n")[0].removeprefix("found: ")
        click.echo(f"what {store.folder} held before is left out of the report: {first}", err=True)
        return _parted(_read(plan, store), plan, plan)
    return _parted(found, plan, whole)


def _parted(found: Sequence[Verdict], plan: Plan, whole: Plan) -> ToldRun:
    """Part the verdicts of a folder into those of what was run and the others."""
    label = part_of(whole, plan).label
    own = {(s.model, s.task, label) for s in plan.subjects()}
    keys = [(v.model, v.task, v.variant) for v in found]
    return ToldRun(
        [v for v, key in zip(found, keys, strict=True) if key in own],
        [v for v, key in zip(found, keys, strict=True) if key not in own],
    )


def _read(plan: Plan, store: Store) -> list[Verdict]:
    verdicts, report = recalled(plan, store), store.folder / REPORT
    if verdicts and not stands(report, plan, store):
        with waiting("writing the report"):
            write(report, verdicts, plan, store)
    return verdicts
