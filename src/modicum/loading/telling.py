"""What loading a model is at, told to whoever shows it: a measurement there may take half a minute."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["tell", "told"]

_LISTENER: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)


@contextmanager
def told(listener: Callable[[str], None]) -> Iterator[None]:
    """Let a listener hear what loading is at while the context lasts, in this thread.

    Args:
        listener: Takes a few words such as `measuring its number format`.
    """
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def tell(what: str) -> None:
    """Say what begins now; nothing where nobody listens."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(what)
