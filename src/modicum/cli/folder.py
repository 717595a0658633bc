"""Opens the folder of a study that exists already."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from modicum.errors import ConfigError
from modicum.store.database import Store
from modicum.store.kept_tasks import KeptTask
from modicum.store.opening import DATABASE
from modicum.study.plan import Plan
from modicum.study.trust import powers_of, refuse_untrusted
from modicum.study.whole import whole_of
from modicum.task import Task, full_reference, held
from modicum.task_names import split_task

__all__ = ["keeps_tasks", "kept_tasks", "open_study", "plan_in", "reading"]


def open_study(folder: Path, *, read_only: bool = False) -> tuple[Store, Plan]:
    """Return a study's store and its plan: all plans that the folder was run with.

    Args:
        folder: The study's folder.
        read_only: Write nothing; a folder that cannot be written is never written.

    Raises:
        ConfigError: the folder holds no study.
        StoreVersionError: it was written by a newer modicum.
        StoreError: its database is damaged.
    """
    if not (folder / DATABASE).exists():
        raise ConfigError(f"no study in {folder}", "a folder that `run` wrote", "check the path")
    store = Store(folder, read_only=read_only or not os.access(folder, os.W_OK))
    try:
        if store.plan is None:
            raise ConfigError(
                f"no study in {folder}: one was refused or declined before it began",
                "a folder that `run` wrote",
                "run it with the same `modicum run` command",
            )
        return store, plan_in(store)
    except BaseException:
        store.close()
        raise


def plan_in(store: Store) -> Plan:
    """Return all plans of a store as one, the newest first."""
    return whole_of([Plan.thawed(plan) for plan in store.plans or [{}]])


def keeps_tasks(plan: Plan, store: Store) -> bool:
    """Say whether a study keeps copies of all of its tasks."""
    return bool(_kept(plan, store))


@contextlib.contextmanager
def kept_tasks(plan: Plan, store: Store) -> Iterator[None]:
    """Let the study's own copies of its tasks stand for them, where it keeps all of them."""
    with held(_kept(plan, store) or None):
        yield


@contextlib.contextmanager
def reading(
    folder: Path, *, trusted: bool, read_only: bool = False
) -> Iterator[tuple[Store, Plan]]:
    """Open a study with the tasks that it keeps: nothing is opened or run that its plan names.

    A folder of an earlier version keeps none; its tasks are then opened where they lie, unless its
    plan asks for what only the user may switch on.

    Args:
        folder: The study's folder.
        trusted: Whether the user trusts whoever wrote it (`--trust`).
        read_only: Write nothing; without trust such a plan's tasks are then left closed.

    Raises:
        ConfigError: the folder holds no study.
        TrustError: its plan asks for what only the user may switch on.
        StoreVersionError: it was written by a newer modicum.
        StoreError: its database is damaged.
    """
    store, plan = open_study(folder, read_only=read_only)
    try:
        tasks: Mapping[str, Task] | None = _kept(plan, store)
        if not tasks and read_only and powers_of(plan) and not trusted:
            tasks = {}
        elif not tasks:
            refuse_untrusted(plan, trusted=trusted, where=str(folder))
            tasks = None
        with held(tasks):
            yield store, plan
    finally:
        store.close()


def _kept(plan: Plan, store: Store) -> dict[str, KeptTask]:
    """Return the study's copy of each of its tasks; nothing where one of them is not kept."""
    kept = {name: KeptTask(name, record) for name, record in store.kept_tasks().items()}
    if not {_plain(subject.task) for subject in plan.subjects()} <= set(kept):
        return {}
    with held(kept):
        retained = {_plain(name) for subject in plan.subjects() for name in subject.retain()}
    return kept if retained <= set(kept) else {}


def _plain(reference: str) -> str:
    """Return the full reference of a task's original."""
    return split_task(full_reference(reference))[1]
