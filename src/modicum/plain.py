"""Plain values, as JSON holds them, back into the typed ones that they were."""

import dataclasses
import enum
import types
import typing
from collections.abc import Mapping

__all__ = ["thawed"]


def thawed(hint: object, value: object) -> object:
    """Return a value of a type from what `dataclasses.asdict` and JSON made of it.

    Dataclasses, tuples, mappings, enums and `X | None` are rebuilt; infinity and NaN survive.

    Args:
        hint: The type, as `typing.get_type_hints` states it.
        value: What JSON gave.

    Raises:
        KeyError: a dataclass lacks one of the fields that stand there.
        TypeError: a field is missing, or a value is of another kind altogether.
        ValueError: no such member of an enum.
    """
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        fields = typing.cast(Mapping[str, object], value)
        return hint(**{name: thawed(hints[name], item) for name, item in fields.items()})
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint(value)
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if value is None or origin is None:
        return value
    if origin is types.UnionType:
        return thawed(next(o for o in options if o is not types.NoneType), value)
    return _contained(options, value)


def _contained(options: tuple[object, ...], value: object) -> object:
    """Rebuild what a mapping or a tuple holds; any other value is as it was."""
    if isinstance(value, dict):
        return {name: thawed(options[1], item) for name, item in value.items()}
    if isinstance(value, list):
        each = [options[0]] * len(value) if options[-1] is Ellipsis else list(options)
        return tuple(thawed(one, item) for one, item in zip(each, value, strict=True))
    return value
