"""Which entries each kind of file may have, and which hostile values suit them: `entries.toml`."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

__all__ = ["REFERENCES", "entries"]

_TABLES = tomllib.loads((Path(__file__).parent / "entries.toml").read_text(encoding="utf-8"))
_GROUPS: Mapping[str, list[str]] = _TABLES["groups"]
REFERENCES = tuple(_GROUPS["references"])
"""Values that name a model or a task."""


def entries(kind: str) -> Mapping[str, tuple[str, ...]]:
    """Return the entries of one kind of file, each with the names of values that suit it."""

    def spelled(names: list[str]) -> tuple[str, ...]:
        groups = [_GROUPS.get(name.removeprefix("@"), [name]) for name in names]
        return tuple(dict.fromkeys(one for group in groups for one in group))

    return {key: spelled(names) for key, names in _TABLES[kind].items()}
