"""What the marker `regex` runs in a process of its own: a pattern may take for ever."""

import re
from functools import lru_cache

__all__ = ["search"]


@lru_cache(maxsize=4)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def search(pattern: str, text: str) -> tuple[str | None, bool]:
    """Return the last match (its first group, where there is one), and whether it ends the text."""
    found = None
    for match in _compiled(pattern).finditer(text):
        found = match
    if found is None:
        return None, False
    said = found.group(1) if found.re.groups else found.group()
    return said, not text[found.end() :].strip()
