"""What comes from elsewhere, looked at before it is used: names, paths, JSON, a model's tables.

Nothing here trusts a file: what it names is refused where it would lead out of its folder, be no name,
grow beyond its size, or have a library fetch or run something. Needs nothing but the standard library.
"""

import json
import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from modicum.errors import ConfigError
from modicum.plain import JsonValue

__all__ = [
    "at",
    "check_name",
    "inside",
    "is_name",
    "is_there",
    "put_text",
    "read_json",
    "read_table",
    "refuse_links",
    "shards_of",
    "switches_of",
    "words_of",
]

MOST_JSON = 64 << 20
"""Bytes of the longest JSON file that is read."""
_LONGEST_NAME = 120
"""Characters of the longest name; with them a folder's name stays within 255 bytes in most scripts."""
_MOST_BYTES = 200
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""Names that are devices on Windows."""
_MOST_WORDS = 400
_INDEX = "model.safetensors.index.json"
_PLAIN_EXPERTS = (None, "eager", "batched_mm", "grouped_mm")
_PLAIN_QUANTIZED = ("bitsandbytes", "bitnet")
"""Formats whose loaders are transformers' and one package's own; others fetch kernels from the hub, or
import what the configuration names."""
_LOADERS = (
    "compression_config",
    "configuration_files",
    "distributed_config",
    "fusion_config",
    "kernel_config",
    "transformers_weights",
    "use_kernels",
)
"""Entries that have transformers load other files, kernels or layers than the model type's own."""


def at(text: str | Path) -> Path:
    """Return the path of a text with the home folder filled in, where `~` names one.

    >>> at("~nobody-of-this-name/x")
    PosixPath('~nobody-of-this-name/x')
    """
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:  # no such user: then it is a folder whose name begins so
        return path


def is_there(path: Path) -> bool:
    """Say whether a path leads to something; not where it is too long, or may not be looked at.

    >>> is_there(Path("x" * 5000))
    False
    """
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def is_name(text: str) -> bool:
    r"""Say whether a text is a name that may become a file's or folder's, and no path.

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
        and not _DEVICE.fullmatch(text)
    )


def check_name(text: object, what: str) -> None:
    """Refuse what is no name.

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
    r"""Say whether a path within a folder, as a file gives it, stays within that folder.

    >>> inside("artefacts/0a"), inside("../a"), inside("/a"), inside("a\\b"), inside("")
    (True, False, False, False, False)
    """
    path = PurePosixPath(name)
    return (
        bool(path.parts)
        and not path.is_absolute()
        and ".." not in path.parts
        and not set(name) & set("\\:\x00")
        and all(len(part.encode("utf-8", "surrogatepass")) <= 255 for part in path.parts)
    )


def refuse_links(root: Path, place: Path) -> None:
    """Refuse a place below a folder that a link leads to: writing there would write elsewhere.

    Args:
        root: A folder that may be a stranger's, with all that lies in it.
        place: Where something is about to be written; what lies outside of `root` passes.

    Raises:
        ConfigError: a part of the way from the folder to the place is a link.
    """
    if not place.is_relative_to(root):
        return
    for part in (place, *place.parents):
        if part == root:
            return
        if part.is_symlink():
            raise ConfigError(
                f"{part}, a link to {str(part.readlink())!r:.80}",
                "a folder of the study's own",
                "take the link away, or choose a place with --out",
            )


def put_text(path: Path, text: str) -> None:
    """Write a text beside its name and move it there: a link of that name is replaced, not followed."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def read_json(path: Path, most: int = MOST_JSON) -> object:
    """Return what a JSON file holds.

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


def read_table(path: Path, most: int = MOST_JSON) -> dict[str, JsonValue]:
    """Return the table that a JSON file holds.

    Raises:
        ValueError: as `read_json`, or no table.
    """
    found = read_json(path, most)
    if isinstance(found, dict):
        return found
    raise ValueError("no JSON object")


def words_of(error: BaseException) -> str:
    """Return the words of another library's error, which may quote a stranger: plain and not too long."""
    text = str(error) or type(error).__name__
    plain = "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)
    return plain if len(plain) <= _MOST_WORDS else f"{plain[:_MOST_WORDS]}…"


def shards_of(folder: Path) -> list[Path] | None:
    """Return the files that a folder's index of weights names; None where there is no index.

    Raises:
        ValueError: a broken index, or one that names anything but safetensors in this folder.
    """
    path = folder / _INDEX
    if not path.exists():
        return None
    index = read_table(path)
    named = index.get("weight_map")
    files = dict.fromkeys(map(str, named.values())) if isinstance(named, dict) else {}
    if not files or not isinstance(index.get("metadata", {}), dict):
        raise ValueError(f"{_INDEX} without a weight_map")
    for file in files:
        is_ours = inside(file) and file.endswith(".safetensors")
        if not is_ours or not is_there(folder / file) or not (folder / file).is_file():
            raise ValueError(
                f"{_INDEX} names {file!r:.80}, which is no safetensors file in the folder"
            )
    return [folder / file for file in files]


def switches_of(config: object) -> Iterator[str]:
    """Name what a model's configuration asks a library to start beside the model type's own code.

    Args:
        config: What `config.json` holds; parts of it may be configurations themselves.
    """
    parts: list[object] = [config]
    while parts:
        part = parts.pop()
        if isinstance(part, list):
            parts += part
        if not isinstance(part, dict):
            continue
        parts += part.values()
        for key in ("attn_implementation", "experts_implementation"):
            for value in _texts(part.get(key), part.get(f"_{key}"), part.get(f"_{key}_internal")):
                is_plain = value in _PLAIN_EXPERTS if key[0] == "e" else "/" not in str(value)
                if not is_plain:
                    yield f"{key} = {value!r:.60}, which is fetched from the hub and run"
        yield from _quantized(part.get("quantization_config"))
        yield from (f"{key} = {part[key]!r:.60}" for key in _LOADERS if part.get(key))


def _texts(*values: object) -> Iterator[object]:
    """Return values, those within tables one by one."""
    for value in values:
        if isinstance(value, dict):
            yield from _texts(*value.values())
        else:
            yield value


def _quantized(said: object) -> Iterator[str]:
    if not said:
        return
    table = said if isinstance(said, dict) else {}
    method = table.get("quant_method")
    is_bits = any(table.get(flag) is True for flag in ("load_in_4bit", "load_in_8bit"))
    if not (is_bits or method in _PLAIN_QUANTIZED):
        yield f"quantization_config by {method!r:.60}, whose loader runs or fetches other code"
