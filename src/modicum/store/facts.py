"""What a study's database holds beside trials: plan, findings, computed values, tasks, sessions."""

import dataclasses
import functools
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from modicum.plain import JsonObject, plain, thawed
from modicum.store.kept_tasks import TaskRecord
from modicum.store.opening import damage_told
from modicum.types import Finding

__all__ = ["COUNT_WRITE", "Facts", "FindingsKey", "Session", "told"]

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound="Facts")

COUNT_WRITE = (
    "INSERT INTO meta VALUES ('writes', '1')"
    " ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + 1"
)
"""Counts one change of what verdicts are made from."""
_EARLIER = "plans earlier"
"""Key of the plans that the folder was run with before the frozen one."""

_EDITION = "edition "
"""Begins the keys of what the tasks were before one of them changed."""


@dataclasses.dataclass(frozen=True)
class Session:
    """One run of a study, as far as it came: what a killed one took is counted too."""

    name: str
    """Unique within the study."""
    seconds: float
    """Wall seconds from its start to its last sign of life."""
    tokens: float
    """Sampled and trained until then, those of trials that never ended included."""


@dataclasses.dataclass(frozen=True)
class FindingsKey:
    """Of what a check's findings are."""

    model: str
    task: str
    scope: str = ""
    """The sizes and the content that it was checked for (`Scope.checked`)."""

    def text(self, *part: str) -> str:
        """Return it as the store names it."""
        scope = [self.scope] if self.scope else []
        return json.dumps(["findings", self.model, self.task, *scope, *part])


