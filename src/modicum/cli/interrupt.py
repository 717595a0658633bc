"""An interrupt ends the command within two seconds, whatever it is at, with one sentence."""

import atexit
import contextlib
import multiprocessing
import multiprocessing.resource_tracker
import multiprocessing.util
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, cast

from modicum.marking.killable import end_all

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
    _let_go()
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
    _let_go()
    os._exit(INTERRUPTED)


def _let_go() -> None:
    """Take back the names that what is shared with workers has in the system.

    Python's own tracker of them is ended at last: it would warn of names that another thread has just
    taken back, and that it was not told of in time.
    """
    let_go = cast(Any, multiprocessing.util)._run_finalizers
    going = threading.Thread(target=_quietly, args=(let_go,), daemon=True)
    going.start()
    going.join(PUT_AWAY_S)
    tracker = cast(Any, multiprocessing.resource_tracker)._resource_tracker
    if tracker._pid is not None:
        with contextlib.suppress(OSError):
            os.kill(tracker._pid, signal.SIGKILL)


def _quietly(let_go: Callable[[int], None]) -> None:
    with contextlib.suppress(Exception):  # a name that has gone, a tracker that has ended
        let_go(0)
