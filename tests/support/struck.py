"""Runs `modicum ARGUMENTS` and strikes itself while a file is written half: what a full stop leaves.

`python -m tests.support.struck SIGNAL PATTERN ARGUMENTS…` sends itself the signal once half of a
text or of bytes was written to a file whose name holds the pattern. Nothing in the package knows.
"""

import builtins
import io
import os
import signal
import sys
from pathlib import Path
from typing import Any

LEAST = 1000
"""Shorter texts are no report."""


class _Halved:
    """A file that writes one half, makes sure of it, and strikes."""

    def __init__(self, file: Any, number: int) -> None:
        self._file, self._number = file, number

    def write(self, text: Any) -> int:
        """Write a short text whole; of a long one the first half, before the strike."""
        if len(text) < LEAST:
            return int(self._file.write(text))
        self._file.write(text[: len(text) // 2])
        self._file.flush()
        os.kill(os.getpid(), self._number)
        return int(self._file.write(text[len(text) // 2 :])) + len(text) // 2

    def __enter__(self) -> "_Halved":
        self._file.__enter__()
        return self

    def __exit__(self, *exc: object) -> Any:
        return self._file.__exit__(*exc)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _plant(number: int, pattern: str) -> None:
    """Put the strike into every way of opening a file for writing."""
    opened = io.open

    def planted(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        found = opened(file, mode, *args, **kwargs)
        named = file if isinstance(file, str | bytes | os.PathLike) else _path_of(file)
        is_meant = pattern in Path(os.fsdecode(named)).name and any(c in mode for c in "wxa+")
        return _Halved(found, number) if is_meant else found

    io.open = builtins.open = planted  # type: ignore[assignment]


def _path_of(number: Any) -> str:
    try:
        return str(Path(f"/proc/self/fd/{number}").readlink())
    except OSError:
        return ""


if __name__ == "__main__":
    from modicum.cli.main import main

    _plant(signal.Signals[sys.argv[1]].value, sys.argv[2])
    main(sys.argv[3:])
