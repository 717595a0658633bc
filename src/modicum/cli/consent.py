"""Asks before a long study begins; where nobody can answer, nothing is asked."""

import sys

import click

from modicum.doctor.costs import duration
from modicum.running.quick import quickened
from modicum.running.spending import Spending, said_tokens, spending
from modicum.store.database import Store
from modicum.study.plan import Plan

__all__ = ["LONG_S", "Declined", "agreed", "ahead_line", "time_line"]

_SHORT_S = 10.0
"""Seconds below which nothing is said of the time."""
LONG_S = 3600.0
"""Seconds above which a study is asked about before it begins."""


class Declined(Exception):  # noqa: N818 - no error: the user said no
    """The user does not want the study."""


def agreed(plan: Plan, store: Store | None, ahead: Spending, most_s: float, workers: int) -> bool:
    """Ask whether a study of more than an hour is to begin; say whether that was asked.

    Args:
        plan: The study.
        store: What has run of it.
        ahead: What is still to be spent.
        most_s: Seconds that its budget leaves it.
        workers: Processes that share the time.

    Raises:
        Declined: the answer is no.
    """
    seconds = min(ahead.seconds or 0.0, most_s)
    if seconds <= LONG_S or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    quick = spending(quickened(plan), store, workers).seconds
    other = f", or --quick (about {duration(quick)})" if quick and quick < seconds else ""
    guess = "about" if ahead.is_measured else "at most about"
    question = f"{guess} {duration(seconds)}; continue? [y/N]{other}"
    if not click.confirm(question, default=False, show_default=False, err=True):
        raise Declined
    return True


def ahead_line(ahead: Spending) -> str:
    """Return what is to be drawn and trained, and how long that takes where it is known."""
    answers, tokens = (sum(getattr(r, name) for r in ahead.rungs) for name in ("answers", "tokens"))
    time = "" if ahead.seconds is None else f"; about {duration(ahead.seconds)}"
    rough = "" if ahead.seconds is None or ahead.is_measured else " at most, by a rough guess"
    updates = sum(rung.updates for rung in ahead.rungs)
    trained = f", {updates:,} training steps" if updates else ""
    return (
        f"to do: {answers:,} answers ({said_tokens(tokens)} tokens at most){trained}{time}{rough}"
    )


def time_line(ahead: Spending) -> str:
    """Return how long a study takes and which rungs take longest; empty where it is short or not known."""
    if ahead.seconds is None or ahead.seconds < _SHORT_S:
        return ""
    costly = sorted(ahead.rungs, key=lambda rung: -(rung.seconds or 0.0))[:3]
    parts = ", ".join(f"{rung.name} {duration(rung.seconds or 0.0)}" for rung in costly)
    if ahead.is_measured:
        return f"about {duration(ahead.seconds)} in all, at the speed that the check saw: {parts}"
    return f"at most about {duration(ahead.seconds)} in all, a guess from the model's size: {parts}"
