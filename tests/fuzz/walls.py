"""One command behind walls: what it said, what it took, and every breach of what must hold.

The walls: the exit code is one that the README names, nothing escapes `main`, no traceback is
shown, no stranger's code runs, no secret stands in anything that was written or said, nothing
leaves the machine, nothing is written outside, memory and time are bounded, and nothing is shown
that moves a terminal's cursor.
"""

import base64
import contextlib
import io
import json
import os
import re
import resource
import sqlite3
import sys
import time
import traceback
import urllib.parse
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType


def _wall() -> ModuleType:
    """Return the hook's module: the one that the interpreter loaded at its start, where it did."""
    loaded = sys.modules.get("sitecustomize")
    if loaded is not None and hasattr(loaded, "disarm"):
        return loaded
    return import_module("tests.fuzz.site.sitecustomize")


wall = _wall()

CODES = (0, 1, 2, 3, 130)
"""Exit codes by which a command may end."""
FAULT = 4
"""The exit code of a fault of our own: said in a sentence, and yet nothing that a file may cause."""
MOST_MB = 2048
"""Memory that one input may take."""
MOST_SHOWN = 20_000
"""Characters that a command may say on standard error."""
SECRETS = ("MODICUM_FUZZ_SECRET", "OPENAI_API_KEY", "HF_TOKEN")
"""Variables of the environment whose values must stay in it."""
SEVERITY = {
    "code": 3,
    "secret": 3,
    "network": 3,
    "memory": 2,
    "hang": 2,
    "died": 2,
    "outside": 2,
    "escaped": 1,
    "traceback": 1,
    "exit": 1,
    "fault": 1,
    "control": 1,
    "flood": 1,
    "silent": 1,
}
"""How bad a breach is: 3 code, secret or an answer out, 2 loses or misleads, 1 a bad message."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_OF_LIBRARIES = re.compile(r"\x1b\[[0-9;]*m|\r(?:Converting|Loading|Writing)[^\r\n]*")
"""Colours and bars of progress that libraries show of their own."""
_FRAME = re.compile(r'File "([^"]+)", line (\d+), in (\S+)')


@dataclass(frozen=True)
class Breach:
    """Something that must not happen, and where it did."""

    kind: str
    what: str
    where: str = ""
    """The deepest place in the package, where one is known."""

    @property
    def signature(self) -> str:
        """Names breaches that are one and the same: numbers and paths are left out."""
        if self.kind in ("code", "network", "outside", "hang", "memory"):
            return f"{self.kind} {self.where}"
        plain = re.sub(r"/[\w./-]+|0x[0-9a-f]+|\d+", "#", self.what)
        place = self.where.partition(": ")[2] or self.where  # whatever verb it was
        return f"{self.kind} {place} {plain[:60]}"


@dataclass(frozen=True)
class Told:
    """What a command left behind."""

    code: int
    out: str = ""
    err: str = ""
    breaches: tuple[Breach, ...] = ()
    seconds: float = 0.0
    """Of this process, on a processor."""
    grown_mb: float = 0.0
    """Most memory beyond what it began with."""

    def as_json(self) -> str:
        """Return one line."""
        return json.dumps(asdict(self))

    @staticmethod
    def of_json(line: str) -> "Told":
        """Read `as_json`."""
        values = json.loads(line)
        found = tuple(Breach(**one) for one in values.pop("breaches"))
        return Told(**values, breaches=found)


@dataclass
class Walls:
    """Where a case lies and what is watched."""

    folder: Path
    """The case's own folder: the working directory, and the only one that may be written."""
    strangers: Path
    """Every file below it is a stranger's."""
    also: tuple[str, ...] = ()
    """Further places that may be written: the temporary folder, the user's cache."""
    log: Path = field(default=Path("/dev/null"))
    stops: bool = False
    """Whether a run ends where its trials would begin."""

    def run(self, arguments: Sequence[str]) -> Told:
        """Run one command in this process."""
        from modicum.cli.main import main

        self.log.write_bytes(b"")
        may_write = ":".join(map(str, (self.folder, *self.also)))
        before, start = _resident_mb(fresh=True), time.process_time()
        code, escaped, here = 0, None, Path.cwd()
        os.chdir(self.folder)
        with _captured() as said, _stopped(self.stops):
            wall.arm(str(self.log), str(self.strangers), may_write)
            try:
                main(list(arguments))
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
            except BaseException as error:  # noqa: BLE001 - whatever escapes is what is looked for
                escaped = error
            finally:
                wall.disarm()
                os.chdir(here)
        seconds, grown = time.process_time() - start, _resident_mb() - before
        out, err = said()
        found = [
            *self._logged(),
            *_escaped(escaped),
            *_shown(code, out, err),
            *self._leaks(out, err),
        ]
        if grown > MOST_MB:
            found.append(Breach("memory", f"{grown:.0f} MB taken"))
        return Told(code, out[-4000:], err[-4000:], tuple(found), seconds, grown)

    def _logged(self) -> Iterator[Breach]:
        """Yield what the hook and the canaries wrote down, here and in other processes."""
        for line in dict.fromkeys(self.log.read_text().splitlines()):
            kind, what = json.loads(line)
            yield Breach(kind, what)

    def _leaks(self, out: str, err: str) -> Iterator[Breach]:
        """Look for secrets in what was shown and in every file of the case."""
        spelled = [
            (name, form)
            for name in SECRETS
            if name in os.environ
            for form in _forms(os.environ[name])
        ]
        shown = f"{out}\n{err}".encode("utf-8", "surrogatepass")
        for where, held in (("screen", shown), *_files(self.folder)):
            for name, form in spelled:
                if form in held:
                    yield Breach("secret", f"{name} stands in {where}")


