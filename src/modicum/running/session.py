"""What a run has taken so far, written every two seconds: a killed one counts against the budget."""

import contextlib
import math
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import monotonic, time_ns

from modicum.store.database import Session, Store
from modicum.store.opening import DATABASE

__all__ = ["BudgetOver", "Clock", "TimeLimit", "counted", "spent_before"]

BEAT_S = 2.0
"""Seconds between two signs of life: the most that a kill hides."""


class BudgetOver(KeyboardInterrupt):
    """Ends what is under way because the time is used up; it is put away as after an interrupt."""


@dataclass
class TimeLimit:
    """The time that a study may take in all; whoever sees progress asks whether it is over."""

    seconds: float = math.inf
    taken: Callable[[], float] = lambda: 0.0
    """Gives the seconds taken so far, those of earlier runs included."""

    @property
    def left(self) -> float:
        """Seconds that are left; below 0 where more was taken."""
        return self.seconds - self.taken()

    def check(self) -> None:
        """Go on only while time is left.

        Raises:
            BudgetOver: none is.
        """
        if self.left <= 0:
            raise BudgetOver(f"the {self.seconds:g} seconds of the budget are used up")


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
def counted(
    store: Store, tokens: Callable[[], float], since: float | None = None
) -> Iterator[Clock]:
    """Count a run while it lasts, in a thread of its own: a long trial calls nobody.

    Args:
        store: Where it is kept.
        tokens: Gives the tokens sampled and trained so far.
        since: When it began, on the monotonic clock; now where None.
    """
    clock, ended = Clock(tokens), threading.Event()
    clock.start = clock.start if since is None else since
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
