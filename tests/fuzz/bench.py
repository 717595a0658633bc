"""Runs cases: in a worker process of their own that is replaced when it dies or hangs, or here."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.fuzz.pantry import Pantry, quick_pantry, whole_pantry
from tests.fuzz.walls import SECRETS, Breach, Told, Walls
from tests.support.sources import ROOT

__all__ = ["Bench", "Input"]

MOST_CPU_S = 10.0
"""Seconds on a processor that one command may take, what it starts left out."""
MOST_WALL_S = 60.0
"""Seconds that one command may take where it does not compute."""
MOST_COMMANDS = 400
"""Commands after which a worker is replaced: what libraries keep would add up."""


@dataclass(frozen=True)
class Input:
    """Files in a folder, and the commands that read them."""

    files: Mapping[str, bytes]
    """Files that are written over or beside what was laid there, by path."""
    lay: tuple[str, ...]
    """Names of the pantry's things that are copied first."""
    commands: tuple[tuple[str, ...], ...]
    tolerated: frozenset[str] = frozenset()
    """Kinds of breaches that this input asks for in the user's own words."""
    stops: bool = False
    """Whether a run ends where its trials would begin: what comes before is of interest alone."""


@dataclass
class Bench:
    """Lays inputs out, runs their commands behind walls, and clears up."""

    pantry: Pantry
    is_apart: bool = True
    """Whether commands run in a process of their own."""
    tried: int = 0
    cpu_s: float = 0.0
    """Seconds on a processor that commands took."""
    _worker: "_Worker | None" = field(default=None, repr=False)

    @staticmethod
    def whole(folder: Path) -> "Bench":
        """Return a bench with everything in the pantry and commands in a process apart."""
        (folder / "tmp").mkdir(parents=True)
        (folder / "home").mkdir()
        return Bench(whole_pantry(folder / "pantry", folder / "breaches"))

    @staticmethod
    def quick(folder: Path) -> "Bench":
        """Return a bench with the cheap half of the pantry and commands in this process."""
        (folder / "tmp").mkdir(parents=True)
        (folder / "home").mkdir()
        return Bench(quick_pantry(folder / "pantry", folder / "breaches"), is_apart=False)

    @property
    def _root(self) -> Path:
        return self.pantry.log.parent

    def try_(self, given: Input) -> list[Breach]:
        """Run the commands of one input; gives what broke through."""
        self.tried += 1
        return [
            replace(breach, where=f"{command[0]}: {breach.where}")
            for command, told in zip(given.commands, self.run(given), strict=True)
            for breach in told.breaches
            if breach.kind not in given.tolerated
        ]

    def run(self, given: Input) -> list[Told]:
        """Lay an input out, runs its commands one after the other and clears up."""
        folder = Path(tempfile.mkdtemp(prefix="case-", dir=self._root))
        try:
            for name in given.lay:
                self.pantry.lay(name, folder)
            for name, text in given.files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(self.pantry.filled(text))
            found = []
            for command in given.commands:
                # whole paths: models that were opened before are known by their names
                here = [part.replace("@CASE@", str(folder)) for part in command]
                filled = [self.pantry.filled(part.encode()).decode() for part in here]
                found.append(self._told(folder, filled, stops=given.stops))
                self.cpu_s += found[-1].seconds
            return found
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _told(self, folder: Path, command: Sequence[str], *, stops: bool) -> Told:
        also = (str(self._root / "tmp"), str(self._root / "home"), str(self.pantry.log))
        if not self.is_apart:
            return Walls(folder, self._root, also, self.pantry.log, stops).run(command)
        if self._worker is None or self._worker.done >= MOST_COMMANDS:
            self.close()
            self._worker = _Worker(self._root, self.pantry)
        told = self._worker.ask(
            {
                "folder": str(folder),
                "strangers": str(self._root),
                "also": also,
                "log": str(self.pantry.log),
                "stops": stops,
                "command": list(command),
            }
        )
        if any(breach.kind == "code" for breach in told.breaches):
            self._worker.end()  # what was imported once would not run a second time
        if self._worker.is_gone:
            self._worker = None
        return told

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None


class _Worker:
    """One process that runs commands, one line of JSON each."""

    def __init__(self, root: Path, pantry: Pantry) -> None:
        self.done, self.is_gone = 0, False
        home = root / "home"
        environment: dict[str, str] = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("HF_", "XDG_"))},
            **{name: secrets.token_urlsafe(24) for name in SECRETS},
            "PYTHONPATH": os.pathsep.join(
                [
                    str(ROOT / "tests/fuzz/site"),
                    str(ROOT / "src"),
                    str(ROOT),
                    str(pantry.folder / "modules"),
                ]
            ),
            "HOME": str(home),
            "TMPDIR": str(root / "tmp"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "MODICUM_TRACEBACK": "1",
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "MODICUM_FUZZ_LOG": str(pantry.log),
            "MODICUM_FUZZ_STRANGERS": str(root),
            "MODICUM_FUZZ_MAY_WRITE": f"{root}",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.fuzz.worker"],
            cwd=root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def ask(self, request: Mapping[str, Any]) -> Told:
        """Run one command; a worker that dies or takes too long is a breach."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.done += 1
        before, start = self._cpu_s(), time.monotonic()
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError:
            return self._lost("died", before)
        import select

        while not select.select([self._process.stdout], [], [], 0.5)[0]:
            spent = self._cpu_s() - before
            if spent > MOST_CPU_S or time.monotonic() - start > MOST_WALL_S + spent:
                return self._lost("hang", before)
        line = self._process.stdout.readline()
        return Told.of_json(line) if line else self._lost("died", before)

    def _lost(self, kind: str, before: float) -> Told:
        spent = self._cpu_s() - before
        self.end()
        code = self._process.returncode
        what = f"no end after {spent:.0f} s" if kind == "hang" else f"the process ended with {code}"
        return Told(code or 0, breaches=(Breach(kind, what),), seconds=max(spent, 0.0))

    def _cpu_s(self) -> float:
        """Return the seconds that the process has spent on a processor."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        """Kill it and what it has started."""
        import signal

        self.is_gone = True
        if self._process.poll() is None:
            import contextlib

            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
