"""Where draws lie: the databases of study folders, read by address and never written."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from modicum.stock import Draw
from modicum.store.migrations import SCHEMA

__all__ = ["shelf", "siblings"]

_AT_ONCE = 500
"""Addresses in one question to a database."""


def shelf(folders: Sequence[Path]) -> Callable[[Sequence[bytes]], Mapping[bytes, Draw]]:
    """Return what looks addresses up in study folders, one after the other.

    A folder that is no study, one of another version and one that cannot be read are skipped.
    """

    def find(addresses: Sequence[bytes]) -> dict[bytes, Draw]:
        found: dict[bytes, Draw] = {}
        for folder in folders:
            left = [address for address in addresses if address not in found]
            if not left:
                break
            found.update(_look(folder, left))
        return found

    return find


def siblings(folder: Path) -> tuple[Path, ...]:
    """Return the other study folders beside one, the newest first."""
    beside = [p.parent for p in folder.absolute().parent.glob("*/study.sqlite")]
    others = [p for p in beside if p != folder.absolute()]
    return tuple(sorted(others, key=lambda p: -(p / "study.sqlite").stat().st_mtime))


def _look(folder: Path, addresses: Sequence[bytes]) -> dict[bytes, Draw]:
    """Return the draws of one folder; nothing where it cannot be read."""
    try:
        db = _opened(folder / "study.sqlite")
    except (sqlite3.Error, OSError):
        return {}
    try:
        if db.execute("PRAGMA user_version").fetchone()[0] != SCHEMA:
            return {}
        found = []
        for start in range(0, len(addresses), _AT_ONCE):
            part = addresses[start : start + _AT_ONCE]
            marks = ",".join("?" * len(part))
            found += db.execute(
                "SELECT address, n, packed, rest FROM draws JOIN texts ON name=texts"
                f" WHERE address IN ({marks})",
                part,
            ).fetchall()
        return {row[0]: Draw(*row) for row in found}
    except sqlite3.Error:
        return {}
    finally:
        db.close()


def _opened(path: Path) -> sqlite3.Connection:
    """Open a database so that nothing beside it is made or changed.

    Where its log is in use, or was left by a killed run, the log is read along; else the file
    stands still and is read as it is. Draws carry checksums, so that a run which begins to write
    in that moment can hide a draw but never change one.
    """
    has_log = path.with_name(f"{path.name}-shm").exists()
    how = "readonly_shm=1" if has_log else "immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&{how}", uri=True)
