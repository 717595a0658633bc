"""Verdicts kept in the store: computed once for what is stored, this plan and this code."""

import dataclasses
import json

from modicum.analysis.judgement import verdicts_of
from modicum.plain import plain, thawed
from modicum.stamp import store_stamp
from modicum.store import Store
from modicum.study import Plan
from modicum.verdict import Verdict

__all__ = ["last_kept", "recalled"]


def recalled(plan: Plan, store: Store) -> list[Verdict]:
    """Gives what `verdicts_of` gives; the second time without computing anything."""
    stamp = store_stamp(plan, store)
    kept = store.kept("verdicts", stamp)
    if kept is not None:
        return _verdicts(kept)
    found = _compared(verdicts_of(plan, store), _before(store))
    store.keep("verdicts", stamp, json.dumps(plain(found)))
    return found


def _before(store: Store) -> list[Verdict]:
    try:
        return last_kept(store)
    except ValueError:  # of a version that knew other fields
        return []


def _compared(found: list[Verdict], before: list[Verdict]) -> list[Verdict]:
    """Say in each verdict where the rules of an earlier version said another word of the folder."""
    known = {(verdict.task, verdict.model): verdict for verdict in before}
    return [_with_earlier(one, known.get((one.task, one.model))) for one in found]


def _with_earlier(now: Verdict, before: Verdict | None) -> Verdict:
    if before is None:
        return now
    word = before.read_before if before.rules == now.rules else before.ability
    if not word or word == now.ability:
        return now
    doubt = f"earlier rules read it as {word}: the same outcomes, other rules (version {now.rules})"
    return dataclasses.replace(now, read_before=word, doubts=(*now.doubts, doubt))


def last_kept(store: Store) -> list[Verdict]:
    """Return the verdicts that were last kept, whatever has changed since; none where none were.

    Raises:
        ValueError: they are of an earlier version, and cannot be read any more.
    """
    kept = store.kept("verdicts", None)
    try:
        return _verdicts(kept) if kept is not None else []
    except (AttributeError, KeyError, TypeError) as error:
        msg = f"kept verdicts of another version: {type(error).__name__} {error}"
        raise ValueError(msg) from error


def _verdicts(text: str) -> list[Verdict]:
    return thawed(list[Verdict], json.loads(text), "verdicts")
