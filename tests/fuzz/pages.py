"""The database as bytes and as a database: pages, headers, logs beside it, tables that lie, bombs."""

import contextlib
import sqlite3
import tomllib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

from tests.fuzz.bench import Input
from tests.fuzz.databases import COMMANDS, FILE, bomb, opened, packed
from tests.fuzz.formats import Case
from tests.fuzz.hostile import Cut, Flip, Splice, flipped
from tests.fuzz.pantry import Pantry

__all__ = ["Pages"]

PAGE = 4096


@dataclass(frozen=True)
class Zero:
    """Fills a page with one byte."""

    page: int
    byte: int = 0


@dataclass(frozen=True)
class Exchange:
    """Puts two pages into each other's place."""

    page: int
    other: int


@dataclass(frozen=True)
class Head:
    """Writes a byte into the file's first hundred."""

    at: int
    byte: int


@dataclass(frozen=True)
class Beside:
    """Lays a file of garbage beside the database."""

    name: str
    what: bytes


@dataclass(frozen=True)
class Told:
    """Does something that SQL can do, by name."""

    name: str


Change = Flip | Cut | Splice | Zero | Exchange | Head | Beside | Told

_ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT"
_SPELLED = tomllib.loads((Path(__file__).parent / "statements.toml").read_text(encoding="utf-8"))
SQL: Mapping[str, str] = {n: s.replace("ENDLESS", _ENDLESS) for n, s in _SPELLED.items()}
"""What is done to a database, by name."""


def _bombed(table: str, column: str) -> Callable[[sqlite3.Connection], None]:
    def lay(db: sqlite3.Connection) -> None:
        db.execute(f"UPDATE {table} SET {column}=?", (bomb(3 << 30, b"[[[["),))

    return lay


def _deep(db: sqlite3.Connection) -> None:
    db.execute("UPDATE marks SET packed=?", (zlib.compress(b"[" * 200_000 + b"]" * 200_000),))


def _wrong_marks(db: sqlite3.Connection) -> None:
    db.execute(
        "UPDATE marks SET packed=?", (zlib.compress(b'[["p", ["a"], [9], [9], 7, [1], ["x"]]]'),)
    )


def _surrogate_marks(db: sqlite3.Connection) -> None:
    rows = b'[["\\ud800", ["\\udfff"], [1], [1], 0, [1], ["\\u001b]0;x\\u0007"]]]'
    db.execute("UPDATE marks SET packed=?", (zlib.compress(rows),))


LAID: Mapping[str, Callable[[sqlite3.Connection], None]] = {
    "bomb of marks": _bombed("marks", "packed"),
    "bomb of texts": _bombed("texts", "packed"),
    "deep marks": _deep,
    "wrong marks": _wrong_marks,
    "surrogate marks": _surrogate_marks,
}
GARBAGE = (
    b"",
    b"\0" * 32,
    b"SQLite format 3\0" + b"\xff" * 5000,
    b"\x37\x7f\x06\x82" + b"\0" * 4096,
    b"x" * 100_000,
)
SIDES = (f"{FILE}-wal", f"{FILE}-shm", f"{FILE}-journal")


class Pages:
    """The format of the database file."""

    def cases(self) -> st.SearchStrategy[Case]:
        """Return cases of one to three changes of bytes, and some that SQL can do."""
        shares, page = st.integers(0, 999), st.integers(0, 30)
        change = st.one_of(
            st.builds(Flip, shares, st.integers(0, 200), st.integers(1, 255)),
            st.builds(
                Flip, shares, st.integers(0, 200), st.sampled_from([1, 2, 4, 8, 16, 32, 64, 128])
            ),
            st.builds(Zero, page, st.sampled_from([0, 255, 13])),
            st.builds(Exchange, page, page),
            st.builds(Head, st.integers(0, 99), st.integers(0, 255)),
            st.builds(Cut, shares),
            st.builds(Splice, shares, st.sampled_from([b"\0", b"\xff" * 8, b"x" * PAGE])),
            st.builds(Beside, st.sampled_from(SIDES), st.sampled_from(GARBAGE)),
        )
        changes = st.lists(change.map(lambda c: (FILE, c)), min_size=1, max_size=3).map(tuple)
        return st.builds(Case, st.just("study"), changes, st.sampled_from(list(COMMANDS)))

    def listed(self) -> list[Case]:
        """Return a case for everything that SQL can do, with three commands each, and for garbage."""
        names, commands = [*SQL, *LAID], list(COMMANDS)
        found = []
        for n, name in enumerate(names):
            chosen = (commands[n % 5], commands[5 + n % 5], "report")
            found += [Case("study", ((FILE, Told(name)),), command) for command in chosen]
        found += [
            Case("study", ((FILE, Beside(name, what)),), commands[n])
            for name in SIDES
            for n, what in enumerate(GARBAGE)
        ]
        pages = [(Zero(n), commands[n % len(commands)]) for n in range(30)]
        return [*found, *(Case("study", ((FILE, page),), command) for page, command in pages)]

    def unchanged(self, pantry: Pantry) -> list[Input]:
        """Return every command but the one that wants a rung of another kind."""
        names = [name for name in COMMANDS if name != "handoff"]
        return [self.input_of(Case("study", (), name), pantry) for name in names]

    def input_of(self, case: Case, pantry: Pantry) -> Input:
        """Return the files and the command."""
        path = pantry.folder / case.seed / FILE
        text, beside = path.read_bytes(), {}
        for _, change in case.changes:
            if isinstance(change, Beside):
                beside[f"{case.seed}/{change.name}"] = change.what
            else:
                text = _damaged(text, change, path)
        command = tuple(part.replace("/@", f"/{case.seed}") for part in COMMANDS[case.command])
        return Input({f"{case.seed}/{FILE}": text, **beside}, (case.seed,), (command,))


def _damaged(text: bytes, change: object, path: Path) -> bytes:
    if isinstance(change, Told):
        return _told(path, change.name)
    if isinstance(change, Flip):
        return flipped(text, change)
    if isinstance(change, Cut):
        return text[: len(text) * change.share // 1000]
    if isinstance(change, Splice):
        at = len(text) * change.share // 1000
        return text[:at] + change.what + text[at:]
    pages = [text[i : i + PAGE] for i in range(0, len(text), PAGE)] or [b""]
    if isinstance(change, Zero):
        place = change.page % len(pages)
        pages[place] = bytes([change.byte]) * len(pages[place])
    elif isinstance(change, Exchange):
        one, two = change.page % len(pages), change.other % len(pages)
        pages[one], pages[two] = pages[two], pages[one]
    elif isinstance(change, Head):
        return text[: change.at] + bytes([change.byte]) + text[change.at + 1 :]
    return b"".join(pages)


def _told(path: Path, name: str) -> bytes:
    db = opened(path)
    if name not in ("kept a number", "kept a list", "kept bytes"):
        db.execute("DELETE FROM meta WHERE key LIKE 'kept %'")
    if name in LAID:
        LAID[name](db)
    else:
        with contextlib.suppress(
            sqlite3.Error
        ):  # a statement that this SQLite refuses changes nothing
            db.executescript(SQL[name])
    return packed(db)
