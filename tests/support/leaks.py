"""How a server may write down a key, and everything that a study leaves where it could stand."""

import base64
import gzip
import html
import json
import re
import sqlite3
import urllib.parse
import zlib
from collections.abc import Iterator
from pathlib import Path

PIECE = 8
"""Characters of a secret that nobody may see together."""


def _base64(key: str, before: bytes, encode) -> str:
    """Base64 as it stands behind other bytes: the characters that the key alone decides."""
    raw = before + key.encode()
    whole = encode(raw).decode().rstrip("=")
    first, last = -(-8 * len(before) // 6), 8 * len(raw) // 6
    return whole[first:last] if before else encode(raw).decode()


ENCODINGS = {
    "plain": lambda key: key,
    "upper": str.upper,
    "lower": str.lower,
    "reversed": lambda key: key[::-1],
    "percent": lambda key: urllib.parse.quote(key, safe=""),
    "percent, lower": lambda key: urllib.parse.quote(key, safe="").lower(),
    "percent, a path's": urllib.parse.quote,
    "percent, a form's": urllib.parse.quote_plus,
    "percent, each": lambda key: "".join(f"%{ord(c):02X}" for c in key),
    "json": lambda key: json.dumps(key)[1:-1],
    "json in json": lambda key: json.dumps(json.dumps(key)[1:-1])[1:-1],
    "json, slashes too": lambda key: json.dumps(key)[1:-1].replace("/", "\\/"),
    "json, all": lambda key: "".join(f"\\u{ord(c):04x}" for c in key),
    "python": lambda key: repr(key)[1:-1],
    "html": html.escape,
    "html, numbers": lambda key: "".join(f"&#{ord(c)};" for c in key),
    "hex": lambda key: key.encode().hex(),
    "hex, upper": lambda key: key.encode().hex().upper(),
    "hex, colons": lambda key: key.encode().hex(":"),
    "base32": lambda key: base64.b32encode(key.encode()).decode(),
    **{
        f"base64 {name}, {len(before)} before": lambda key, b=before, e=encode: _base64(key, b, e)
        for name, encode in (("plain", base64.b64encode), ("url", base64.urlsafe_b64encode))
        for before in (b"", b"x", b"yz")
    },
    "base64, percent": lambda key: urllib.parse.quote(
        base64.b64encode(key.encode()).decode(), safe=""
    ),
}
"""What each makes of a key."""


def pieces(text: str) -> set[str]:
    """Return every stretch of `PIECE` characters."""
    return {text[i : i + PIECE] for i in range(len(text) - PIECE + 1)}


def seen_in(folder: Path, *screens: str) -> str:
    """Return all that a study's folder and its screens hold, packed texts unpacked."""
    found = list(screens)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            raw = path.read_bytes()
            found.append(raw.decode("latin-1"))
            found += [_unpacked(block) for block in re.findall(rb"[A-Za-z0-9+/]{40,}={0,2}", raw)]
    with sqlite3.connect(folder / "study.sqlite") as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        for table in tables:
            for row in db.execute(f"SELECT * FROM {table}"):
                found += [text for value in row for text in _texts(value)]
    db.close()
    return "\n".join(found)


def _unpacked(block: bytes) -> str:
    """Return what the report packed: gzip in base64."""
    try:
        raw = gzip.decompress(base64.b64decode(block))
    except (OSError, EOFError, ValueError, zlib.error):
        return ""
    return "\n".join([raw.decode("utf-8", "replace"), *_texts(raw.decode("utf-8", "replace"))])


def _texts(value: object) -> Iterator[str]:
    """Yield a stored value as text, unpacked and with each JSON text in it as it is read."""
    if isinstance(value, bytes):
        for raw in (value, value[8:]):
            try:
                whole = zlib.decompress(raw)
            except zlib.error:
                continue
            yield from _texts(whole.decode("utf-8", "replace"))
        yield value.decode("latin-1")
    elif isinstance(value, str):
        yield value
        try:
            yield from _inside(json.loads(value))
        except ValueError:
            return


def _inside(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for item in (*value, *value.values()) for text in _inside(item))
    elif isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            yield "".join(value)  # tokens of one text stand side by side
        yield from (text for item in value for text in _inside(item))
