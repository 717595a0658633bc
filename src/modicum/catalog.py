"""Finds plug-ins by file name, lists them without importing, fills their fields strictly.

A plug-in is one file in a plural folder (`tasks/`, `models/`, `methods/`, …, those of `KINDS`) or one
entry point of the group `modicum.<folder>` in another package. The file name is its name. The file
defines exactly one concrete subclass of the folder's contract; its dataclass fields are settings.
"""

import dataclasses
import importlib
import inspect
import json
import math
import re
import traceback
import typing
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import TypeVar

from modicum.errors import ConfigError, ModicumError, UnknownNameError
from modicum.files.content import content_hash
from modicum.files.entries import Entry, found_in
from modicum.files.limits import shown
from modicum.plain import KINDS_IN_WORDS, fields_in
from modicum.secrecy import learn_from, looks_like_key
from modicum.types import File, Setting, Settings

__all__ = [
    "KINDS",
    "Catalog",
    "fields_of",
    "file_name",
    "fill",
    "read_reference",
    "read_setting",
    "read_settings",
    "settings_of",
]

_ADDED = frozenset({"version", "content"})
"""What `settings_of` adds to the fields."""

KINDS = (
    "executors",
    "exports",
    "markers",
    "methods",
    "models",
    "probes",
    "readings",
    "rewards",
    "tasks",
)
"""Plural folders of plug-ins, to which other packages may add."""

_MOST = 2**64
"""No setting is as large; infinity may be one, what is no number (NaN) never."""

T = TypeVar("T")


@dataclass(frozen=True)
class Catalog:
    """The plug-ins of one folder."""

    kind: str
    """Plural folder name under `modicum`, for example `methods`."""

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """Every plug-in by name, own ones first; reads files, imports nothing.

        A broken one is there with its fault; it is refused where it is used.
        """
        return found_in(self.kind)

    def entry(self, name: str) -> Entry:
        """Return the entry of a name; hyphens and points count as underscores.

        Raises:
            UnknownNameError: no such plug-in.
        """
        plain = file_name(name)
        if plain not in self.entries:
            raise UnknownNameError(self.kind.removesuffix("s"), name, self.entries)
        return self.entries[plain]

    def powers(self, name: str) -> Mapping[str, str]:
        """Return what a plug-in says that it switches on, by the setting that does; see `study.powers`.

        Our own plug-ins state it in the file of their class, which is not imported; a plug-in of
        another package is imported, for it may inherit what it states.

        Raises:
            UnknownNameError: no such plug-in.
        """
        entry = self.entry(name)
        own = entry.module.startswith("modicum.")
        said = entry.stated.get("powers") if own else getattr(self.load(name), "powers", None)
        table = said if isinstance(said, Mapping) else {}
        return {str(setting): str(kind) for setting, kind in table.items()}

    def files(self, name: str) -> tuple[str, ...]:
        """Return the settings of a plug-in that name a file or folder; imports nothing."""
        found = self.entry(name).stated.get("files", ())
        return found if isinstance(found, tuple) else ()

    def module(self, name: str) -> ModuleType:
        """Import one plug-in's module.

        Raises:
            UnknownNameError: no such plug-in.
            ConfigError: its file is broken, gone, or fails while it is imported; with the place.
        """
        entry = self.entry(name)
        if entry.fault:
            raise self._broken(entry, entry.fault)
        try:
            return importlib.import_module(entry.module)
        except ModicumError:
            raise
        except (Exception, SystemExit) as error:
            if not entry.package and not isinstance(error, ImportError | SyntaxError):
                raise  # a fault of our own shows where it arose
            raise self._broken(entry, _where(error, entry)) from error

    def _broken(self, entry: Entry, why: str) -> ConfigError:
        whose = f"uninstall {entry.package}" if entry.package else "take the file away"
        return ConfigError(
            f"{self.kind.removesuffix('s')} {entry.name}: {why}",
            "a plug-in that can be imported",
            f"fix that place, or {whose}",
        )

    def load(self, name: str) -> type:
        """Import one plug-in and gives its class.

        Raises:
            UnknownNameError: no such plug-in.
            ConfigError: the file is broken, or does not define exactly one concrete class of the
                contract.
        """
        module = self.module(name)
        classes = [
            cls
            for cls in vars(module).values()
            if inspect.isclass(cls)
            and cls.__module__ == module.__name__
            and self.kind in getattr(cls, "plugin_kinds", ())
            and not inspect.isabstract(cls)
        ]
        if len(classes) != 1:
            raise ConfigError(
                f"{len(classes)} plug-in classes in {module.__name__}",
                f"exactly one concrete class of the {self.kind} contract",
                "keep one class there and move the others to their own files",
            )
        return classes[0]

    def build(self, name: str, settings: Settings | None = None) -> object:
        """Return a configured plug-in.

        Raises:
            UnknownNameError: unknown plug-in, or a setting that it does not have.
            ConfigError: a setting of the wrong type.
        """
        return fill(self.load(name), settings or {}, where=f"{self.kind.removesuffix('s')} {name}")


