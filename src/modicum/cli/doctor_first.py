"""The doctor before a run: looks at what was not looked at, says doubts, stops at faults."""

from collections.abc import Sequence
from pathlib import Path

import click

from modicum.cli.progress import Steps
from modicum.doctor.examine import PROBLEMS, SAMPLES
from modicum.doctor.visit import Checked, check_subject, refuse_faults, unchecked, visit
from modicum.ledger import Ledger
from modicum.report.untrusted import visible
from modicum.running.session import TimeLimit
from modicum.store.database import Store
from modicum.study.plan import Plan, Subject

__all__ = ["look_first", "looked_at"]


def looked_at(
    subject: Subject,
    store: Store | None = None,
    reuse: Sequence[Path] = (),
    limit: TimeLimit | None = None,
) -> Checked:
    """Look at one subject while standard error says so; keeps it where there is a store.

    Raises:
        BudgetOver: the time is used up meanwhile.
    """
    with Steps(PROBLEMS * (1 + SAMPLES), "answers") as steps:
        steps.begin(f"check: loading {visible(subject.model)}")
        what = f"check: asking {visible(subject.model)} {visible(subject.task)}"

        def tell(ledger: Ledger) -> None:
            steps.at(ledger.drawn + ledger.completions_reused, what)
            steps.beat(ledger.tokens_sampled)
            if limit is not None:
                limit.check()

        if store is None:
            return check_subject(subject, tell)
        return visit(subject, store, tell, reuse)


def look_first(
    plan: Plan,
    store: Store,
    *,
    force: bool,
    reuse: Sequence[Path] = (),
    limit: TimeLimit | None = None,
) -> None:
    """Look at each subject once, before its trials.

    Raises:
        BudgetOver: the time is used up meanwhile.
        ConfigError: a fault, unless `force`.
    """
    subjects = unchecked(plan, store, force=force)
    checked = [looked_at(subject, store, reuse, limit) for subject in subjects]
    for line in _said_once(checked):
        click.echo(line, err=True)
    if not force:
        refuse_faults(checked)


def _said_once(checked: Sequence[Checked]) -> list[str]:
    """Return one line a finding; what several subjects share is one line that names them all.

    What a size can show is left out: it is said of the tasks, before anything is looked at.
    """
    where: dict[tuple[str, str, str], list[str]] = {}
    for one in checked:
        for found in (*one.faults, *one.doubts):
            if found.code != "detectable":
                key = (found.level, found.found, found.action)
                where.setdefault(key, []).append(
                    f"{visible(one.subject.task)} on {visible(one.subject.model)}"
                )
    return [
        f"{level}: {_named(names)}: {visible(found)}; {visible(action)}"
        for (level, found, action), names in where.items()
    ]


def _named(names: Sequence[str]) -> str:
    """Name one or two, and say how many more there are."""
    more = len(names) - 2
    return ", ".join(names[:2]) + (f" and {more} more" if more > 0 else "")
