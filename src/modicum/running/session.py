"""What a run has taken so far, written every two seconds: a killed one counts against the budget."""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import monotonic, time_ns

from modicum.store.database import Session, Store
from modicum.store.opening import DATABASE

__all__ = ["Clock", "counted", "spent_before"]

BEAT_S = 2.0
"""Seconds between two signs of life: the most that a kill hides."""


@dataclass
class Clock:
    """The wall seconds of the run that is going on."""

    tokens: Callable[[], float]
    """Gives the tokens sampled and trained so far, those of trials in flight included."""
    name: str = field(default_factory=lambda: f"{time_ns()}-{os.getpid()}")
    start: float = field(default_factory=lambda: monotonic())  # noqa: PLW0108 - tests set the clock
    """When it began, on the monotonic clock."""

    @property
    def seconds(self) -> float:
        """Wall seconds since its start."""
        return monotonic() - self.start

    def session(self) -> Session:
        """Return what it has taken, as it is kept."""
        return Session(self.name, self.seconds, self.tokens())


@contextlib.contextmanager
def counted(store: Store, tokens: Callable[[], float]) -> Iterator[Clock]:
    """Count a run while it lasts, in a thread of its own: a long trial calls nobody.

    Args:
        store: Where it is kept.
        tokens: Gives the tokens sampled and trained so far.
    """
    clock, ended = Clock(tokens), threading.Event()
    store.keep_session(clock.session())
    thread = threading.Thread(target=_beat, args=(store, clock, ended), daemon=True)
    thread.start()
    try:
        yield clock
    finally:
        ended.set()
        thread.join(timeout=1.0)
        store.keep_session(clock.session())


def spent_before(store: Store) -> tuple[float, float]:
    """Return the wall seconds and the tokens that all earlier runs of a study took."""
    sessions = store.sessions()
    return sum(s.seconds for s in sessions), sum(s.tokens for s in sessions)


def _beat(store: Store, clock: Clock, ended: threading.Event) -> None:
    """Write how far the run is, by a connection of this thread's own."""
    with contextlib.suppress(sqlite3.Error, OSError):
        db = sqlite3.connect(store.folder / DATABASE, timeout=BEAT_S, isolation_level=None)
        try:
            while not ended.wait(BEAT_S):
                with contextlib.suppress(sqlite3.OperationalError):  # the driver writes just now
                    key, value = store.session_row(clock.session())
                    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
        finally:
            db.close()
