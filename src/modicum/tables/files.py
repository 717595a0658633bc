"""Opening a user's file within limits, with messages that name the place of what is wrong."""

import gzip
import io
import zlib
from collections.abc import Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

from modicum.errors import ConfigError, nearest
from modicum.files.foreign import is_there
from modicum.plain import JsonValue

__all__ = ["MOST_BYTES", "Cell", "file_bytes", "file_lines", "file_stamp", "flat", "needed_file"]

Cell: TypeAlias = (
    JsonValue | bytes | date | time | timedelta | Decimal | Sequence["Cell"] | Mapping[str, "Cell"]
)
"""What a table's cell holds: what JSON has, a column of Parquet's other kinds, and lists and tables of
them."""

MOST_BYTES = 2**29
"""Bytes of a file, decompressed, that are read: half a gigabyte is some million problems."""
MOST_SWELLING = 200
"""Bytes that a byte of a compressed file may become; text seldom reaches twenty."""
ALWAYS_READ = 2**24
"""Bytes to which any compressed file may swell: short files of equal lines shrink further."""
_GZIP = b"\x1f\x8b"
_PIECE = 2**20
"""Bytes that are decompressed at once."""


def needed_file(name: str) -> Path:
    """Return the path of a file that must exist.

    Raises:
        ConfigError: no name, no such file (with the nearest one beside it), a folder, a device or
            a pipe.
    """
    path = Path(name)
    is_here = bool(name) and is_there(path)  # not a name too long, or with a NUL in it
    if not name or (is_here and path.is_dir()):
        raise ConfigError(f"the file {name!r}", "a file of records", "write its path: KIND:FILE")
    if not is_here:
        is_beside = is_there(path.parent) and path.parent.is_dir()
        beside = [p.name for p in path.parent.iterdir()] if is_beside else []
        close = nearest(path.name, beside)
        raise ConfigError(
            f"no file {name!s:.300}",
            "a file of records",
            f"did you mean {str(path.with_name(close))!r}?" if close else "check the path",
        )
    if not path.is_file():
        raise ConfigError(
            f"{name}, which is not a regular file",
            "a file that can be read more than once",
            "save it on disk first: a study reads its problems more than once",
        )
    return path


def file_stamp(*names: str) -> tuple[object, ...]:
    """Return time and size of files; None for one that does not exist."""
    found: list[object] = []
    for name in filter(None, names):
        try:
            state = Path(name).stat()
        except (OSError, ValueError):
            found.append(None)
        else:
            found.append((state.st_mtime_ns, state.st_size))
    return tuple(found)


def file_bytes(name: str) -> bytes:
    """Return what a file holds; one that was compressed by gzip is opened within limits.

    Raises:
        ConfigError: missing, unreadable, empty, larger than `MOST_BYTES`, or a broken gzip.
    """
    path = needed_file(name)
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise _too_large(name, f"{size:,} bytes", MOST_BYTES)
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{name}: {error.strerror}", "a readable file", "check it") from error
    if raw.startswith(_GZIP):
        raw = _decompressed(raw, name)
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if not raw.strip():
        raise ConfigError(f"{name} is empty", "one record on each line", "add problems")
    return raw


def file_lines(name: str) -> list[tuple[int, str]]:
    """Return the lines of a UTF-8 file that are not blank, with their numbers from 1.

    Raises:
        ConfigError: as `file_bytes`, or not UTF-8 (with the line).
    """
    found = []
    for number, line in enumerate(file_bytes(name).split(b"\n"), start=1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ConfigError(
                f"line {number} of {name} is not UTF-8 (byte {error.start + 1} of the line)",
                "a UTF-8 file",
                "save it as UTF-8",
            ) from error
        if text.strip():
            found.append((number, text.removesuffix("\r")))
    return found


def flat(record: Mapping[str, Cell]) -> dict[str, Cell]:
    """Return a record with its tables opened: `{"a": {"b": 1}}` has `a` and `a.b`."""
    found = dict(record)
    for name, value in record.items():
        if isinstance(value, Mapping):
            found.update({f"{name}.{inner}": v for inner, v in value.items()})
    return found


def _decompressed(raw: bytes, name: str) -> bytes:
    """Open a gzip file in pieces, and stop where it swells beyond reason."""
    most = min(MOST_BYTES, max(ALWAYS_READ, MOST_SWELLING * len(raw)))
    pieces, size = [], 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as opened:
            while piece := opened.read(_PIECE):
                pieces.append(piece)
                size += len(piece)
                if size > most:
                    raise _too_large(name, f"{size:,} bytes and more, decompressed", most)
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(f"{name}: {error}", "a whole gzip file", "download it again") from error
    return b"".join(pieces)


def _too_large(name: str, what: str, most: int) -> ConfigError:
    return ConfigError(f"{name}: {what}", f"at most {most:,} bytes", "take a sample of its lines")
