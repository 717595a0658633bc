"""Opening a user's file, with messages that name the place of what is wrong."""

from collections.abc import Mapping
from pathlib import Path

from modicum.errors import ConfigError, nearest
from modicum.foreign import is_there

__all__ = ["file_stamp", "flat", "lines_of", "needed_file"]


def needed_file(name: str) -> Path:
    """Gives the path of a file that must exist.

    Raises:
        ConfigError: no name, no such file (with the nearest one beside it), or a folder.
    """
    path = Path(name)
    is_here = bool(name) and is_there(path)
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
    return path


def file_stamp(*names: str) -> tuple[object, ...]:
    """Gives time and size of files; None for one that does not exist."""
    found: list[object] = []
    for name in filter(None, names):
        try:
            state = Path(name).stat()
        except (OSError, ValueError):  # ValueError: a name with a zero in it
            found.append(None)
        else:
            found.append((state.st_mtime_ns, state.st_size))
    return tuple(found)


def lines_of(name: str) -> list[tuple[int, str]]:
    """Gives the lines of a UTF-8 file that are not blank, with their numbers from 1.

    Raises:
        ConfigError: missing, unreadable, empty, or not UTF-8 (with the line).
    """
    path = needed_file(name)
    try:
        raw = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise ConfigError(f"{name}: {error.strerror}", "a readable file", "check it") from error
    found = []
    for number, line in enumerate(raw.split(b"\n"), start=1):
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
    if not found:
        raise ConfigError(f"{name} is empty", "one record a line", "fill it")
    return found


def flat(record: Mapping[str, object]) -> dict[str, object]:
    """Gives a record with its tables opened: `{"a": {"b": 1}}` has `a` and `a.b`."""
    found = dict(record)
    for name, value in record.items():
        if isinstance(value, Mapping):
            found.update({f"{name}.{inner}": v for inner, v in value.items()})
    return found
