"""The heads of files of weights: names and shapes of their tensors, read without a weight.

A head may be a stranger's. Lengths and counts in it are believed only as far as the file reaches, so
that reading one takes neither more memory nor more time than its size allows.
"""

import json
import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modicum.plain import JsonObject, JsonValue

__all__ = ["Head", "gguf_head", "safetensors_head"]

_MOST_HEAD = 100 << 20
"""Bytes of the longest safetensors head; the library's own limit."""
_MOST_ENTRIES, _MOST_TENSORS, _MOST_ITEMS = 100_000, 1_000_000, 8_000_000
"""Metadata entries and tensors of a GGUF file, and items of one of its lists, at most."""
_MOST_SIZE = 2**48
"""Numbers of the largest tensor that is taken for one."""
_PLAIN = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""Formats of GGUF's plain values, by their number."""
_TEXT, _LIST = 8, 9


@dataclass(frozen=True)
class Head:
    """What a file says of its tensors."""

    shapes: Mapping[str, tuple[int, ...]]
    """Shape of each tensor, by name."""
    values: JsonObject = field(default_factory=dict)
    """Metadata of a GGUF file; of a list of texts only its length."""
    kinds: Mapping[str, int] = field(default_factory=dict)
    """GGUF's number of each tensor's format."""
    places: Mapping[str, int] = field(default_factory=dict)
    """Byte at which each tensor of a GGUF file begins."""

    @property
    def numbers(self) -> int:
        """Number that all tensors hold together."""
        return sum(math.prod(shape) for shape in self.shapes.values())


def safetensors_head(path: Path) -> Head:
    """Read the head of a safetensors file: 8 bytes of length, then JSON.

    Raises:
        ValueError: no plain file, a head beyond the file's end, or no table of shapes.
    """
    try:
        if not path.is_file():
            raise ValueError("missing, or no file")
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(_MOST_HEAD, path.stat().st_size - 8):
                raise ValueError(f"a head of {length:,} bytes, which the file does not hold")
            table = json.loads(file.read(length))
    except (OSError, struct.error) as error:
        raise ValueError(str(error)) from error
    except RecursionError as error:
        raise ValueError("a head nested too deeply") from error
    if isinstance(table, dict):
        return Head({str(n): _shape(n, item) for n, item in table.items() if n != "__metadata__"})
    raise ValueError("a head that is no table")


def _shape(name: object, item: object) -> tuple[int, ...]:
    """Return the shape of an entry; sizes are whole numbers from 0 on, and few enough."""
    shape = item.get("shape") if isinstance(item, dict) else None
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"a tensor {str(name)!r:.80} without a shape")
    if math.prod(shape) > _MOST_SIZE:
        raise ValueError(f"a tensor {str(name)!r:.80} of {math.prod(shape):.0e} numbers")
    return tuple(shape)


def gguf_head(path: Path) -> Head:
    """Read the head of a GGUF file of version 2 or 3.

    Raises:
        ValueError: no such file, or counts and lengths that lead beyond its end.
    """
    try:
        if not path.is_file():
            raise ValueError("missing, or no file")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
            return _Reader(raw).head()
    except (OSError, struct.error) as error:
        raise ValueError(str(error)) from error


class _Reader:
    """A walk over the head of a GGUF file."""

    def __init__(self, raw: mmap.mmap) -> None:
        self._raw, self._at = raw, 0

    def head(self) -> Head:
        """Read all of it."""
        if self._bytes(4) != b"GGUF":
            raise ValueError("no GGUF file")
        version = self._number("I")
        if version not in (2, 3):
            raise ValueError(f"GGUF of version {version}")
        tensors, entries = self._count(_MOST_TENSORS), self._count(_MOST_ENTRIES)
        values = {self._text(): self._value(self._number("I")) for _ in range(entries)}
        shapes, kinds, offsets = {}, {}, {}
        for _ in range(tensors):
            name = self._text()
            sizes = [self._number("Q") for _ in range(min(self._number("I"), 9))]
            shapes[name] = _shape(name, {"shape": sizes[::-1]})
            kinds[name], offsets[name] = self._number("I"), self._number("Q")
        step = values.get("general.alignment", 32)
        step = step if isinstance(step, int) and 0 < step <= 1 << 20 else 32
        start = -(-self._at // step) * step
        places = {name: start + offset for name, offset in offsets.items()}
        return Head(shapes, values, kinds, places)

    def _value(self, kind: int) -> JsonValue:
        if kind in _PLAIN:
            return self._plain(_PLAIN[kind])
        if kind == _TEXT:
            return self._text()
        if kind != _LIST:
            raise ValueError(f"a value of the unknown kind {kind}")
        kind, count = self._number("I"), self._count(_MOST_ITEMS)
        if kind in _PLAIN:
            form = f"<{count}{_PLAIN[kind]}"
            return list(struct.unpack(form, self._bytes(struct.calcsize(form))))
        if kind != _TEXT:
            raise ValueError(f"a list of the unknown kind {kind}")
        for _ in range(count):
            self._bytes(self._number("Q"))
        return count

    def _text(self) -> str:
        return self._bytes(self._number("Q")).decode("utf-8", "replace")

    def _count(self, most: int) -> int:
        count = self._number("Q")
        if count > most:
            raise ValueError(f"a count of {count:,}, where {most:,} are the most")
        return count

    def _number(self, form: str) -> int:
        return int(self._plain(form))

    def _plain(self, form: str) -> int | float:
        found: int | float = struct.unpack(f"<{form}", self._bytes(struct.calcsize(f"<{form}")))[0]
        return found

    def _bytes(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._raw):
            raise ValueError(f"{count:,} bytes wanted beyond the end of the file")
        found, self._at = self._raw[self._at : end], end
        return found
