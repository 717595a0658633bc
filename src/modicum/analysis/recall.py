"""Verdicts kept in the store: computed once for what is stored, this plan and this code."""

import dataclasses
import json
import typing

from modicum.analysis.judgement import verdicts_of
from modicum.plain import thawed
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
    found = verdicts_of(plan, store)
    plain = [dataclasses.asdict(verdict) for verdict in found]
    store.keep("verdicts", stamp, json.dumps(plain, default=float))
    return found


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
    return [typing.cast(Verdict, thawed(Verdict, values)) for values in json.loads(text)]
