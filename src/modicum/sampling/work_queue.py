"""Hands the completions of a block out to threads that draw side by side, in virtual time.

Lengths are not known beforehand, so that a fixed share for each thread leaves one of them working
alone in the end. Who takes next is decided by a clock that counts rows and prompts rather than
seconds: what stands in a thread's rows, and hence its bits, does not depend on the machine's mood.
"""

from collections.abc import Sequence
from concurrent.futures import CancelledError
from threading import Condition, Event

__all__ = ["Desk"]

_A_STEP, _A_ROW, _A_PROMPT = 15.0, 1.1, 60.0
"""Virtual time of a step, of each row in it, and of a new prompt: about milliseconds of SmolLM2."""
_LOOK = 0.1
"""Seconds between looks whether all was called off."""


class Desk:
    """The jobs of one block, taken in order by several flights."""

    def __init__(self, prompts: Sequence[object], flights: int, rows: int, halt: Event) -> None:
        """Begin with all jobs waiting.

        Args:
            prompts: The prompt of each job; jobs of one prompt stand beside each other.
            flights: How many take.
            rows: Most jobs that one of them has at once.
            halt: Once set, whoever waits ends with an error.
        """
        self._n, self._next = len(prompts), 0
        self._most_whole = rows // 4
        self._ends = _ends(prompts)
        self._clocks = [0.0] * flights
        self._halt = halt
        self._news = Condition()

    def take(self, flight: int, room: int) -> range | None:
        """Return the jobs that a flight starts now: whole prompts, as many as fit; None at the end.

        The range is empty where the next prompt's jobs do not fit yet: halves of a prompt would be
        prefilled twice. A flight alone takes what fits, and so does any flight of a prompt with
        more jobs than a quarter of its rows.

        Args:
            flight: Who asks.
            room: Free rows, at least 1.

        Raises:
            CancelledError: all was called off.
        """
        with self._news:
            while self._next < self._n and not self._is_first(flight):
                if self._halt.is_set():
                    raise CancelledError
                self._news.wait(_LOOK)
            first = self._next
            if first == self._n:
                return None
            last = self._last(first, room)
            self._next = last
            return range(first, last)

    def spend(self, flight: int, *, rows: int = 0, prompts: int = 0) -> None:
        """Move a flight's clock on by a step of so many rows, or by so many new prompts."""
        with self._news:
            step = _A_STEP + _A_ROW * rows if rows else 0.0
            self._clocks[flight] += step + _A_PROMPT * prompts
            self._news.notify_all()

    def leave(self, flight: int) -> None:
        """Let the others go on without a flight."""
        with self._news:
            self._clocks[flight] = float("inf")
            self._news.notify_all()

    def _is_first(self, flight: int) -> bool:
        mine = (self._clocks[flight], flight)
        return all(mine <= (clock, other) for other, clock in enumerate(self._clocks))

    def _last(self, first: int, room: int) -> int:
        """Return the job before which a flight stops that takes from `first` on."""
        if len(self._clocks) == 1:
            return min(self._n, first + room)
        last = first
        while last < self._n and self._ends[last] - first <= room:
            last = self._ends[last]
        is_large = self._ends[first] - first > self._most_whole
        return min(self._n, first + room) if last == first and is_large else last


def _ends(prompts: Sequence[object]) -> list[int]:
    """Return for each job the place after the last one of its prompt.

    >>> _ends("aabccc")
    [2, 2, 3, 6, 6, 6]
    """
    ends = [len(prompts)] * len(prompts)
    for i in reversed(range(len(prompts) - 1)):
        ends[i] = i + 1 if prompts[i] != prompts[i + 1] else ends[i + 1]
    return ends
