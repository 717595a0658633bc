"""Opens a study's database to write or only to read, and says in words what is wrong with it."""

import contextlib
import json
import os
import re
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from modicum.errors import ConfigError, StoreError
from modicum.store.migrations import SCHEMA, migrate

__all__ = ["DATABASE", "damage_told", "open_to_read", "open_to_write"]

DATABASE = "study.sqlite"
"""Name of the database in a study's folder."""
_SMALLEST = 512
"""Bytes of the smallest page of a database; a file below it was cut."""
_COMPUTES = re.compile(r"\b(virtual|generated|check|default)\b|\bas\s*\(", re.IGNORECASE)
"""What makes a table more than values."""
_BROKEN = (
    sqlite3.DatabaseError,
    zlib.error,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    OverflowError,
    RecursionError,
)
"""What reading a damaged database raises, from pages to the values packed in them."""


@contextlib.contextmanager
def damage_told(folder: Path, *, is_writing: bool = False) -> Iterator[None]:
    """Turn what a damaged database or a full disk raises inside into one error in words.

    Args:
        folder: The study's folder.
        is_writing: What is not the database's own error is then the value's that was to be written.

    Raises:
        StoreError: the database is damaged, or cannot be written.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        raise _unwritable(folder, error) from error
    except _BROKEN as error:
        if getattr(error, "sqlite_errorname", "") == "SQLITE_NOTADB":
            raise ConfigError(
                f"{folder / DATABASE}: {error}",
                "a study's database",
                "choose another folder with --out, or restore it from a copy",
            ) from error
        if is_writing and not isinstance(error, sqlite3.Error):
            raise
        raise StoreError(
            f"the database {folder / DATABASE} is damaged ({_words(error)})",
            "restore it from a copy, or run the study again in a new folder",
        ) from error


def open_to_write(folder: Path) -> sqlite3.Connection:
    """Open or make the database of a folder, brought to the newest version.

    Raises:
        ConfigError: the folder cannot be written, or is something else's.
        StoreVersionError: it was written by a newer modicum.
        StoreError: the database is damaged, or the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".write-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"folder {folder} cannot be written ({error.strerror})",
            "a writable folder",
            "choose another with --out",
        ) from error
    _refuse_cut(folder)
    with damage_told(folder):
        db = sqlite3.connect(folder / DATABASE, isolation_level=None)
        try:
            _refuse_programs(db)
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            _migrated(db, folder)
        except BaseException:
            db.close()
            raise
        return db


def open_to_read(folder: Path) -> sqlite3.Connection:
    """Open the database of a folder that nothing is written into, wherever it lies.

    One of an earlier version is brought to the newest in memory alone.

    Raises:
        ConfigError: no study there.
        StoreVersionError: it was written by a newer modicum.
        StoreError: the database is damaged.
    """
    path = folder / DATABASE
    if not path.is_file():
        raise ConfigError(f"no study in {folder}", "a folder that `run` wrote", "check the path")
    _refuse_cut(folder)
    with damage_told(folder):
        db = _reading(path)
        try:
            _refuse_programs(db)
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version == SCHEMA:
                db.execute("SELECT count(*) FROM sqlite_master").fetchone()
                return db
            copy = sqlite3.connect(":memory:", isolation_level=None)
            db.backup(copy)
        except BaseException:
            db.close()
            raise
        db.close()
        _migrated(copy, folder)
        return copy


def _reading(path: Path) -> sqlite3.Connection:
    """Open a file so that nothing beside it is made or changed.

    Where a log lies beside it, in use or left by a killed run, the log is read along; else the file
    stands still and is read as it is. On a read-only disk the log's index cannot be made: then a
    copy of both is read.
    """
    where, log = path.absolute().as_uri(), path.with_name(f"{path.name}-wal")
    if not (log.exists() and log.stat().st_size):
        return sqlite3.connect(f"{where}?mode=ro&immutable=1", uri=True, isolation_level=None)
    db = sqlite3.connect(f"{where}?mode=ro", uri=True, isolation_level=None)
    try:
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        db.close()
        return _copied(path, log)
    return db


def _copied(path: Path, log: Path) -> sqlite3.Connection:
    """Give what a database and its log hold, in memory."""
    memory = sqlite3.connect(":memory:", isolation_level=None)
    with tempfile.TemporaryDirectory(prefix="modicum-") as place:
        for file in (path, log):
            shutil.copyfile(file, Path(place) / file.name)
        db = sqlite3.connect(Path(place) / path.name, isolation_level=None)
        try:
            db.backup(memory)
        finally:
            db.close()
    return memory


def _migrated(db: sqlite3.Connection, folder: Path) -> None:
    """Bring the tables to the newest version; refuse a database that is something else's."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    if version == 0 and tables - {"meta", "trials", "answers"}:
        raise ConfigError(
            f"{folder / DATABASE} with the tables {', '.join(sorted(tables))}",
            "a study's database",
            "choose another --out",
        )
    migrate(db, folder)


def _refuse_programs(db: sqlite3.Connection) -> None:
    """Refuse a database that computes: tables of a study hold values, and nothing runs on reading one.

    Raises:
        ValueError: a view, a trigger, a table that is virtual, or a column that is computed.
    """
    db.execute("PRAGMA trusted_schema=OFF")
    for kind, name, sql in db.execute("SELECT type, name, sql FROM sqlite_master"):
        is_plain = kind == "table" or (kind == "index" and not sql)
        if not is_plain or _COMPUTES.search(sql or ""):
            raise ValueError(f"{kind} {str(name)!r:.60}, which no study has")


def _refuse_cut(folder: Path) -> None:
    """Refuse a database that was cut to nothing beside what a study had left.

    SQLite would begin anew in it, without a word, beside the old nudges and the old report. A run
    that was killed at its very start leaves an empty file too, but nothing beside it.
    """
    path = folder / DATABASE
    if not path.is_file() or path.stat().st_size >= _SMALLEST:
        return
    beside = [name for name in ("artefacts", "report.html") if (folder / name).exists()]
    log = path.with_name(f"{DATABASE}-wal")
    if beside and not (log.exists() and log.stat().st_size):
        raise StoreError(
            f"the database {path} was cut to {path.stat().st_size} bytes, with "
            f"{' and '.join(beside)} of a study beside it",
            "restore it from a copy, or run the study again in a new folder",
        )


def _unwritable(folder: Path, error: sqlite3.OperationalError) -> StoreError:
    """Say what kept SQLite from writing or reading; the names are its own."""
    name = getattr(error, "sqlite_errorname", "")
    if "locked" in str(error) or "busy" in str(error).lower():
        action = "wait until the other process has ended, then run the same command again"
    elif name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN")):
        action = (
            "free or repair the disk, then run the same command again: finished trials are kept"
        )
    else:
        action = "restore it from a copy, or run the study again in a new folder"
    return StoreError(f"the database {folder / DATABASE}: {error}", action)


def _words(error: BaseException) -> str:
    """Name an error in one short line."""
    text = str(error).partition("\n")[0][:120]
    if isinstance(error, json.JSONDecodeError):
        text = "a value that is no JSON"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
