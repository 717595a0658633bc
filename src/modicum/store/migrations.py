"""The tables of a study's database, brought to the newest version step by step."""

import json
import sqlite3
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from modicum.errors import StoreVersionError
from modicum.files.packing import summed, unpacked_json, unsummed
from modicum.ledger import as_reused
from modicum.outcome import Answer, Outcome, pack_marks, unpack_marks
from modicum.plain import thawed
from modicum.stock import pack_texts, text_hash
from modicum.store.summary import outcome_of, summary_of
from modicum.types import Grade, Mark, Trial

__all__ = ["SCHEMA", "migrate"]

SCHEMA = 4
"""Version of the newest migration."""


def migrate(db: sqlite3.Connection, folder: Path) -> None:
    """Bring the tables to the newest version, one numbered step after the other."""
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
    """Return an answer of version 1 without its texts."""
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


def _twins_apart(db: sqlite3.Connection) -> None:
    """Version 4: a measure's answers against moved golds are a trial of their own, as every twin is.

    Until then its marks against them stood beside the measure, right or not. A row that is damaged
    is left for its reader to say so.
    """
    planned = _planned(db)
    for identity, summary, packed in db.execute(
        "SELECT identity, summary, packed FROM trials JOIN marks ON id=trial WHERE error=''"
    ).fetchall():
        try:
            twin = _kept_twin(Trial.thawed(identity), unsummed(summary), packed, planned)
        except (ValueError, TypeError, KeyError, zlib.error):
            continue
        if twin is not None:
            _copy_as(twin, db)


def _planned(db: sqlite3.Connection) -> set[tuple[str, str, int | None]]:
    """Return every model, task and number of test problems that the frozen plan studies."""
    row = db.execute("SELECT value FROM meta WHERE key='plan'").fetchone()
    try:
        plan = json.loads(row[0]) if row is not None else {"grids": [], "test": None}
        pairs = [(m, t) for grid in plan["grids"] for m in grid["models"] for t in grid["tasks"]]
        return {(model, task, plan["test"]) for model, task in pairs}
    except (ValueError, TypeError, KeyError):
        return set()


def _kept_twin(
    trial: Trial,
    summary: Mapping[str, Any],
    packed: bytes,
    planned: set[tuple[str, str, int | None]],
) -> Outcome | None:
    """Return the twin of a measure from the marks that were kept beside it; None where none were."""
    kept = summary["notes"].get("scrambled")
    if kept is None or trial.is_twin or (trial.model, trial.task, trial.scope.test) not in planned:
        return None
    measure, answers = outcome_of(trial, summary), unpack_marks(packed)
    pairs = list(zip(answers, thawed(tuple[int, ...], kept, "scrambled"), strict=True))
    return replace(
        measure,
        trial=replace(trial, task=f"scrambled:{trial.task}"),
        answers=tuple(replace(answer, marks=_moved(answer, right)) for answer, right in pairs),
        elicitation=as_reused(measure.elicitation, 0),
        serving=as_reused(measure.serving, sum(len(answer.marks) for answer in answers)),
        lost=None,
        artefact="",
    )


def _moved(answer: Answer, right: int) -> tuple[Mark, ...]:
    """Return the marks of one answer against a moved gold; what could not be read has none."""
    grade = Grade.CORRECT if right else Grade.INCORRECT
    return tuple(
        Mark(
            mark.answer,
            grade if mark.lenient != Grade.UNREADABLE or right else mark.lenient,
            grade if mark.strict != Grade.UNREADABLE else mark.strict,
        )
        for mark in answer.marks
    )


def _copy_as(twin: Outcome, db: sqlite3.Connection) -> None:
    """Write a twin, whose texts are its measure's."""
    trial = twin.trial
    measure = replace(trial, task=trial.subject).id
    db.execute(
        "INSERT OR IGNORE INTO trials VALUES (?,?,?,'')",
        (trial.id, trial.identity, summed(summary_of(twin))),
    )
    db.execute("INSERT OR IGNORE INTO marks VALUES (?,?)", (trial.id, pack_marks(twin.answers)))
    db.execute(
        "INSERT OR IGNORE INTO answers SELECT ?, place, problem, texts FROM answers WHERE trial=?",
        (trial.id, measure),
    )


_MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    _first_tables,
    _marks_apart,
    _texts_once,
    _twins_apart,
)


def _name(value: str | bytes) -> str:
    """Return the id of a problem; bytes where lone surrogates stand in it."""
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value
