"""A study's folder: the frozen plan, one SQLite database, artefacts beside it.

One writer: workers return values, the driver writes. A trial goes in as one transaction, so that
a kill at any moment loses at most the trials in flight.
"""

import dataclasses
import json
import os
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modicum.errors import ConfigError, StoreVersionError
from modicum.types import Completion, Finding, Grade, Mark, Solved, Trial

__all__ = ["Answer", "Outcome", "Store"]

SCHEMA = 1
"""Version of the newest migration."""


@dataclass(frozen=True)
class Answer:
    """What was drawn and marked for one test problem."""

    problem: str
    """Id of the problem."""
    texts: tuple[str, ...]
    """Every completion's text."""
    marks: tuple[Mark, ...]
    """Each completion's mark."""
    chosen: int = 0
    """Index of the completion that stands."""
    tokens: tuple[int, ...] = ()
    """Each completion's length."""
    stops: tuple[str, ...] = ()
    """Why each ended."""

    @property
    def mark(self) -> Mark:
        """The mark of the answer that stands."""
        return self.marks[self.chosen]

    @staticmethod
    def of(problem: str, solved: Solved, marks: tuple[Mark, ...]) -> "Answer":
        """Joins what a solver gave with its marks."""
        drawn: tuple[Completion, ...] = solved.completions
        return Answer(
            problem,
            tuple(c.text for c in drawn),
            marks,
            solved.chosen,
            tuple(c.n_tokens for c in drawn),
            tuple(c.stop for c in drawn),
        )


@dataclass(frozen=True)
class Outcome:
    """The result of a trial, or its error."""

    trial: Trial
    answers: tuple[Answer, ...] = ()
    """One for each test problem; empty where the trial failed."""
    elicitation: Mapping[str, float] = field(default_factory=dict)
    """Ledger of making the solver."""
    serving: Mapping[str, float] = field(default_factory=dict)
    """Ledger of solving the test problems."""
    retention: Mapping[str, tuple[bool, ...]] = field(default_factory=dict)
    """Lenient correctness on each retained task, after the nudge."""
    notes: Mapping[str, object] = field(default_factory=dict)
    """What the verdict quotes: the style, what was skipped, losses."""
    artefact: str = ""
    """Folder of the nudge, relative to the study's folder."""
    error: str = ""
    """Type, message and traceback of a failed trial."""


class Store:
    """The database and artefacts of one study folder."""

    def __init__(self, folder: Path) -> None:
        """Opens or makes the folder.

        Raises:
            ConfigError: the folder cannot be written, or is something else's.
            StoreVersionError: it was written by a newer modicum.
        """
        self.folder = folder
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
        try:
            self._db = sqlite3.connect(folder / "study.sqlite", isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            _migrate(self._db, folder)
        except sqlite3.DatabaseError as error:
            raise ConfigError(
                f"{folder / 'study.sqlite'}: {error}", "a study database", "choose another --out"
            ) from error

    def close(self) -> None:
        """Closes the database."""
        self._db.close()

    @property
    def plan(self) -> Mapping[str, object] | None:
        """The frozen plan, or None in a new folder."""
        row = self._db.execute("SELECT value FROM meta WHERE key='plan'").fetchone()
        return json.loads(row[0]) if row else None

    def freeze(self, plan: Mapping[str, object]) -> None:
        """Writes the plan; later calls overwrite what is not part of a trial's identity."""
        text = json.dumps(plan, indent=1, default=str)
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('plan', ?)", (text,))

    def keep_findings(self, model: str, task: str, findings: Sequence[Finding]) -> None:
        """Writes what the doctor says of a subject; replaces what it said before."""
        text = json.dumps([dataclasses.asdict(finding) for finding in findings])
        self._db.execute(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)", (_findings_key(model, task), text)
        )

    def findings(self, model: str, task: str) -> tuple[Finding, ...] | None:
        """Gives what the doctor said of a subject; None where it was not asked."""
        row = self._db.execute(
            "SELECT value FROM meta WHERE key=?", (_findings_key(model, task),)
        ).fetchone()
        return tuple(Finding(**values) for values in json.loads(row[0])) if row else None

    def done(self) -> set[str]:
        """Gives the ids of the finished trials; failed ones are tried again."""
        rows = self._db.execute("SELECT id FROM trials WHERE error=''")
        return {row[0] for row in rows}

    def failed(self) -> dict[str, str]:
        """Gives the error of each failed trial by id."""
        rows = self._db.execute("SELECT id, error FROM trials WHERE error<>''")
        return {name: _text(error) for name, error in rows}

    def write(self, outcome: Outcome) -> None:
        """Writes one trial in one transaction, replacing a failed try."""
        trial = outcome.trial
        summary = {
            "elicitation": dict(outcome.elicitation),
            "serving": dict(outcome.serving),
            "retention": {task: list(marks) for task, marks in outcome.retention.items()},
            "notes": dict(outcome.notes),
            "artefact": outcome.artefact,
        }
        identity = json.dumps(dataclasses.asdict(trial), sort_keys=True, default=str)
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("DELETE FROM answers WHERE trial=?", (trial.id,))
            self._db.execute(
                "INSERT OR REPLACE INTO trials VALUES (?,?,?,?)",
                (trial.id, identity, json.dumps(summary, default=str), _bound(outcome.error)),
            )
            self._db.executemany(
                "INSERT INTO answers VALUES (?,?,?,?)",
                (
                    (trial.id, place, _bound(answer.problem), _pack(answer))
                    for place, answer in enumerate(outcome.answers)
                ),
            )

    def read(self, trial: Trial) -> Outcome | None:
        """Gives the outcome of a trial, or None where it has not run."""
        row = self._db.execute(
            "SELECT summary, error FROM trials WHERE id=?", (trial.id,)
        ).fetchone()
        if row is None:
            return None
        summary = json.loads(row[0])
        return Outcome(
            trial=trial,
            answers=tuple(self.answers(trial)),
            elicitation=summary["elicitation"],
            serving=summary["serving"],
            retention={task: tuple(marks) for task, marks in summary["retention"].items()},
            notes=summary["notes"],
            artefact=summary["artefact"],
            error=_text(row[1]),
        )

    def by_id(self, trial: str) -> Outcome | None:
        """Gives the outcome of the trial with an id, or None where it has not run."""
        row = self._db.execute("SELECT identity FROM trials WHERE id=?", (trial,)).fetchone()
        return self.read(Trial(**json.loads(row[0]))) if row else None

    def heads(self) -> dict[str, Outcome]:
        """Gives every outcome by id without its answers, in the order they were written."""
        rows = self._db.execute("SELECT id, identity, summary, error FROM trials ORDER BY rowid")
        return {
            name: Outcome(Trial(**json.loads(identity)), **json.loads(summary), error=_text(error))
            for name, identity, summary, error in rows
        }

    def answers(self, trial: Trial) -> Iterator[Answer]:
        """Gives a trial's answers in the order of the test problems."""
        rows = self._db.execute(
            "SELECT problem, packed FROM answers WHERE trial=? ORDER BY place", (trial.id,)
        )
        for problem, packed in rows:
            yield _unpack(_text(problem), packed)

    def artefacts(self, trial: Trial) -> Path:
        """Names the folder of a trial's nudge."""
        return self.folder / "artefacts" / trial.id


