"""Writes the report, and knows whether the one in the folder still stands."""

from collections.abc import Sequence
from pathlib import Path

from modicum.report.page import write_report
from modicum.stamp import store_stamp
from modicum.store import Store
from modicum.study import Plan
from modicum.verdict import Verdict

__all__ = ["stands", "write"]


def stands(path: Path, plan: Plan, store: Store) -> bool:
    """Says whether the report was written from what is stored now, by this code."""
    return path.exists() and store.kept("report", store_stamp(plan, store)) is not None


def write(path: Path, verdicts: Sequence[Verdict], plan: Plan, store: Store) -> None:
    """Writes the report and notes what it was written from."""
    write_report(verdicts, store, plan, path)
    store.keep("report", store_stamp(plan, store), path.name)
