"""A study's folder: the frozen plan, one SQLite database, artefacts beside it.

One writer: workers return values, the driver writes. A trial goes in as one transaction, so that
a kill at any moment loses at most the trials in flight.
"""

import dataclasses
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modicum.errors import ConfigError
from modicum.migrations import SCHEMA, migrate
from modicum.outcome import Answer, Outcome, pack_marks, unpack_marks
from modicum.stock import Draw, pack_texts, text_hash, unpack_texts
from modicum.types import Finding, Mark, Trial

__all__ = ["SCHEMA", "Answer", "Outcome", "Row", "Store"]


@dataclass(frozen=True, slots=True)
class Row:
    """One completion with its mark, as one leafs through them."""

    trial: str
    """Id of the trial."""
    problem: str
    """Id of the problem."""
    sample: int
    """Which of the problem's completions, from 0."""
    text: str
    mark: Mark
    tokens: int
    """Its length; 0 where it was not counted."""
    stop: str
    """Why it ended; empty where that was not kept."""
    stands: bool
    """Whether it is the one that counts as the answer."""


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
            migrate(self._db, folder)
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

    def keep_findings(
        self,
        model: str,
        task: str,
        findings: Sequence[Finding],
        costs: Mapping[str, float] | None = None,
    ) -> None:
        """Writes what the doctor says of a subject and what that cost; replaces what it said before."""
        text = json.dumps([dataclasses.asdict(finding) for finding in findings])
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(_COUNT_WRITE)
            self._db.execute(
                "INSERT OR REPLACE INTO meta VALUES (?, ?)", (_findings_key(model, task), text)
            )
            self._db.execute(
                "INSERT OR REPLACE INTO meta VALUES (?, ?)",
                (_findings_key(model, task, "costs"), json.dumps(dict(costs or {}))),
            )

    def findings(self, model: str, task: str) -> tuple[Finding, ...] | None:
        """Gives what the doctor said of a subject; None where it was not asked."""
        row = self._db.execute(
            "SELECT value FROM meta WHERE key=?", (_findings_key(model, task),)
        ).fetchone()
        return tuple(Finding(**values) for values in json.loads(row[0])) if row else None

    def findings_costs(self, model: str, task: str) -> Mapping[str, float]:
        """Gives the ledger of the doctor's look at a subject; empty where it was not asked."""
        row = self._db.execute(
            "SELECT value FROM meta WHERE key=?", (_findings_key(model, task, "costs"),)
        ).fetchone()
        return json.loads(row[0]) if row else {}

    @property
    def writes(self) -> int:
        """Counts what was ever written: while it stands still, nothing has changed."""
        row = self._db.execute("SELECT value FROM meta WHERE key='writes'").fetchone()
        return int(row[0]) if row else 0

    def keep(self, name: str, stamp: str, value: str) -> None:
        """Keeps a value that was computed from the store, until it is kept again.

        Args:
            name: What it is.
            stamp: What it was computed from; another stamp finds nothing.
            value: The value as text.
        """
        self._db.execute(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)",
            (f"kept {name}", json.dumps([stamp, value])),
        )

    def kept(self, name: str, stamp: str) -> str | None:
        """Gives a value that was kept with this stamp, or None."""
        row = self._db.execute("SELECT value FROM meta WHERE key=?", (f"kept {name}",)).fetchone()
        found, value = json.loads(row[0]) if row else ("", None)
        return value if found == stamp else None

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
            "text_loss": list(outcome.text_loss),
            "notes": dict(outcome.notes),
            "artefact": outcome.artefact,
        }
        identity = json.dumps(dataclasses.asdict(trial), sort_keys=True, default=str)
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(_COUNT_WRITE)
            self._db.execute("DELETE FROM answers WHERE trial=?", (trial.id,))
            self._db.execute(
                "INSERT OR REPLACE INTO trials VALUES (?,?,?,?)",
                (trial.id, identity, json.dumps(summary, default=str), _bound(outcome.error)),
            )
            seen: list[Answer] = []
            for place, answer in enumerate(outcome.answers):
                name = self._keep_texts(pack_texts(answer.texts))
                problem = _bound(answer.problem)
                self._db.execute(
                    "INSERT INTO answers VALUES (?,?,?,?)", (trial.id, place, problem, name)
                )
                seen.append(answer)
            self._db.execute(
                "INSERT OR REPLACE INTO marks VALUES (?,?)", (trial.id, pack_marks(seen))
            )
            self._keep_draws(outcome.draws)

    def keep_draws(self, draws: Sequence[Draw]) -> None:
        """Writes what was drawn outside of a trial, by address."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._keep_draws(draws)

    def _keep_draws(self, draws: Sequence[Draw]) -> None:
        """Writes draws; the longer of two at one address stays."""
        for draw in draws:
            self._db.execute(
                "INSERT INTO draws VALUES (?,?,?,?) ON CONFLICT (address) DO UPDATE SET"
                " n=excluded.n, texts=excluded.texts, rest=excluded.rest WHERE excluded.n > n",
                (draw.address, draw.n, self._keep_texts(draw.texts), draw.rest),
            )

    def _keep_texts(self, packed: bytes) -> bytes:
        """Writes packed texts once, whoever has them, and gives their name."""
        name = text_hash(packed)
        self._db.execute("INSERT OR IGNORE INTO texts VALUES (?,?)", (name, packed))
        return name

    def read(self, trial: Trial, *, texts: bool = True) -> Outcome | None:
        """Gives the outcome of a trial, or None where it has not run.

        Args:
            trial: Which.
            texts: Without them it is read many times as fast, and `Answer.texts` are empty.
        """
        row = self._db.execute(
            "SELECT summary, error FROM trials WHERE id=?", (trial.id,)
        ).fetchone()
        if row is None:
            return None
        answers = tuple(self.answers(trial, texts=texts))
        return Outcome(trial, answers, **_summary(row[0]), error=_text(row[1]))

    def by_id(self, trial: str, *, texts: bool = True) -> Outcome | None:
        """Gives the outcome of the trial with an id as `read` does."""
        row = self._db.execute("SELECT identity FROM trials WHERE id=?", (trial,)).fetchone()
        return self.read(Trial(**json.loads(row[0])), texts=texts) if row else None

    def heads(self) -> dict[str, Outcome]:
        """Gives every outcome by id without its answers, in the order they were written."""
        rows = self._db.execute("SELECT id, identity, summary, error FROM trials ORDER BY rowid")
        return {
            name: Outcome(Trial(**json.loads(identity)), **_summary(summary), error=_text(error))
            for name, identity, summary, error in rows
        }

    def weights(self) -> dict[str, int]:
        """Gives the bytes that each trial's answers take as stored; nothing is unpacked."""
        rows = self._db.execute(
            "SELECT trial, SUM(LENGTH(packed)) FROM answers JOIN texts ON name=texts GROUP BY trial"
        )
        return dict(rows)

    def answers(self, trial: Trial, *, texts: bool = True) -> Iterator[Answer]:
        """Gives a trial's answers in the order of the test problems; see `read` for `texts`."""
        row = self._db.execute("SELECT packed FROM marks WHERE trial=?", (trial.id,)).fetchone()
        marked = unpack_marks(row[0]) if row else []
        if not texts:
            yield from marked
            return
        packed = self._db.execute(
            "SELECT packed FROM answers JOIN texts ON name=texts WHERE trial=? ORDER BY place",
            (trial.id,),
        )
        for answer, (block,) in zip(marked, packed, strict=True):
            yield dataclasses.replace(answer, texts=unpack_texts(block))

    def rows(self, trials: Iterable[Trial], *, standing: bool = False) -> Iterator[Row]:
        """Streams the completions of trials; in memory is one problem's texts at a time.

        Args:
            trials: Which, in this order.
            standing: Only those that stand as the answer.
        """
        for trial in trials:
            for answer in self.answers(trial):
                wanted = [answer.chosen] if standing else range(len(answer.texts))
                for sample in wanted:
                    yield Row(
                        trial.id,
                        answer.problem,
                        sample,
                        answer.texts[sample],
                        answer.marks[sample],
                        answer.tokens[sample] if answer.tokens else 0,
                        answer.stops[sample] if answer.stops else "",
                        sample == answer.chosen,
                    )

    def artefacts(self, trial: Trial) -> Path:
        """Names the folder of a trial's nudge."""
        return self.folder / "artefacts" / trial.id


def _summary(text: str) -> dict[str, Any]:
    """Reads all of an outcome but its identity, answers and error."""
    values = json.loads(text)
    retention = {task: tuple(marks) for task, marks in values["retention"].items()}
    # studies of before the held-out text have no losses
    return {**values, "retention": retention, "text_loss": tuple(values.get("text_loss", ()))}


def _findings_key(model: str, task: str, *part: str) -> str:
    return json.dumps(["findings", model, task, *part])


_COUNT_WRITE = (
    "INSERT INTO meta VALUES ('writes', '1')"
    " ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + 1"
)


def _bound(text: str) -> str | bytes:
    """Gives a text as SQLite takes it: bytes where lone surrogates stand in it."""
    return text.encode("utf-8", "surrogatepass") if _has_surrogates(text) else text


def _text(value: str | bytes) -> str:
    """Gives a bound text back."""
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)
