"""What a reference may switch on: code that runs, a server that is asked, a key that is read.

Each plug-in states its own powers (`powers`): a table from a setting to what the setting switches on
where it is set, `""` standing for the plug-in itself. What is switched on is a kind of power, or the
folder of plug-ins that the setting's value is a reference to, which is then looked at in turn.
Nothing is built, opened or run to find out.
"""

import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from modicum.catalog import KINDS, Catalog, read_reference
from modicum.errors import ConfigError
from modicum.marker import marker_parts
from modicum.model import plugin_of
from modicum.plain import JsonObject
from modicum.task import task_parts
from modicum.task_names import split_task

__all__ = [
    "KINDS_OF_POWER",
    "Kind",
    "Power",
    "marker_powers",
    "model_powers",
    "setting_powers",
    "task_powers",
]

Kind = Literal["code", "server", "environment"]
"""Code that is run; a server that questions are sent to; a variable of the environment that is read."""
KINDS_OF_POWER: tuple[Kind, ...] = get_args(Kind)
_KINDS: Mapping[str, Kind] = {kind: kind for kind in KINDS_OF_POWER}

_CATALOGS = {kind: Catalog(kind) for kind in KINDS}
_OFF = frozenset({"", "0", "false", "none"})
"""Values that leave a setting off; whatever else stands there counts as asked for."""
_LONGEST = 120


@dataclass(frozen=True)
class Power:
    """One thing that a reference would switch on."""

    kind: Kind
    place: str
    """What of a plan asks for it, such as `model` or `setting rlvr.server`."""
    words: str
    """The words that do, without what stands in an address beside its host."""

    @property
    def does(self) -> str:
        """What would happen, in words."""
        return {
            "code": "runs code from a file",
            "server": "sends the questions to a server",
            "environment": "reads a key from the environment and sends it",
        }[self.kind]

    def __str__(self) -> str:
        """Return one line without characters that a terminal would hide or obey."""
        return f"{self.place} {self.words!r:.{_LONGEST}}: {self.does}"


def model_powers(reference: str, place: str = "model") -> tuple[Power, ...]:
    """Return what a model's reference asks for; nothing for one that names no model."""
    return _powers("models", plugin_of, reference, place)


def task_powers(reference: str, place: str = "task") -> tuple[Power, ...]:
    """Return what a task's reference asks for, that of a twin or variant being its original's."""
    _, reference = split_task(reference)
    return _powers("tasks", task_parts, reference, place)


def marker_powers(reference: str, place: str = "marker") -> tuple[Power, ...]:
    """Return what a marker's reference asks for."""
    return _powers("markers", marker_parts, reference, place)


def setting_powers(
    kind: str, name: str, settings: JsonObject, place: str = ""
) -> tuple[Power, ...]:
    """Return what the settings of a plug-in ask for.

    Args:
        kind: Folder of plug-ins, such as `methods`.
        name: The plug-in; nothing is asked where there is none of that name.
        settings: Its settings as texts or plain values.
        place: What of a plan names it; `setting NAME.FIELD` where empty.
    """
    if not isinstance(settings, Mapping):
        return ()  # what is no table of settings fills no plug-in
    try:
        asked = _CATALOGS[kind].powers(name)
    except ConfigError:
        return ()  # what no catalogue knows is never built
    found: list[Power] = []
    for setting, switched in asked.items():
        value = settings.get(setting, "") if setting else name
        if str(value).strip().lower() in _OFF:
            continue
        here = place or f"setting {name}.{setting}"
        if switched in _READERS:
            found += _READERS[switched](str(value), here)
        else:
            # a kind that nobody knows is the worst of them
            found.append(Power(_KINDS.get(switched, "code"), here, _words(name, settings, setting)))
    return tuple(found)


def _powers(
    kind: str,
    parts: Callable[[str], tuple[str, JsonObject]],
    reference: str,
    place: str,
) -> tuple[Power, ...]:
    """Read a reference as what builds it does, and look at its plug-in's settings."""
    try:
        name, settings = parts(reference)
    except ConfigError:
        return ()  # what cannot be read is never built
    return setting_powers(kind, name, settings, place)


def _reward_powers(reference: str, place: str) -> tuple[Power, ...]:
    return _powers("rewards", _plain_parts, reference, place)


def _plain_parts(reference: str) -> tuple[str, dict[str, str]]:
    name, _, settings = read_reference(reference)
    return name, settings


_READERS: Mapping[str, Callable[[str, str], tuple[Power, ...]]] = {
    "models": model_powers,
    "tasks": task_powers,
    "markers": marker_powers,
    "rewards": _reward_powers,
}
"""How a reference to a plug-in of each folder is read."""


def _words(name: str, settings: JsonObject, setting: str) -> str:
    """Return the plug-in, its detail and the setting that asks; of an address only its host."""
    detail = str(settings.get("name", ""))
    head = f"{name}:{detail}" if detail else name
    if setting:
        return f"{head}?{setting}={settings[setting]}"
    hosts = filter(None, (_host(str(value)) for value in settings.values()))
    return " at ".join((head, *hosts))


def _host(text: str) -> str:
    """Return scheme, host and port of an address; empty where a text is none."""
    try:
        parts = urllib.parse.urlsplit(text)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}{port}" if parts.scheme and parts.hostname else ""
