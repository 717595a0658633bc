"""The doctor before a run: looks at what was not looked at, says doubts, stops at faults."""

import click

from modicum.cli.check_text import doubt_lines
from modicum.cli.progress import Steps
from modicum.doctor.visit import refuse_faults, unchecked, visit
from modicum.store import Store
from modicum.study import Plan

__all__ = ["look_first"]


def look_first(plan: Plan, store: Store, *, force: bool) -> None:
    """Looks at each subject once, before its trials.

    Raises:
        ConfigError: a fault, unless `force`.
    """
    subjects = unchecked(plan, store, force=force)
    checked = []
    with Steps(len(subjects)) as steps:
        for subject in subjects:
            steps.begin(f"looking at {subject.task} on {subject.model}")
            checked.append(visit(subject, store, lambda ledger: steps.beat(ledger.tokens_sampled)))
    for one in checked:
        for line in doubt_lines(one):
            click.echo(line, err=True)
    if not force:
        refuse_faults(checked)
