"""An interrupt ends the command within two seconds, whatever it is at, with one sentence."""

import atexit
import contextlib
import multiprocessing
import multiprocessing.util
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, NoReturn, cast

from modicum.killable import end_all

__all__ = ["INTERRUPTED", "STOPPED", "ended_by_interrupts", "leave"]

INTERRUPTED = 130
"""Exit code of an interrupted command, as shells have it."""
STOPPED = "modicum: stopped; run the same command again to go on where it was"
GRACE_S = 1.2
"""Seconds in which the command may end by itself: what was begun is put away, workers are ended."""
PUT_AWAY_S = 0.2
"""Seconds in which what is shared with workers is let go at the very end."""


@contextlib.contextmanager
def ended_by_interrupts() -> Iterator[threading.Event]:
    """End this process soon after an interrupt that it does not obey by itself.

    Python hears of a signal between two of its own steps alone, and a product of large matrices, the
    loading of weights or the threads that sample may take much longer. The kernel's note of the signal
    wakes a thread here at once.

    Yields:
        Set it once the sentence has been said, so that it is said once.
    """
    said = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield said
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader, said), daemon=True).start()
    is_interrupted = False
    try:
        yield said
    except KeyboardInterrupt:
        is_interrupted = True
        raise
    finally:
        if not (is_interrupted or said.is_set()):  # else the watch goes on until the process ends
            signal.set_wakeup_fd(before)
            os.close(writer)


def leave() -> NoReturn:
    """End this process with what was registered for its end, and without taking Python itself apart.

    With torch in memory that takes a second or more, and a thread that samples may not end at all.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    os._exit(INTERRUPTED)


def _watch(reader: int, said: threading.Event) -> None:
    """Wait for an interrupt, give the command its time, and end the process."""
    while number := os.read(reader, 1):
        if number[0] == signal.SIGINT:
            threading.Event().wait(GRACE_S)
            _end(said)
    os.close(reader)


def _end(said: threading.Event) -> None:
    """End all processes that this one started, and this one."""
    if not said.is_set():
        with contextlib.suppress(OSError):
            os.write(2, f"{STOPPED}\n".encode())
    for child in multiprocessing.active_children():
        child.kill()
    end_all()
    # what is shared with workers has names in the system; Python would warn of those that stay
    let_go = cast(Any, multiprocessing.util)._run_finalizers
    going = threading.Thread(target=let_go, args=(0,), daemon=True)
    going.start()
    going.join(PUT_AWAY_S)
    os._exit(INTERRUPTED)
