"""Writes the report, and knows whether the one in the folder still stands."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from modicum.analysis.verdict import Verdict
from modicum.files.content import content_hash
from modicum.report.page import write_report
from modicum.running.cache_key import store_stamp
from modicum.store.database import Store
from modicum.study.plan import Plan

__all__ = ["stands", "write"]


def stands(path: Path, plan: Plan, store: Store) -> bool:
    """Say whether the report is whole, and was written from what is stored now, by this code.

    What a kill left half written beside it is removed.
    """
    _drop(_unfinished(path))
    kept = store.kept("report", store_stamp(plan, store))
    return kept is not None and path.is_file() and kept == content_hash(path)


def write(path: Path, verdicts: Sequence[Verdict], plan: Plan, store: Store) -> None:
    """Write the report beside the old one, then in its place, and note what it was written from.

    A full disk or a kill leaves the old report as it was.

    Raises:
        OSError: it cannot be written.
    """
    unfinished = _unfinished(path)
    try:
        write_report(verdicts, store, plan, unfinished)
        unfinished.replace(path)
    finally:
        _drop(unfinished)
    store.keep("report", store_stamp(plan, store), content_hash(path))


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.unfinished")


def _drop(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