def file_name(name: str) -> str:
    """Give the file name of a plug-in as users type it: hyphens and points count as underscores.

    >>> file_name("qwen2.5-coder-0.5b")
    'qwen2_5_coder_0_5b'
    """
    return name.replace("-", "_").replace(".", "_")


def fill(cls: type[T], settings: Mapping[str, object], *, where: str) -> T:
    """Build a dataclass from settings, refusing unknown names and wrong types.

    Text values are converted to int, float or bool where the field wants one, and read as JSON
    where it wants a list or a table, so that TOML and `--set` fill the same fields.

    Raises:
        UnknownNameError: a setting that is no field.
        ConfigError: a value that does not fit its field.
    """
    if not isinstance(settings, Mapping):
        raise ConfigError(f"{where} = {settings!r:.60}", "a table", "write key = value pairs")
    hints = typing.get_type_hints(cls)
    fields = {f.name for f in fields_in(cls) if f.init}
    values: dict[str, object] = {}
    for name, value in settings.items():
        if name not in fields:
            is_name = re.fullmatch(r"[A-Za-z_][\w-]{0,39}", name) and not looks_like_key(name)
            raise UnknownNameError(f"setting of {where}", name if is_name else "…", fields)
        values[name] = _fit(value, hints[name], f"{where}.{name}")
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}", "valid settings", "correct the values") from error


def settings_of(plugin: object) -> dict[str, Setting]:
    """Return the settings of a plug-in as plain values, with its version and what its file holds.

    They enter the trial's identity: a changed field, version or file is another trial.
    """
    if not dataclasses.is_dataclass(plugin) or isinstance(plugin, type):
        raise TypeError(f"{plugin!r:.60}, expected a plug-in with fields")
    values = dataclasses.asdict(plugin)
    hints = typing.get_type_hints(type(plugin), include_extras=True)
    named = [value for name, value in values.items() if value and hints[name] == File]
    content = {"content": content_hash(Path(*named))} if named else {}
    return {**values, "version": getattr(plugin, "version", 1), **content}


def fields_of(settings: Settings) -> dict[str, Setting]:
    """Return settings as `settings_of` gave them without what it added: those that fill a plug-in."""
    return {name: value for name, value in settings.items() if name not in _ADDED}


def read_setting(text: str) -> tuple[str, str, str]:
    """Read `method.field=value`.

    Raises:
        ConfigError: another form.
    """
    name, equals, value = text.partition("=")
    method, dot, field_name = name.partition(".")
    if not (equals and dot):
        raise ConfigError(f"setting {text!r}", "method.field=value", "such as fine_tune.rank=4")
    return method, field_name, value


def read_settings(text: str) -> tuple[str, dict[str, str]]:
    """Read `method.field=value,field=value`, several settings of one method.

    Commas within a JSON list do not part settings.

    >>> read_settings("rlvr.reward=random?gamma=0.3,clip=0")
    ('rlvr', {'reward': 'random?gamma=0.3', 'clip': '0'})
    >>> read_settings("steering_vector.layers=[1, 2],scale=3")
    ('steering_vector', {'layers': '[1, 2]', 'scale': '3'})

    Raises:
        ConfigError: another form.
    """
    first, *others = _parted(text)
    method, field_name, value = read_setting(first)
    found = {field_name: value}
    for pair in others:
        name, equals, value = pair.strip().partition("=")
        if not (name and equals):
            raise ConfigError(f"{pair!r} in {text!r}", "field=value", "such as clip=0")
        found[name] = value
    return method, found


