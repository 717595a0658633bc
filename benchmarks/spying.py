"""What a run does, seen from outside: calls watched within a block, and whose time is whose."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

__all__ = ["Place", "shares", "spied_seconds", "watched"]

Method = Callable[..., Any]
Place = tuple[type, str]
"""A class and the name of its method."""


@contextmanager
def watched(places: Sequence[Place], wrap: Callable[[Method], Method]) -> Iterator[None]:
    """Put a wrapper around methods for a while."""
    before = [(owner, name, getattr(owner, name)) for owner, name in places]
    try:
        for owner, name, method in before:
            setattr(owner, name, wrap(method))
        yield
    finally:
        for owner, name, method in before:
            setattr(owner, name, method)


@contextmanager
def spied_seconds(parts: Mapping[str, Sequence[Place]]) -> Iterator[Counter[str]]:
    """Yield a table that receives the processor seconds of each part, its threads together.

    What a method spends within one of another part counts for that part alone.

    Args:
        parts: Methods by the part they belong to.
    """
    spent: Counter[str] = Counter()
    lock, own = threading.Lock(), threading.local()

    def timed(part: str) -> Callable[[Method], Method]:
        def wrap(method: Method) -> Method:
            def spy(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - any method's own
                outer = getattr(own, "inner", 0.0)
                own.inner, start = 0.0, time.thread_time()
                try:
                    return method(*given, **named)
                finally:
                    whole = time.thread_time() - start
                    with lock:
                        spent[part] += whole - own.inner
                    own.inner = outer + whole

            return spy

        return wrap

    with _all_watched([(places, timed(part)) for part, places in parts.items()]):
        yield spent


def shares(spent: Mapping[str, float]) -> dict[str, float]:
    """Return each part's share of all, the largest first."""
    whole = sum(spent.values())
    return {
        part: seconds / whole for part, seconds in sorted(spent.items(), key=lambda pair: -pair[1])
    }


@contextmanager
def _all_watched(
    each: Sequence[tuple[Sequence[Place], Callable[[Method], Method]]],
) -> Iterator[None]:
    if not each:
        yield
        return
    with watched(*each[0]), _all_watched(each[1:]):
        yield
