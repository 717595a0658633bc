"""The one way from typed values to the plain ones that JSON holds, and back."""

import dataclasses
import enum
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, TypeAlias, TypeVar

__all__ = ["KINDS_IN_WORDS", "JsonObject", "JsonValue", "fields_in", "plain", "table_of", "thawed"]

T = TypeVar("T")

if TYPE_CHECKING:
    JsonValue: TypeAlias = (
        bool | int | float | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"] | None
    )
else:
    JsonValue = object  # `thawed` takes what stands where one is wanted as it is
"""What JSON holds, TOML and YAML too: a plain value, a list of such, or a table."""
JsonObject: TypeAlias = Mapping[str, JsonValue]
"""A table of plain values by name."""

_UNIONS = (types.UnionType, typing.get_origin(typing.Literal[0] | None))
"""What `X | Y` is: a union with a literal is still of the older kind."""
KINDS_IN_WORDS: Mapping[object, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
}
"""What a value of a type is, for people."""


def plain(value: object, rewritten: Callable[[object], object] | None = None) -> JsonValue:
    """Return what JSON can hold of a value.

    Dataclasses and mappings become tables, tuples lists, enums their values; the rest stays.

    Args:
        value: What is frozen.
        rewritten: Applied to every value on the way down, before it is frozen.

    >>> plain({"pair": (1, 2.5)})
    {'pair': [1, 2.5]}
    """
    value = value if rewritten is None else rewritten(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: plain(getattr(value, name), rewritten) for name in names}
    if isinstance(value, enum.Enum):
        held: JsonValue = value.value
        return held
    if isinstance(value, Mapping):
        return {str(key): plain(item, rewritten) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item, rewritten) for item in value]
    return typing.cast(JsonValue, value)  # what JSON does not know is its writer's to refuse


def table_of(record: object) -> dict[str, JsonValue]:
    """Return a dataclass as the table of its fields, each made plain.

    Raises:
        TypeError: no dataclass.
    """
    return {field.name: plain(getattr(record, field.name)) for field in fields_in(type(record))}


def thawed(kind: type[T], value: object, where: str = "") -> T:
    """Return the value of a type that `plain` and JSON made plain.

    Dataclasses, tuples, mappings, enums, literals and `X | None` are rebuilt; infinity and NaN
    survive. A whole number may stand for any number; nothing else is converted.

    Args:
        kind: The type.
        value: What JSON gave.
        where: Name of the value, for messages; that of the type where empty.

    Raises:
        TypeError: a value of another kind, a field that is missing or one that is not known; the
            message names the place.

    >>> thawed(int, True, "steps")
    Traceback (most recent call last):
    TypeError: steps = True, expected a whole number
    """
    return typing.cast(T, _thawed(kind, value, where or kind.__name__))


def _thawed(hint: object, value: object, where: str) -> object:
    """Rebuild a value as its type hint says."""
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin in _UNIONS:
        return _one_of(options, value, where)
    if isinstance(origin, type):
        return _contained(origin, options, value, where)
    if origin is typing.Literal:
        if not any(value == option and type(value) is type(option) for option in options):
            raise _other(where, value, f"one of {', '.join(map(str, options))}")
        return value
    kind = hint.__supertype__ if isinstance(hint, typing.NewType) else hint
    return _single(kind, value, where) if isinstance(kind, type) else value


def _single(kind: type, value: object, where: str) -> object:
    """Rebuild a dataclass or a member of an enum; refuse a plain value of another type."""
    if dataclasses.is_dataclass(kind):
        return _filled(kind, value, where)
    if issubclass(kind, enum.Enum):
        try:
            return kind(value)
        except ValueError as error:
            raise _other(where, value, f"a {kind.__name__}") from error
    if not _is_a(kind, value):
        raise _other(where, value, KINDS_IN_WORDS.get(kind, kind.__name__))
    return value


def _is_a(kind: type, value: object) -> bool:
    """Whether a value is of a plain type; no flag is a number."""
    if kind in (int, float) and isinstance(value, bool):
        return False
    return isinstance(value, int | float if kind is float else kind)


def _one_of(options: Sequence[object], value: object, where: str) -> object:
    """Rebuild a value as the first of several types that takes it."""
    if value is None and types.NoneType in options:
        return None
    kinds = [option for option in options if option is not types.NoneType]
    for kind in kinds[:-1]:
        try:
            return _thawed(kind, value, where)
        except TypeError:
            continue
    return _thawed(kinds[-1], value, where)


def _contained(origin: type, options: Sequence[object], value: object, where: str) -> object:
    """Rebuild a mapping, a tuple or a list with what it holds."""
    if issubclass(origin, Mapping):
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise _other(where, value, "a table")
        return {key: _thawed(options[1], item, f"{where}.{key}") for key, item in value.items()}
    if not isinstance(value, list | tuple):
        raise _other(where, value, "a list")
    is_fixed = origin is tuple and options[-1] is not Ellipsis
    if is_fixed and len(options) != len(value):
        raise _other(where, value, f"a list of {len(options)}")
    each = options if is_fixed else [options[0]] * len(value)
    found = [
        _thawed(o, v, f"{where}[{i}]") for i, (o, v) in enumerate(zip(each, value, strict=True))
    ]
    return tuple(found) if origin is tuple else found


def _filled(kind: type, value: object, where: str) -> object:
    """Rebuild a dataclass from the table of its fields."""
    if not isinstance(value, Mapping):
        raise _other(where, value, "a table")
    hints = _hints(kind)
    unknown = [name for name in value if name not in hints]
    if unknown:
        raise TypeError(f"{where}: {unknown[0]!r:.60} is none of its fields")
    values = {name: _thawed(hints[name], item, f"{where}.{name}") for name, item in value.items()}
    try:
        return kind(**values)
    except TypeError as error:  # a field that is missing
        raise TypeError(f"{where}: {error}") from error


@cache
def _hints(kind: type) -> Mapping[str, object]:
    """Return the type of each field that a dataclass is built from."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields_in(kind) if field.init}


def fields_in(kind: type) -> Sequence["dataclasses.Field[object]"]:
    """Return the fields of a dataclass.

    Raises:
        TypeError: it is none.
    """
    if not dataclasses.is_dataclass(kind):
        raise TypeError(f"{kind.__name__}, which has no fields")
    return dataclasses.fields(kind)


def _other(where: str, value: object, expected: str) -> TypeError:
    return TypeError(f"{where} = {value!r:.60}, expected {expected}")
