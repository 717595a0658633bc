"""Runs a function in one process of its own that lives on, and kills it when a call hangs.

The function is named `package.module:function` or `FILE.py:function`; requests and replies are one
line of JSON each. A call that takes too long, or a process that dies, is tried once more in a
fresh process and is then a `JudgeError`: it is never taken for an answer.
"""

import contextlib
import importlib
import importlib.util
import inspect
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from modicum.errors import ConfigError, JudgeError
from modicum.plain import JsonObject
from modicum.secrecy import without_secrets

__all__ = ["Killable", "end_all", "killable", "serve"]

START_S = 60.0
"""Seconds that a fresh process may take to import what it needs."""
LONGEST_REPLY = 100_000
"""Bytes of the longest reply that is taken."""
_AFTER_S = 2.0
"""A process ends itself this long after its time, should nobody be left to kill it."""


class Killable:
    """One function in a process of its own; starts with the first call."""

    def __init__(self, target: str, timeout_s: float, memory_mb: int = 0) -> None:
        """Name the function.

        Args:
            target: `package.module:function` or `FILE.py:function`.
            timeout_s: Seconds that one call may take.
            memory_mb: Address space that the process may have; no limit where 0.
        """
        self._target, self._timeout_s, self._memory_mb = target, timeout_s, memory_mb
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, **request: object) -> object:
        """Call the function with keyword arguments; gives what it returns, through JSON.

        Raises:
            ConfigError: the function cannot be loaded.
            JudgeError: it hung, died or raised, twice.
        """
        line = json.dumps(request).encode() + b"\n"
        try:
            return self._try(line)
        except JudgeError:
            return self._try(line)

    def close(self) -> None:
        """Kill the process, if there is one."""
        if self._process is not None:
            _kill(self._process)
            self._process = None

    @property
    def _is_own_file(self) -> bool:
        return self._target.rpartition(":")[0].endswith(".py")

    def _try(self, line: bytes) -> object:
        if self._process is None or self._process.poll() is not None:
            self._process = self._start()
        reply = self._exchange(self._process, line, self._timeout_s)
        if "error" in reply:
            raise JudgeError(f"{self._target} raised {reply['error']}")
        return reply["value"]

    def _start(self) -> subprocess.Popen[bytes]:
        """Start a fresh process and waits until it has loaded the function."""
        limits = (str(self._timeout_s + _AFTER_S), str(self._memory_mb))
        process = subprocess.Popen(
            [sys.executable, "-P", "-B", "-m", "modicum.marking.killable", self._target, *limits],
            # a file of the user's may need what the user set; our own targets need no key
            env=None if self._is_own_file else without_secrets(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
        weakref.finalize(self, _kill, process)
        _STARTED.add(process)
        reply = self._exchange(process, b"", START_S)
        if "error" in reply:
            _kill(process)
            raise ConfigError(
                f"{self._target}: {reply['error']}",
                "a function that can be loaded",
                "fix the file, or name another function",
            )
        return process

    def _exchange(
        self, process: subprocess.Popen[bytes], line: bytes, timeout_s: float
    ) -> JsonObject:
        """Send a line and waits for one; kills the process where none comes in time."""
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        try:
            left = memoryview(line)
            while left:
                left = left[os.write(process.stdin.fileno(), left) :]
            reply = _read_line(process.stdout.fileno(), time.monotonic() + timeout_s)
            found = json.loads(reply)
        except (OSError, ValueError, TimeoutError) as error:
            _kill(process)
            why = str(error) or type(error).__name__
            said = f"{self._target}: {why} (limit {timeout_s:g} s)"
            raise JudgeError(said, has_hung=True) from error
        return found if isinstance(found, dict) else {"error": "a reply that is not a table"}


_STARTED: "weakref.WeakSet[subprocess.Popen[bytes]]" = weakref.WeakSet()


def end_all() -> None:
    """Kill the processes of all functions: this one is about to end without its usual leave."""
    for process in list(_STARTED):
        if process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)


@lru_cache(maxsize=32)
def killable(
    target: str, timeout_s: float, memory_mb: int = 0, stamp: tuple[object, ...] = ()
) -> Killable:
    """Return the one process of a function; later calls with the same values share it.

    Args:
        target: `package.module:function` or `FILE.py:function`.
        timeout_s: Seconds that one call may take.
        memory_mb: Address space that the process may have; no limit where 0.
        stamp: State of the files that it runs: where they have changed, another process loads them.
    """
    del stamp  # a part of the key alone
    return Killable(target, timeout_s, memory_mb)


def _read_line(pipe: int, end: float) -> bytes:
    """Read up to a line's end.

    Raises:
        TimeoutError: none came in time.
        OSError: the process has gone, or says too much.
    """
    said = b""
    while not said.endswith(b"\n"):
        if not select.select([pipe], [], [], max(0.0, end - time.monotonic()))[0]:
            raise TimeoutError("no reply in time")
        piece = os.read(pipe, 65536)
        if not piece:
            raise OSError("its process died")
        said += piece
        if len(said) > 2 * LONGEST_REPLY:
            raise OSError("its reply is too long")
    return said


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started; one that has ended already is left alone."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def serve(target: str, timeout_s: float, memory_mb: int) -> None:
    """Answers requests from standard input until it closes: the other side of `Killable`.

    What the function prints goes nowhere, and it cannot read the requests of others.
    """
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    if memory_mb:
        resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    # The kernel ends what nobody is left to end, even a call that holds the interpreter.
    signal.setitimer(signal.ITIMER_REAL, START_S + _AFTER_S)
    try:
        function = _load(target)
    except BaseException as error:  # noqa: BLE001 - a file of the user's may raise anything
        replies.write(_reply("error", _words(error)))
        return
    signal.setitimer(signal.ITIMER_REAL, 0)
    replies.write(_reply("value", None))
    for line in requests:
        signal.setitimer(signal.ITIMER_REAL, timeout_s)
        try:
            reply = _reply("value", function(**json.loads(line)))
        except Exception as error:  # noqa: BLE001 - told to the other side
            reply = _reply("error", _words(error))
        signal.setitimer(signal.ITIMER_REAL, 0)
        replies.write(reply)


def _load(target: str) -> Callable[..., object]:
    """Import a function; one from a file may import the files beside it.

    A file's function is called with those of the given values that its signature names.
    """
    where, _, name = target.rpartition(":")
    if not where.endswith(".py"):
        function: Callable[..., object] = getattr(importlib.import_module(where), name)
        return function
    path = Path(where).resolve()
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(where)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    own: Callable[..., object] = getattr(module, name)
    wanted = inspect.signature(own).parameters
    return lambda **given: own(**{k: v for k, v in given.items() if k in wanted})


def _reply(kind: str, value: object) -> bytes:
    line = json.dumps({kind: value}).encode()
    if len(line) > LONGEST_REPLY:
        line = json.dumps({"error": f"{len(line)} bytes returned; too many"}).encode()
    return line + b"\n"


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:500]


if __name__ == "__main__":
    serve(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
