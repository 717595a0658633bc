"""Values packed for the database, and unpacked within a limit: a study may be a stranger's."""

import json
import zlib
from typing import Any

from modicum.plain import JsonObject

__all__ = ["MOST_BYTES", "inflated", "packed_json", "summed", "unpacked_json", "unsummed"]

_CHECK = "check"
"""Entry of a table that holds the checksum of all others."""

MOST_BYTES = 64 << 20
"""Bytes that one packed value may unpack to: hundreds of times what studies hold."""


def packed_json(value: object) -> bytes:
    """Return a plain value as compressed JSON."""
    return zlib.compress(json.dumps(value).encode(), level=1)


def inflated(packed: bytes, most: int = MOST_BYTES) -> bytes:
    """Return what was compressed.

    Args:
        packed: As `zlib.compress` gives it.
        most: Bytes beyond which it is refused.

    Raises:
        ValueError: it unpacks to more.
        zlib.error: damaged, or cut.

    >>> inflated(zlib.compress(b"two words"))
    b'two words'
    """
    one = zlib.decompressobj()
    found = one.decompress(packed, most)
    if one.unconsumed_tail:
        raise ValueError(f"a packed value of more than {most:,} bytes")
    if not one.eof:
        raise zlib.error("a packed value that was cut")
    return found


def unpacked_json(packed: bytes) -> Any:  # noqa: ANN401 - whatever was packed
    """Return the value that `packed_json` packed.

    Raises:
        ValueError: more than `MOST_BYTES`, or no JSON.
        zlib.error: damaged, or cut.
    """
    return json.loads(inflated(packed))


def summed(values: JsonObject) -> str:
    """Return a table as JSON with a checksum, so that a flipped digit is no other figure."""
    plain = json.loads(json.dumps(values, default=str))
    return json.dumps({**plain, _CHECK: zlib.crc32(json.dumps(plain).encode())})


def unsummed(text: str) -> dict[str, Any]:
    """Return the table that `summed` wrote; one without a checksum, of before, is taken as it is.

    Raises:
        ValueError: no JSON, or a table that was changed.
        TypeError: no table.
    """
    values = json.loads(text)
    if not isinstance(values, dict):
        raise TypeError("no table")
    said = values.pop(_CHECK, None)
    if said is not None and said != zlib.crc32(json.dumps(values).encode()):
        raise ValueError("a table that was changed")
    return values
