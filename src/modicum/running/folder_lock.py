"""One driver a folder: a lock that the kernel frees when its process ends, and who holds it."""

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from modicum.errors import FolderBusyError

__all__ = ["me", "sole_driver"]

_POLL_S = 0.3
"""Seconds between two looks at a lock that another process holds."""


def me() -> str:
    """Name this process, its machine and the time, for whoever comes second."""
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    return f"process {os.getpid()} on {socket.gethostname()}, since {now}"


@contextlib.contextmanager
def sole_driver(
    folder: Path, holder: Callable[[], str], wait: Callable[[str], None] | None
) -> Iterator[bool]:
    """Hold a study's folder while the context lasts; no file of its own is needed.

    Where the file system knows no locks, as some network ones do not, nothing is held.

    Args:
        folder: The study's folder; it exists.
        holder: Names who holds it.
        wait: Told once who is there, before it is waited for; None refuses at once.

    Yields:
        Whether another process had to be waited for: what it finished is there now.

    Raises:
        FolderBusyError: another process holds it, and `wait` is None.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        waited = False
        while not _locked(descriptor):
            if wait is None:
                raise FolderBusyError(
                    f"another run at work in {folder} ({holder()})",
                    "one run at a time in a folder",
                    "wait until it has ended, or choose another folder with --out",
                )
            if not waited:
                wait(holder())
            waited = True
            time.sleep(_POLL_S)
        yield waited
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Take the lock where it is free."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # no locks here
        return True
    return True
