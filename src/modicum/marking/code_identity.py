"""What a Python function does, as a hash of its code and of the plain values that it reads."""

import functools
import hashlib
import re
import types
from collections.abc import Callable, Mapping

__all__ = ["code_hash"]


def code_hash(function: Callable[..., object]) -> str:
    """Return 12 hexadecimal digits for what a function does, as far as its code says it.

    What enters: bytecode, constants, names and defaults; of what it reads outside of itself the plain
    values, the compiled patterns and the code of functions. Of modules, classes and other objects the
    name alone enters; files that it opens do not. Another version of Python compiles other bytecode.
    """
    digest = hashlib.blake2b(digest_size=6)
    for part in _parts(function, set()):
        digest.update(len(part).to_bytes(8, "little") + part.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _parts(thing: object, seen: set[int]) -> list[str]:
    """Return texts that together say what a function, a piece of code or a plain value is."""
    if isinstance(thing, types.FunctionType):
        return _function_parts(thing, seen)
    if isinstance(thing, types.CodeType):
        consts = [part for one in thing.co_consts for part in _parts(one, seen)]
        names = [*thing.co_names, *thing.co_varnames[: thing.co_argcount]]
        return ["code", thing.co_code.hex(), *names, *consts]
    if isinstance(thing, list | tuple):
        return [type(thing).__name__, *(part for one in thing for part in _parts(one, seen))]
    if isinstance(thing, set | frozenset):
        return ["set", *sorted("\0".join(_parts(one, seen)) for one in thing)]
    if isinstance(thing, Mapping):
        pairs = ("\0".join(_parts([k, v], seen)) for k, v in thing.items())
        return ["table", *sorted(pairs)]
    return _plain_parts(thing, seen)


def _plain_parts(thing: object, seen: set[int]) -> list[str]:
    """Return the parts of a value that holds no others; of any other object its name alone."""
    if isinstance(thing, functools.partial):
        return ["partial", *_parts([thing.func, thing.args, thing.keywords], seen)]
    if isinstance(thing, re.Pattern):
        return ["pattern", str(thing.pattern), str(thing.flags)]
    if thing is None or isinstance(thing, bool | int | float | complex | str | bytes):
        return [repr(thing)]
    named = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None)
    return [str(named or type(thing).__qualname__)]


def _function_parts(function: types.FunctionType, seen: set[int]) -> list[str]:
    """Return the parts of a function: its code, defaults, and what it reads outside of itself."""
    if id(function) in seen:
        return ["again"]
    seen.add(id(function))
    read = {
        name: function.__globals__[name]
        for name in sorted(_names(function.__code__))
        if name in function.__globals__
    }
    cells = dict(
        zip(function.__code__.co_freevars, map(_cell, function.__closure__ or ()), strict=True)
    )
    return [
        *_parts(function.__code__, seen),
        *_parts([function.__defaults__, function.__kwdefaults__], seen),
        *(
            part
            for name, one in (*read.items(), *cells.items())
            for part in (name, *_parts(one, seen))
        ),
    ]


def _cell(cell: types.CellType) -> object:
    """Return what a closure holds; nothing where it is empty still."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _names(code: types.CodeType) -> set[str]:
    """Return the names that a piece of code and those within it look up."""
    inner = [one for one in code.co_consts if isinstance(one, types.CodeType)]
    return {*code.co_names, *(name for one in inner for name in _names(one))}
