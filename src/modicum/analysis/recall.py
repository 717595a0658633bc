"""Verdicts kept in the store: computed once for what is stored, this plan and this code."""

import dataclasses
import json
import types
import typing
from collections.abc import Mapping

from modicum.analysis.judgement import verdicts_of
from modicum.stamp import store_stamp
from modicum.store import Store
from modicum.study import Plan
from modicum.verdict import Verdict

__all__ = ["recalled"]


def recalled(plan: Plan, store: Store) -> list[Verdict]:
    """Gives what `verdicts_of` gives; the second time without computing anything."""
    stamp = store_stamp(plan, store)
    kept = store.kept("verdicts", stamp)
    if kept is not None:
        return [typing.cast(Verdict, _thawed(Verdict, values)) for values in json.loads(kept)]
    found = verdicts_of(plan, store)
    plain = [dataclasses.asdict(verdict) for verdict in found]
    store.keep("verdicts", stamp, json.dumps(plain, default=float))
    return found


def _thawed(hint: object, value: object) -> object:
    """Builds a value of a type from what JSON holds of it; infinity and NaN included."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        fields = typing.cast(Mapping[str, object], value)
        return hint(**{name: _thawed(hints[name], item) for name, item in fields.items()})
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if value is None or origin is None:
        return value
    if origin is types.UnionType:
        return _thawed(next(o for o in options if o is not types.NoneType), value)
    if isinstance(value, dict):
        return {name: _thawed(options[1], item) for name, item in value.items()}
    if isinstance(value, list):
        each = [options[0]] * len(value) if options[-1] is Ellipsis else list(options)
        return tuple(_thawed(one, item) for one, item in zip(each, value, strict=True))
    return value
