"""The doctor before a run: looks at what was not looked at, what was seen in lines."""

from collections.abc import Sequence
from pathlib import Path

from modicum.analysis.printed import level_name
from modicum.cli.progress import Steps
from modicum.doctor.examine import PROBLEMS, SAMPLES
from modicum.doctor.visit import Checked, check_subject, unchecked, visit
from modicum.ledger import Ledger
from modicum.report.untrusted import visible
from modicum.running.session import TimeLimit
from modicum.store.database import Store
from modicum.study.plan import Plan, Subject

__all__ = ["look_first", "looked_at", "said_once"]


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
    is_shown: bool = True,
) -> list[Checked]:
    """Look at each subject once, before its trials; return what was seen just now.

    Args:
        plan: The study.
        store: Its folder.
        force: What has a fault already is not looked at again.
        reuse: Folders of other studies whose answers are taken over.
        limit: The time of the study.
        is_shown: Whether standard error says how far it is.

    Raises:
        BudgetOver: the time is used up meanwhile.
    """
    subjects, time = unchecked(plan, store, force=force), limit or TimeLimit()
    if is_shown:
        return [looked_at(subject, store, reuse, time) for subject in subjects]
    return [visit(subject, store, lambda _: time.check(), reuse) for subject in subjects]


def said_once(checked: Sequence[Checked], *, with_reach: bool = False) -> list[str]:
    """Return one line a finding; what several subjects share is one line that names them all.

    Args:
        checked: What was seen.
        with_reach: Say what a size can show too.
    """
    where: dict[tuple[str, str, str], list[str]] = {}
    for one in checked:
        for found in (*one.faults, *one.doubts):
            if with_reach or found.code != "detectable":
                key = (found.level, found.found, found.action)
                where.setdefault(key, []).append(
                    f"{visible(one.subject.task)} on {visible(one.subject.model)}"
                )
    return [
        f"{level_name(level)}: {_named(names)}: {visible(found)}; {visible(action)}"
        for (level, found, action), names in where.items()
    ]


def _named(names: Sequence[str]) -> str:
    """Name one or two, and say how many more there are."""
    more = len(names) - 2
    return ", ".join(names[:2]) + (f" and {more} more" if more > 0 else "")