@contextlib.contextmanager
def _stopped(is_wanted: bool) -> Iterator[None]:
    """End a run, as if it were done, where the first worker would begin."""
    from modicum.executor import TokenTally
    from modicum.running import runner

    def stop(*_given: object) -> TokenTally:
        raise SystemExit(0)

    begin = runner.TokenTally
    try:
        if is_wanted:
            runner.TokenTally = stop  # type: ignore[assignment, misc]
        yield
    finally:
        runner.TokenTally = begin  # type: ignore[misc]


def _forms(secret: str) -> set[bytes]:
    """Return a secret as it may be spelled: plain, percent- and base64-encoded, and in part."""
    plain = secret.encode()
    shifted = [base64.b64encode(b"x" * shift + plain)[4:-4] for shift in range(3)]
    return {plain, plain[:12], plain[-12:], urllib.parse.quote(secret, safe="").encode(), *shifted}


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file below a folder, and the cells of its databases unpacked."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.stat().st_size > 50_000_000:
            continue
        yield path.name, path.read_bytes()
        if path.suffix == ".sqlite":
            yield from _cells(path)


def _cells(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the blobs of a database, unpacked as far as they can be."""
    with (
        contextlib.suppress(sqlite3.Error, OSError),
        contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        ) as db,
    ):
        made = dict(db.execute("SELECT name, type FROM sqlite_master"))
        for table in ("marks", "texts", "draws"):
            if made.get(table) != "table":
                continue  # a view may have no end
            with contextlib.suppress(sqlite3.Error):
                for row in db.execute(f"SELECT * FROM {table} LIMIT 2000"):
                    for cell in row:
                        if isinstance(cell, bytes) and len(cell) < 1_000_000:
                            yield f"{path.name} {table}", _unpacked(cell)


def _unpacked(cell: bytes) -> bytes:
    for start in (0, 8):
        with contextlib.suppress(zlib.error):
            return zlib.decompressobj().decompress(cell[start:], 1_000_000)
    return cell


def _escaped(error: BaseException | None) -> list[Breach]:
    """Return what came out of `main` and should not."""
    if error is None:
        return []
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "/modicum/" in f.filename]
    where = _place(own[-1].filename, own[-1].name) if own else ""
    last = _place(frames[-1].filename, frames[-1].name) if frames else ""
    return [Breach("escaped", f"{type(error).__name__}: {error} (in {last})"[:300], where)]


def _shown(code: int, out: str, err: str) -> Iterator[Breach]:
    """Look at what a user would see."""
    if code == FAULT:
        yield _fault(err)
        return
    if code not in CODES:
        yield Breach("exit", f"code {code}")
    if code and not (out.strip() or err.strip()):
        yield Breach("silent", f"code {code} without a word")
    both = f"{out}\n{err}"
    if "Traceback (most recent call last)" in both or "panicked at" in both:
        own = [m for m in _FRAME.findall(both) if "/modicum/" in m[0]]
        last = both.rstrip().rpartition("\n")[2]
        yield Breach("traceback", last[:200], _place(own[-1][0], own[-1][2]) if own else "")
    both = _OF_LIBRARIES.sub("", both)
    control = _CONTROL.search(both)
    if control is not None:
        around = both[max(0, control.start() - 40) : control.end() + 20]
        yield Breach("control", f"{control.group()!r} in {around!r}")
    if len(err) > MOST_SHOWN:
        yield Breach("flood", f"{len(err):,} characters of errors")


def _fault(err: str) -> Breach:
    """Return where a fault of our own arose, which `MODICUM_TRACEBACK` shows."""
    own = [m for m in _FRAME.findall(err) if "/modicum/" in m[0] and "cli/main" not in m[0]]
    last = err.rstrip().rpartition("\n")[2]
    return Breach("fault", last[:200], _place(own[-1][0], own[-1][2]) if own else "")


def _place(path: str, name: str) -> str:
    return f"{path.rpartition('/modicum/')[2]}:{name}"


def _resident_mb(*, fresh: bool = False) -> float:
    """Return the most memory that this process held since it was last asked to forget it."""
    if fresh:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextlib.contextmanager
def _captured() -> Iterator["_Said"]:
    """Send both outputs into files, for this process and for those that it starts."""
    import tempfile

    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        held = [os.dup(1), os.dup(2)]
        streams = sys.stdout, sys.stderr
        said = _Said()
        try:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            sys.stdout = io.TextIOWrapper(
                os.fdopen(os.dup(1), "wb"), encoding="utf-8", write_through=True
            )
            sys.stderr = io.TextIOWrapper(
                os.fdopen(os.dup(2), "wb"),
                encoding="utf-8",
                errors="backslashreplace",
                write_through=True,
            )
            yield said
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    stream.close()
            sys.stdout, sys.stderr = streams
            for number, old in zip((1, 2), held, strict=True):
                os.dup2(old, number)
                os.close(old)
            said.texts = tuple(_read(file) for file in (out, err))


class _Said:
    """What was captured, once it is all there."""

    texts: tuple[str, ...] = ("", "")

    def __call__(self) -> tuple[str, str]:
        return self.texts[0], self.texts[1]


def _read(file: "io.BufferedRandom") -> str:
    file.seek(0)
    return file.read(2_000_000).decode("utf-8", "replace")
