"""What comes from elsewhere, looked at before it is used: names, paths, JSON and a model's configuration.

Nothing here trusts a file: what it names is refused where it would lead out of its folder, be no name,
grow beyond its size, or have a library fetch or run something. Needs nothing but the standard library.
"""

import json
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

from modicum.errors import ConfigError

__all__ = ["at", "check_name", "inside", "is_name", "read_json", "read_table"]

MOST_JSON = 64 << 20
"""Bytes of the longest JSON file that is read."""
_LONGEST_NAME = 120
"""Characters of the longest name; with them a folder's name stays within 255 bytes in most scripts."""
_MOST_BYTES = 200


def at(text: str | Path) -> Path:
    """Gives the path of a text with the home folder filled in, where `~` names one.

    >>> at("~nobody-of-this-name/x")
    PosixPath('~nobody-of-this-name/x')
    """
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:  # no such user: then it is a folder whose name begins so
        return path


def is_name(text: str) -> bool:
    r"""Says whether a text is a name that may become a file's or folder's, and no path.

    >>> is_name("word-sums 2"), is_name("../escape"), is_name("a/b"), is_name("C:\\x")
    (True, False, False, False)
    """
    return (
        0 < len(text) <= _LONGEST_NAME
        and text.isprintable()  # no control character, no hidden one, no lone surrogate
        and len(unicodedata.normalize("NFC", text).encode()) <= _MOST_BYTES
        and text == text.strip()
        and not set(text) & set('/\\:*?"<>|')
        and not text.endswith(".")  # `.`, `..`, and what some systems cut off
        and not PureWindowsPath(text).is_reserved()
    )


def check_name(text: object, what: str) -> None:
    """Refuses what is no name.

    Args:
        text: The name as it was given.
        what: What bears it, for the message.

    Raises:
        ConfigError: no text, empty, too long, a path, or one with hidden characters.
    """
    if not isinstance(text, str) or not is_name(text):
        raise ConfigError(
            f"{what} {text!r:.80}",
            f"a name of 1 to {_LONGEST_NAME} letters, digits, spaces, dots or dashes: no path",
            "choose a plain name; --out chooses the folder",
        )


def inside(name: str) -> bool:
    r"""Says whether a path within a folder, as a file gives it, stays within that folder.

    >>> inside("artefacts/0a"), inside("../a"), inside("/a"), inside("a\\b"), inside("")
    (True, False, False, False, False)
    """
    path = PurePosixPath(name)
    return (
        bool(path.parts)
        and not path.is_absolute()
        and ".." not in path.parts
        and not set(name) & set("\\:\x00")
    )


def read_json(path: Path, most: int = MOST_JSON) -> object:
    """Gives what a JSON file holds.

    Raises:
        ValueError: missing, no plain file, too large, no UTF-8, no JSON, or nested too deeply.
    """
    try:
        if not path.is_file():  # a pipe would never end
            raise ValueError("missing, or no file")
        if path.stat().st_size > most:
            raise ValueError(f"{path.stat().st_size:,} bytes, where {most:,} are the most")
        found: object = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(str(error.strerror or error)) from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return found


def read_table(path: Path, most: int = MOST_JSON) -> dict[str, object]:
    """Gives the table that a JSON file holds.

    Raises:
        ValueError: as `read_json`, or no table.
    """
    found = read_json(path, most)
    if isinstance(found, dict):
        return found
    raise ValueError("no JSON object")
