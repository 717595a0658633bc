"""How many completions in flight are quickest: a short timing, once a model and study."""

import time
from collections.abc import Callable, Sequence

from modicum.sampling.threads import is_memory

__all__ = ["CANDIDATES", "quickest"]

CANDIDATES = (32, 64, 128, 256)
"""Rows that are tried, fewest first."""
_ENOUGH = 0.95
"""Share of the best rate that fewer rows may have: memory is spent only where it pays."""
_MOST_SECONDS = 8.0
"""Seconds after which no larger number is tried."""


def quickest(
    draw: Callable[[int], int],
    most: int,
    *,
    candidates: Sequence[int] = CANDIDATES,
    clock: Callable[[], float] = time.perf_counter,
) -> int:
    """Return the fewest rows whose rate comes near the best one's.

    Args:
        draw: Draws a few tokens of so many rows; gives how many tokens.
        most: Rows that fit into memory, at least 1.
        candidates: What is tried, ascending; where none fits, `most` is the answer.
        clock: Gives seconds.
    """
    possible = [rows for rows in candidates if rows <= most]
    if not possible:
        return most
    draw(1)  # what is compiled or looked up at the first step is not timed
    start, rates = clock(), dict[int, float]()
    for rows in possible:
        before = clock()
        try:
            tokens = draw(rows)
        except (MemoryError, RuntimeError) as error:
            if not rates or not is_memory(error):
                raise
            break
        now = clock()
        rates[rows] = tokens / max(now - before, 1e-9)
        if now - start > _MOST_SECONDS:
            break
    best = max(rates.values())
    return next(rows for rows, rate in rates.items() if rate >= _ENOUGH * best)
