"""Commands in processes of their own that are interrupted or killed, and what they leave behind."""

import contextlib
import hashlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.sources import ROOT

__all__ = ["Command", "Ended", "Place", "finished_rows", "paths_of", "timeless"]

MARK = "MODICUM_TEST_RUN"
"""Variable of the environment by which every descendant is found, whatever session it is in."""
TICK_S = 0.01


@dataclass(frozen=True)
class Place:
    """A study's folder with a temporary folder of its own."""

    root: Path

    @property
    def study(self) -> Path:
        """Where the study lies."""
        return self.root / "study"

    @property
    def scratch(self) -> Path:
        """What `TMPDIR` names."""
        return self.root / "tmp"

    def made(self) -> "Place":
        """Make the folders."""
        self.scratch.mkdir(parents=True)
        return self


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float
    """From the first signal to the end; from the start where none was sent."""
    orphans: tuple[str, ...] = ()
    """Descendants that were alive when the time for them to end was over."""


@dataclass
class Command:
    """A running command."""

    place: Place
    arguments: Sequence[object]
    program: Sequence[str] = ("-m", "modicum")
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Start it in a session of its own."""
        self._name = uuid.uuid4().hex
        one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        environment = {**os.environ, **one, "TMPDIR": str(self.place.scratch), MARK: self._name}
        self._out, self._err = (self.place.root / name for name in ("out", "err"))
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, *self.program, *map(str, self.arguments)],
                cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                start_new_session=True,
            )  # fmt: skip

    def wait(self, limit_s: float = 300) -> Ended:
        """Wait for an end that nobody asked for."""
        try:
            self.process.wait(limit_s)
        finally:
            self._sweep()
        return self._ended(time.monotonic() - self.started)

    def until(self, holds: Callable[[], bool], limit_s: float = 240) -> bool:
        """Wait until something holds; False where the command ended before."""
        end = time.monotonic() + limit_s
        while not holds():
            if self.process.poll() is not None or time.monotonic() > end:
                return False
            time.sleep(TICK_S)
        return True

    def strike(
        self, numbers: Sequence[int], limit_s: float, *, alone: bool = False, pause_s: float = 0.15
    ) -> Ended:
        """Send signals, a pause between them, and wait for the end of it and all it started.

        Args:
            numbers: The signals. A terminal's own, SIGINT and SIGHUP, go to the whole group.
            alone: Send those to the command alone, as `kill` would.
            limit_s: Seconds within which all must be gone; what is left then is killed.
            pause_s: Seconds between signals.
        """
        begin = time.monotonic()
        for place, number in enumerate(numbers):
            if place:
                time.sleep(pause_s)
            with contextlib.suppress(ProcessLookupError):
                if number in (signal.SIGINT, signal.SIGHUP) and not alone:
                    os.killpg(self.process.pid, number)
                else:
                    os.kill(self.process.pid, number)
        end = begin + limit_s
        while time.monotonic() < end and (self.process.poll() is None or self.descendants()):
            time.sleep(TICK_S)
        seconds = time.monotonic() - begin
        left = tuple(self.descendants())
        if self.process.poll() is None:
            left = ("the command itself", *left)
        self._sweep()
        return self._ended(seconds, left)

    def descendants(self) -> list[str]:
        """Return what it started and what still runs, as command lines."""
        return [line for pid, line in _marked(self._name) if pid != self.process.pid]

    def _sweep(self) -> None:
        for pid, _ in _marked(self._name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(30)

    def _ended(self, seconds: float, orphans: tuple[str, ...] = ()) -> Ended:
        out, err = (p.read_text(encoding="utf-8", errors="replace") for p in (self._out, self._err))
        return Ended(self.process.returncode, out, err, seconds, orphans)


def _marked(name: str) -> Iterator[tuple[int, str]]:
    """Yield the processes that inherited a mark and have not ended."""
    wanted = f"{MARK}={name}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if wanted not in (entry / "environ").read_bytes().split(b"\0"):
                continue
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if state != "Z":
            yield int(entry.name), line[:200]


def finished_rows(study: Path) -> dict[str, str]:
    """Return a digest of everything that each finished trial has in the database, by its id."""
    path = study / "study.sqlite"
    if not path.exists() or not path.stat().st_size:
        return {}
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name='trials'").fetchone():
            return {}
        found = {}
        for row in db.execute("SELECT id, identity, summary FROM trials WHERE error=''").fetchall():
            marks = db.execute("SELECT packed FROM marks WHERE trial=?", (row[0],)).fetchall()
            texts = db.execute(
                "SELECT place, problem, name, packed FROM answers JOIN texts ON name=texts"
                " WHERE trial=? ORDER BY place",
                (row[0],),
            ).fetchall()
            found[str(row[0])] = hashlib.sha256(repr((row, marks, texts)).encode()).hexdigest()
        return found


def is_sound(study: Path) -> bool:
    """Say whether SQLite finds nothing wrong with the database, where there is one."""
    path = study / "study.sqlite"
    if not path.exists() or not path.stat().st_size:
        return True
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def paths_of(folder: Path) -> set[str]:
    """Return every path below a folder, but for what SQLite lays beside a database that is open."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    return {path for path in found if not path.endswith((".sqlite-shm", ".sqlite-wal"))}


def weights_of(study: Path) -> dict[str, str]:
    """Return the hash of every file of tensors that a study keeps."""
    return {
        path.relative_to(study).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(study.glob("artefacts/*/*.safetensors"))
    }


def timeless(value: object) -> object:
    """Return a verdict without times: seconds, and texts that quote them."""
    if isinstance(value, Mapping):
        return {k: timeless(v) for k, v in value.items() if k != "seconds"}
    if isinstance(value, list):
        return [timeless(item) for item in value]
    return re.sub(r"\d+(\.\d+)? (s|min|h)\b", "…", value) if isinstance(value, str) else value


def verdict_of(text: str) -> object:
    """Read what `--json` printed, without times."""
    return timeless(json.loads(text))