def _findings_key(model: str, task: str) -> str:
    return json.dumps(["findings", model, task])


def _migrate(db: sqlite3.Connection, folder: Path) -> None:
    """Brings the tables to the newest version, one numbered step after the other."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA:
        raise StoreVersionError(
            f"{folder} holds a study of store version {version}",
            f"version {SCHEMA} or older",
            "update modicum, or choose another --out",
        )
    for number, statements in enumerate(_MIGRATIONS[version:], start=version + 1):
        with db:
            db.execute("BEGIN IMMEDIATE")
            for statement in statements:
                db.execute(statement)
            db.execute(f"PRAGMA user_version={number}")


_MIGRATIONS = (
    (
        "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
        "CREATE TABLE IF NOT EXISTS trials (id TEXT PRIMARY KEY, identity TEXT NOT NULL,"
        " summary TEXT NOT NULL, error TEXT NOT NULL)",
        "CREATE TABLE IF NOT EXISTS answers (trial TEXT NOT NULL, place INTEGER NOT NULL,"
        " problem TEXT NOT NULL, packed BLOB NOT NULL, PRIMARY KEY (trial, place)) WITHOUT ROWID",
    ),
)


def _bound(text: str) -> str | bytes:
    """Gives a text as SQLite takes it: bytes where lone surrogates stand in it."""
    return text.encode("utf-8", "surrogatepass") if _has_surrogates(text) else text


def _text(value: str | bytes) -> str:
    """Gives a bound text back."""
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


def _pack(answer: Answer) -> bytes:
    """Packs the texts and marks of one problem; lone surrogates survive as escapes."""
    rows = {
        "texts": answer.texts,
        "answers": [m.answer for m in answer.marks],
        "lenient": [int(m.lenient) for m in answer.marks],
        "strict": [int(m.strict) for m in answer.marks],
        "chosen": answer.chosen,
        "tokens": answer.tokens,
        "stops": answer.stops,
    }
    return zlib.compress(json.dumps(rows).encode(), level=1)


_GRADES = {int(grade): grade for grade in Grade}


def _unpack(problem: str, packed: bytes) -> Answer:
    rows = json.loads(zlib.decompress(packed))
    marks = tuple(
        Mark(answer, _GRADES[lenient], _GRADES[strict])
        for answer, lenient, strict in zip(
            rows["answers"], rows["lenient"], rows["strict"], strict=True
        )
    )
    return Answer(
        problem,
        tuple(rows["texts"]),
        marks,
        rows["chosen"],
        tuple(rows["tokens"]),
        tuple(rows["stops"]),
    )
