"""When this command began, and its first line: said before anything large is read in."""

import sys
from collections.abc import Collection
from time import monotonic

__all__ = ["BEGAN", "clear_first", "say_first"]

BEGAN = monotonic()
"""The moment on the monotonic clock; what a study may take counts from it."""
_QUICK = frozenset({"list", "show", "explain"})
"""Verbs that speak at once."""


def say_first(verb: str, arguments: Collection[str]) -> None:
    """Say on a terminal that a verb has begun; the next line takes the place of this one."""
    if _is_said(verb, arguments):
        sys.stderr.write(f"modicum {verb}: starting …")
        sys.stderr.flush()


def clear_first() -> None:
    """Take the first line away."""
    if _is_terminal():
        sys.stderr.write("\x1b[2K\r")
        sys.stderr.flush()


def _is_said(verb: str, arguments: Collection[str]) -> bool:
    return verb not in _QUICK and not {"-h", "--help"} & set(arguments) and _is_terminal()


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()  # None where it was closed
