"""A study's folder: the frozen plan, one SQLite database, artefacts beside it.

One writer: workers return values, the driver writes. A trial goes in as one transaction, so that
a kill at any moment loses at most the trials in flight.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from modicum.files.packing import summed, unsummed
from modicum.outcome import Answer, Outcome, pack_marks, unpack_marks
from modicum.stock import Draw, pack_texts, text_hash, unpack_texts
from modicum.store.facts import COUNT_WRITE, Facts, Session, told
from modicum.store.migrations import SCHEMA
from modicum.store.opening import damage_told, open_to_read, open_to_write
from modicum.store.summary import outcome_of, summary_of
from modicum.types import Mark, Trial

__all__ = ["SCHEMA", "Answer", "Outcome", "Session", "Store", "StoredAnswer"]


@dataclass(frozen=True, slots=True)
class StoredAnswer:
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


class Store(Facts):
    """The database and artefacts of one study folder."""

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        """Open or makes the folder.

        Args:
            folder: The study's folder.
            read_only: Only read what is there, on a read-only disk too; `keep` then keeps nothing.

        Raises:
            ConfigError: the folder cannot be written, or is something else's; holds no study.
            StoreVersionError: it was written by a newer modicum.
            StoreError: its database is damaged, or the disk is full.
        """
        self.folder, self.is_read_only = folder, read_only
        self._db = open_to_read(folder) if read_only else open_to_write(folder)

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    @told
    def done(self) -> set[str]:
        """Return the ids of the finished trials; failed ones are tried again."""
        rows = self._db.execute("SELECT id FROM trials WHERE error=''")
        return {row[0] for row in rows}

    @told
    def failed(self) -> dict[str, str]:
        """Return the error of each failed trial by id."""
        rows = self._db.execute("SELECT id, error FROM trials WHERE error<>''")
        return {name: _text(error) for name, error in rows}

    @property
    def has_draws(self) -> bool:
        """Whether anything was drawn: by a trial, or by the check before any."""
        with damage_told(self.folder):
            return self._db.execute("SELECT 1 FROM draws LIMIT 1").fetchone() is not None

    def write(self, outcome: Outcome) -> None:
        """Write one trial in one transaction, replacing a failed try."""
        trial = outcome.trial
        summary = summed(summary_of(outcome))
        with damage_told(self.folder, is_writing=True), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(COUNT_WRITE)
            self._db.execute("DELETE FROM answers WHERE trial=?", (trial.id,))
            self._db.execute(
                "INSERT OR REPLACE INTO trials VALUES (?,?,?,?)",
                (trial.id, trial.identity, summary, _bound(outcome.error)),
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
        """Write what was drawn outside of a trial, by address."""
        with damage_told(self.folder, is_writing=True), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._keep_draws(draws)

    def _keep_draws(self, draws: Sequence[Draw]) -> None:
        """Write draws; the longer of two at one address stays."""
        for draw in draws:
            self._db.execute(
                "INSERT INTO draws VALUES (?,?,?,?) ON CONFLICT (address) DO UPDATE SET"
                " n=excluded.n, texts=excluded.texts, rest=excluded.rest WHERE excluded.n > n",
                (draw.address, draw.n, self._keep_texts(draw.texts), draw.rest),
            )

    def _keep_texts(self, packed: bytes) -> bytes:
        """Write packed texts once, whoever has them, and give their name."""
        name = text_hash(packed)
        self._db.execute("INSERT OR IGNORE INTO texts VALUES (?,?)", (name, packed))
        return name

    @told
    def read(self, trial: Trial, *, texts: bool = True) -> Outcome | None:
        """Return the outcome of a trial, or None where it has not run.

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
        head = outcome_of(trial, unsummed(row[0]), _text(row[1]))
        return dataclasses.replace(head, answers=answers)

    @told
    def by_id(self, trial: str, *, texts: bool = True) -> Outcome | None:
        """Return the outcome of the trial with an id as `read` does."""
        row = self._db.execute("SELECT identity FROM trials WHERE id=?", (trial,)).fetchone()
        return self.read(Trial.thawed(row[0]), texts=texts) if row else None

    @told
    def heads(self) -> dict[str, Outcome]:
        """Return every outcome by id without its answers, in the order they were written."""
        rows = self._db.execute("SELECT id, identity, summary, error FROM trials ORDER BY rowid")
        return {
            _text(name): outcome_of(Trial.thawed(identity), unsummed(summary), _text(error))
            for name, identity, summary, error in rows
        }

    @told
    def weights(self) -> dict[str, int]:
        """Return the bytes that each trial's answers take as stored; nothing is unpacked."""
        rows = self._db.execute(
            "SELECT trial, SUM(LENGTH(packed)) FROM answers JOIN texts ON name=texts GROUP BY trial"
        )
        return dict(rows)

    def answers(self, trial: Trial, *, texts: bool = True) -> Iterator[Answer]:
        """Yield a trial's answers in the order of the test problems; see `read` for `texts`."""
        with damage_told(self.folder):
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

    def rows(self, trials: Iterable[Trial], *, standing: bool = False) -> Iterator[StoredAnswer]:
        """Stream the completions of trials; in memory is one problem's texts at a time.

        Args:
            trials: Which, in this order.
            standing: Only those that stand as the answer.
        """
        for trial in trials:
            for answer in self.answers(trial):
                wanted = [answer.chosen] if standing else range(len(answer.texts))
                for sample in wanted:
                    yield StoredAnswer(
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
        """Name the folder of a trial's nudge."""
        return self.folder / "artefacts" / trial.id


def _bound(text: str) -> str | bytes:
    """Return a text as SQLite takes it: bytes where lone surrogates stand in it."""
    return text.encode("utf-8", "surrogatepass") if _has_surrogates(text) else text


def _text(value: str | bytes) -> str:
    """Return a bound text back."""
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)