def _parted(text: str) -> list[str]:
    """Part a text at its commas, those within brackets and quotes aside."""
    parts, depth, is_quoted = [""], 0, False
    for character in text:
        is_quoted ^= character == '"' and depth > 0
        if not is_quoted:
            depth += (character in "[{") - (character in "]}")
        if character == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def read_reference(reference: str) -> tuple[str, str, dict[str, str]]:
    """Read `NAME:DETAIL?field=value&field=value`, as a task or a model is named.

    Detail and settings may be missing; values are percent-decoded. What looks like a password or a
    key in it is a known secret from here on, and no error quotes it.

    >>> read_reference("jsonl:a.jsonl?question=prompt&answer=gold%20one")
    ('jsonl', 'a.jsonl', {'question': 'prompt', 'answer': 'gold one'})
    >>> read_reference("./folder")
    ('./folder', '', {})

    Raises:
        ConfigError: what follows the question mark is not `field=value`.
    """
    learn_from(reference)
    head, _, query = reference.partition("?")
    kind, _, detail = head.partition(":")
    settings: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        field, equals, value = pair.partition("=")
        if not (field and equals):
            # what has no name may be anything, a piece of a password too
            word = repr(pair) if re.fullmatch(r"[a-z_]{1,30}", pair) else "a setting without a name"
            raise ConfigError(
                f"{word} in {head!r}",
                "field=value after the question mark",
                "such as NAME?threads=1",
            )
        settings[field] = urllib.parse.unquote(value)
    return kind, detail, settings


def _fit(value: object, hint: object, where: str) -> object:
    """Return the value as its field's type wants it; refuses what does not fit."""
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        if value not in options:
            names = ", ".join(map(str, options))
            raise ConfigError(f"{where} = {shown(value)}", f"one of {names}", "choose one of those")
        return value
    if origin is UnionType:
        return _fit_one_of(value, options, where)
    if origin in (tuple, list, dict, Mapping):
        value = _from_json(value)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(
                f"{where} = {shown(value)}", "a list", "put it into [ ], such as [1, 2]"
            )
        return tuple(_fit(item, options[0], f"{where}[{i}]") for i, item in enumerate(value))
    if origin is not None:
        if not isinstance(value, origin):
            raise ConfigError(f"{where} = {shown(value)}", "a table", "write key = value pairs")
        return value
    if hint in (bool, int, float, str):
        return _fit_plain(value, hint, where)
    return value


def _from_json(value: object) -> object:
    """Return the list or table that a text writes as JSON; anything else as it is."""
    if not isinstance(value, str) or value.strip()[:1] not in ("[", "{"):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _fit_one_of(value: object, options: tuple[object, ...], where: str) -> object:
    """Fit a value to the first of several types that takes it."""
    if value is None and NoneType in options:
        return None
    kinds = [option for option in options if option is not NoneType]
    for kind in kinds[:-1]:
        try:
            return _fit(value, kind, where)
        except ConfigError:
            continue
    return _fit(value, kinds[-1], where)


def _fit_plain(value: object, kind: type, where: str) -> object:
    """Fit a bool, int, float or str; texts are read where another type is wanted."""
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < _MOST else value
    if kind is not str and isinstance(value, str):
        value = _from_text(value, kind, where)
    is_absurd = isinstance(value, int | float) and not abs(value) < _MOST and abs(value) != math.inf
    if isinstance(value, kind) and isinstance(value, bool) == (kind is bool) and not is_absurd:
        return value
    raise ConfigError(f"{where} = {shown(value)}", KINDS_IN_WORDS[kind], "correct the value")


def _from_text(text: str, kind: type, where: str) -> object:
    """Read a bool, int or float from text."""
    if kind is bool:
        words = {"true": True, "false": False, "1": True, "0": False}
        if text.lower() in words:
            return words[text.lower()]
    else:
        try:
            value = kind(text)
            if kind is int or math.isfinite(value) or "inf" in text.lower():
                return value  # a number of a thousand digits is not meant as infinity
        except ValueError:
            pass
    raise ConfigError(f"{where} = {shown(text)}", KINDS_IN_WORDS[kind], "correct the value")


def _where(error: BaseException, entry: Entry) -> str:
    """Say what an import failed with, and where in the plug-in's own files."""
    words = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}: {error.msg}"
    root = str(entry.file.parent) if entry.file is not None else ""
    places = [
        f"{frame.filename}, line {frame.lineno}: {words}"
        for frame in traceback.extract_tb(error.__traceback__)
        if root and frame.filename.startswith(root)
    ]
    return places[-1] if places else f"{entry.file}: {words}"
