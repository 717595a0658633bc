"""Opens the folder of a study that exists already."""

from pathlib import Path

from modicum.errors import ConfigError
from modicum.store import Store
from modicum.study import Plan

__all__ = ["open_study"]


def open_study(folder: Path) -> tuple[Store, Plan]:
    """Gives a study's store and its plan.

    Raises:
        ConfigError: the folder holds no study.
        StoreVersionError: it was written by a newer modicum.
    """
    if not (folder / "study.sqlite").exists():
        raise ConfigError(f"no study in {folder}", "a folder that `run` wrote", "check the path")
    store = Store(folder)
    return store, Plan.thawed(store.plan or {})
