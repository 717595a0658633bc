"""Where models are kept for a user, and which were added: read without torch."""

import os
from pathlib import Path

__all__ = ["FACTS", "added_home", "added_names", "cache_root"]

FACTS = "added.json"
"""Where an added model came from, beside its weights."""


def cache_root() -> Path:
    """Give the folder of kept models: `$MODICUM_CACHE` or `~/.cache/modicum`."""
    root = os.environ.get("MODICUM_CACHE") or Path.home() / ".cache" / "modicum"
    return Path(root).expanduser()


def added_home() -> Path:
    """Give the folder in which added models lie, one folder each."""
    return cache_root() / "added"


def added_names() -> list[str]:
    """Give the names of all added models, sorted."""
    if not added_home().is_dir():
        return []
    return sorted(path.parent.name for path in added_home().glob(f"[!.]*/{FACTS}"))
