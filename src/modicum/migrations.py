"""The tables of a study's database, brought to the newest version step by step."""

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from modicum.errors import StoreVersionError
from modicum.outcome import Answer, pack_marks
from modicum.packing import unpacked_json
from modicum.stock import pack_texts, text_hash
from modicum.types import Mark

__all__ = ["SCHEMA", "migrate"]

SCHEMA = 3
"""Version of the newest migration."""


def migrate(db: sqlite3.Connection, folder: Path) -> None:
    """Brings the tables to the newest version, one numbered step after the other."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA:
        raise StoreVersionError(
            f"{folder} holds a study of store version {version}",
            f"version {SCHEMA} or older",
            "update modicum, or choose another --out",
        )
    for number, step in enumerate(_MIGRATIONS[version:], start=version + 1):
        with db:
            db.execute("BEGIN IMMEDIATE")
            step(db)
            db.execute(f"PRAGMA user_version={number}")


def _first_tables(db: sqlite3.Connection) -> None:
    """Version 1: texts and marks of a problem in one block."""
    db.execute("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
    db.execute(
        "CREATE TABLE IF NOT EXISTS trials (id TEXT PRIMARY KEY, identity TEXT NOT NULL,"
        " summary TEXT NOT NULL, error TEXT NOT NULL)"
    )
    db.execute(
        "CREATE TABLE IF NOT EXISTS answers (trial TEXT NOT NULL, place INTEGER NOT NULL,"
        " problem TEXT NOT NULL, packed BLOB NOT NULL, PRIMARY KEY (trial, place)) WITHOUT ROWID"
    )


def _marks_apart(db: sqlite3.Connection) -> None:
    """Version 2: marks of a trial in one block, so that verdicts need no text."""
    db.execute("CREATE TABLE marks (trial TEXT PRIMARY KEY, packed BLOB NOT NULL)")
    db.execute("ALTER TABLE answers RENAME COLUMN packed TO texts")
    for (trial,) in db.execute("SELECT id FROM trials").fetchall():
        rows = db.execute(
            "SELECT place, problem, texts FROM answers WHERE trial=? ORDER BY place", (trial,)
        ).fetchall()
        old = [(place, _name(name), unpacked_json(b)) for place, name, b in rows]
        db.executemany(
            "UPDATE answers SET texts=? WHERE trial=? AND place=?",
            [(pack_texts(values["texts"]), trial, place) for place, _, values in old],
        )
        marked = pack_marks(_old_answer(name, values) for _, name, values in old)
        db.execute("INSERT INTO marks VALUES (?,?)", (trial, marked))


def _old_answer(problem: str, values: Mapping[str, Any]) -> Answer:
    """Gives an answer of version 1 without its texts."""
    marks = tuple(map(Mark, values["answers"], values["lenient"], values["strict"]))
    return Answer(
        problem, (), marks, values["chosen"], tuple(values["tokens"]), tuple(values["stops"])
    )


def _texts_once(db: sqlite3.Connection) -> None:
    """Version 3: equal texts once, and what was drawn by its address."""
    db.execute("CREATE TABLE texts (name BLOB PRIMARY KEY, packed BLOB NOT NULL)")
    db.execute(
        "CREATE TABLE draws (address BLOB PRIMARY KEY, n INTEGER NOT NULL, texts BLOB NOT NULL,"
        " rest BLOB NOT NULL)"
    )
    db.create_function("text_hash", 1, text_hash, deterministic=True)
    db.execute("INSERT OR IGNORE INTO texts SELECT text_hash(texts), texts FROM answers")
    db.execute("UPDATE answers SET texts=text_hash(texts)")


_MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    _first_tables,
    _marks_apart,
    _texts_once,
)


def _name(value: str | bytes) -> str:
    """Gives the id of a problem; bytes where lone surrogates stand in it."""
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value
