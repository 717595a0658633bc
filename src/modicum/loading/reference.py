"""The reference that opens a backend's model again, as a user would write it."""

import dataclasses
import urllib.parse

from modicum.model import Backend

__all__ = ["reference_of"]


def reference_of(plugin: str, backend: Backend) -> str:
    """Return the reference that opens the model of a plug-in's backend again.

    Args:
        plugin: Its name.
        backend: A dataclass with the field `name`; what it leaves at its default is not written.
    """
    said = []
    for name, value in _set(backend).items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        said.append(f"{name}={urllib.parse.quote(text, safe=':/?=.,')}")
    detail = getattr(backend, "name", "")
    return f"{plugin}:{detail}" + (f"?{'&'.join(said)}" if said else "")


def _set(plugin: object) -> dict[str, object]:
    """Return what is not at its default, but for the name."""
    if not dataclasses.is_dataclass(plugin):
        return {}
    return {
        one.name: value
        for one in dataclasses.fields(plugin)
        if one.name != "name" and (value := getattr(plugin, one.name)) != one.default
    }