class Facts:
    """Named values of one study; `Store` adds the trials."""

    folder: Path
    """The study's folder."""
    is_read_only: bool
    """Whether nothing is written; `keep` then keeps nothing."""
    _db: sqlite3.Connection

    @property
    def plan(self) -> JsonObject | None:
        """The frozen plan, or None in a new folder."""
        text = self._fact("plan")
        return None if text is None else _table(self.folder, text)

    @property
    def plans(self) -> list[JsonObject]:
        """Every plan that the folder was run with, the newest first."""
        newest, text = self.plan, self._fact(_EARLIER)
        with damage_told(self.folder):
            earlier = thawed(list[JsonObject], json.loads(text)) if text is not None else []
        return [] if newest is None else [newest, *(one for one in earlier if one != newest)]

    def freeze(self, plan: JsonObject) -> None:
        """Put a plan before those that the folder holds; none of them goes."""
        text, known = json.dumps(plan, indent=1, default=str), self.plans
        newest = json.loads(text)
        if known[:1] == [newest]:
            return
        earlier = [one for one in known if one != newest]
        with damage_told(self.folder, is_writing=True), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            if earlier:
                self._set(_EARLIER, json.dumps(earlier))
            self._set("plan", text)

    def keep_findings(
        self,
        checked: FindingsKey,
        findings: Sequence[Finding],
        costs: Mapping[str, float] | None = None,
    ) -> None:
        """Write what the check says of a subject and what that cost; replaces what it said before."""
        text = json.dumps(plain(findings))
        with damage_told(self.folder, is_writing=True), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(COUNT_WRITE)
            self._set(checked.text(), text)
            self._set(checked.text("costs"), json.dumps(dict(costs or {})))

    def findings(self, checked: FindingsKey, *, exact: bool = False) -> tuple[Finding, ...] | None:
        """Return what the check said of a subject; None where it was not checked in these sizes.

        Args:
            checked: What was checked.
            exact: Take nothing of an earlier version, which did not keep for which sizes it was.
        """
        text = self._fact(checked.text()) if exact else self._said(checked)
        with damage_told(self.folder):
            return None if text is None else thawed(tuple[Finding, ...], json.loads(text))

    def findings_costs(self, checked: FindingsKey) -> Mapping[str, float]:
        """Return the ledger of the check of a subject; empty where it was not checked in these sizes."""
        text = self._said(checked, "costs")
        found = _table(self.folder, text) if text is not None else {}
        with damage_told(self.folder):
            return thawed(dict[str, float], found, "costs")

    def _said(self, checked: FindingsKey, *part: str) -> str | None:
        """Return what a check said; of an earlier version where one plan was run."""
        text = self._fact(checked.text(*part))
        if text is None and len(self.plans) <= 1:
            return self._fact(FindingsKey(checked.model, checked.task).text(*part))
        return text

    @property
    def writes(self) -> int:
        """Count what was ever written: while it stands still, nothing has changed."""
        with damage_told(self.folder):
            return int(self._fact("writes") or 0)

    def keep(self, name: str, stamp: str, value: str) -> None:
        """Keep a value that was computed from the store, until it is kept again.

        Args:
            name: What it is.
            stamp: What it was computed from; another stamp finds nothing.
            value: The value as text.
        """
        if not self.is_read_only:
            self._set(f"kept {name}", json.dumps([stamp, value]))

    def kept(self, name: str, stamp: str | None) -> str | None:
        """Return a value that was kept with this stamp, or None; whatever its stamp where None."""
        text = self._fact(f"kept {name}")
        if text is None:
            return None
        with damage_told(self.folder):
            found, value = json.loads(text)
            return str(value) if stamp in (None, found) else None

    @property
    def driver(self) -> str:
        """Who is at work on the study, or was last, in words; empty where that is not known."""
        return self._fact("driver") or ""

    def keep_driver(self, name: str) -> None:
        """Write who is at work on the study."""
        self._set("driver", name)

    def keep_task(
        self, reference: str, record: TaskRecord, *, is_same: Callable[[str], bool] | None = None
    ) -> None:
        """Keep what a task is now; of the same task the record with more problems stays.

        Where its files have changed, all tasks are kept as they were before too (`editions`).

        Args:
            reference: The task's full reference.
            record: What it is.
            is_same: Says of an earlier fingerprint whether it is of the same files.
        """
        text, known = record.as_text(), self._fact(_task_key(reference))
        if text == known:
            return
        with damage_told(self.folder):
            before = None if known is None else TaskRecord.from_text(known)
        if before is None or not before.holds(record):
            if before is not None and not self._is_of(before, record, is_same):
                self._keep_edition(reference, before, record)
            else:
                self._set(_task_key(reference), text)

    @staticmethod
    def _is_of(
        before: TaskRecord, record: TaskRecord, is_same: Callable[[str], bool] | None
    ) -> bool:
        """Say whether a record is of the same files as an earlier one."""
        if before.fingerprint == record.fingerprint:
            return True
        return is_same is not None and is_same(before.fingerprint)

    def _keep_edition(self, reference: str, before: TaskRecord, record: TaskRecord) -> None:
        """Keep all tasks as they were, and of a changed one what it is now."""
        kept = {name: one.fingerprint for name, one in self.kept_tasks().items()}
        again = self._fact(_task_key(reference, record.fingerprint))
        with damage_told(self.folder, is_writing=True), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(COUNT_WRITE)
            number = len(self._editions()) + 1
            self._set(f"{_EDITION}{number:06}", json.dumps(kept))
            self._set(_task_key(reference, before.fingerprint), before.as_text())
            is_more = again is not None and TaskRecord.from_text(again).holds(record)
            self._set(_task_key(reference), str(again) if is_more else record.as_text())

    def kept_tasks(self) -> dict[str, TaskRecord]:
        """Return every task that the study keeps, by full reference."""
        with damage_told(self.folder):
            rows = self._db.execute("SELECT key, value FROM meta WHERE key LIKE '[\"task\", %'")
            return {str(json.loads(key)[1]): TaskRecord.from_text(text) for key, text in rows}

    def editions(self) -> list[dict[str, TaskRecord]]:
        """Return the study's tasks as they were each time before files of theirs changed, oldest first."""
        found = []
        with damage_told(self.folder):
            now = {name: (one.fingerprint, one) for name, one in self.kept_tasks().items()}
            for text in self._editions():
                tasks = {}
                for name, content in thawed(dict[str, str], json.loads(text)).items():
                    known = self._fact(_task_key(name, content))
                    if known is not None:
                        tasks[name] = TaskRecord.from_text(known)
                    elif now[name][0] == content:
                        tasks[name] = now[name][1]
                found.append(tasks)
        return found

    def _editions(self) -> list[str]:
        pattern = f"{_EDITION}%"
        rows = self._db.execute("SELECT value FROM meta WHERE key LIKE ? ORDER BY key", (pattern,))
        return [row[0] for row in rows]

    def keep_session(self, session: Session) -> None:
        """Write how far a run has come."""
        self._set(*self.session_row(session))

    @staticmethod
    def session_row(session: Session) -> tuple[str, str]:
        """Return the key and the value under which a session is kept."""
        return f"session {session.name}", json.dumps(plain(session))

    def sessions(self) -> tuple[Session, ...]:
        """Return the runs of this study, as far as each came; none of earlier versions."""
        with damage_told(self.folder):
            rows = self._db.execute("SELECT value FROM meta WHERE key LIKE 'session %'")
            return tuple(thawed(Session, json.loads(row[0])) for row in rows)

    def _fact(self, key: str) -> str | None:
        with damage_told(self.folder):
            row = self._db.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()
            if row is not None and not isinstance(row[0], str):
                raise TypeError(type(row[0]).__name__)
            return row[0] if row else None

    def _set(self, key: str, value: str) -> None:
        with damage_told(self.folder, is_writing=True):
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def told(method: Callable[Concatenate[F, P], R]) -> Callable[Concatenate[F, P], R]:
    """Let a method of a store say in words that its database is damaged or cannot be read."""

    @functools.wraps(method)
    def guarded(self: F, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with damage_told(self.folder):
            return method(self, *args, **kwargs)

    return guarded


def _table(folder: Path, text: str) -> JsonObject:
    """Read a JSON object."""
    with damage_told(folder):
        found = json.loads(text)
        if not isinstance(found, dict):
            raise TypeError(type(found).__name__)
        return found


def _task_key(reference: str, *content: str) -> str:
    """Name a task; with its fingerprint one that has changed since."""
    return json.dumps([*(["earlier"] if content else []), "task", reference, *content])
