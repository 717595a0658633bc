"""Names of tasks as users type them: a plug-in, a file alone, a twin or variant of another task."""

import re
import urllib.parse
from pathlib import Path

from modicum.catalog import Catalog
from modicum.errors import ConfigError

__all__ = ["TASKS", "full_reference", "gym_names", "shown_marks", "split_task"]

TASKS = Catalog("tasks")
_MADE = re.compile(r"(?:scrambled:|varied:[^:]*:)*")
_SUFFIXES = {"ndjson": "jsonl"}
"""Suffixes of files that another task reads."""


def gym_names() -> list[str]:
    """Return the names that `gym:NAME` takes, in alphabetical order.

    Raises:
        ConfigError: reasoning-gym is not installed.
    """
    try:
        from reasoning_gym.factory import DATASETS  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigError("no package reasoning-gym", "it", "pip install 'modicum[gym]'") from error
    return sorted(DATASETS)


def full_reference(reference: str) -> str:
    """Return the reference of a task that was named by its file alone.

    A suffix that is a task's name names that task, also before `.gz`. A question mark within the
    name of a file that exists is hidden, so that what follows the next one are settings.

    >>> full_reference("data/sums.jsonl?answer=gold"), full_reference("gym:chain_sum")
    ('jsonl:data/sums.jsonl?answer=gold', 'gym:chain_sum')
    """
    made, reference = split_task(reference)
    if made:
        return made + full_reference(reference)
    reference = _hidden_marks(reference)
    head = reference.partition("?")[0]
    named = _suffix_kind(head)
    if named and head.partition(":")[0] not in TASKS.entries:
        return f"{named}:{reference}"
    return reference


def _hidden_marks(reference: str) -> str:
    """Percent-encode the question marks of a file's name, where such a file exists."""
    ends = [i for i, c in enumerate(reference) if c == "?"]
    for end in reversed([*ends[1:], len(reference)] if ends else []):
        kind, colon, rest = reference[:end].partition(":")
        path = rest if colon and kind in TASKS.entries else reference[:end]
        if "?" in path and _is_file(path):
            return reference[: end - len(path)] + _hidden(path) + reference[end:]
    # of a file that is not there: what follows its question mark are no settings
    name = re.match(r"(?:[^?]*\?(?![A-Za-z_]\w*=))+[^?]*", reference)
    if name and _suffix_kind(name.group()):
        return _hidden(name.group()) + reference[name.end() :]
    return reference


def _hidden(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3F")


def _suffix_kind(name: str) -> str:
    """Return the task that a file's suffix names, also before `.gz`; empty where there is none."""
    stem, dot, suffix = name.removesuffix(".gz").rpartition(".")
    kind = _SUFFIXES.get(suffix.lower(), suffix.lower())
    return kind if stem and dot and kind in TASKS.entries else ""


def shown_marks(detail: str) -> str:
    """Return the name of a file back as it is on disk, where it was percent-encoded.

    Raises:
        ConfigError: both names are files.
    """
    plain = urllib.parse.unquote(detail)
    if plain == detail or not (_is_file(plain) or "%3F" in detail):
        return detail
    if _is_file(detail) and not _is_file(plain):
        return detail
    if _is_file(detail):
        raise ConfigError(
            f"one name for two files: {detail!r} and {plain!r}",
            "one of them",
            "rename one; write a question mark in a file name as %3F",
        )
    return plain


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def split_task(reference: str) -> tuple[str, str]:
    """Return what makes a task another one, and the reference of the task that it is made from.

    >>> split_task("scrambled:varied:swaps.back:sums"), split_task("sums")
    (('scrambled:varied:swaps.back:', 'sums'), ('', 'sums'))
    """
    found = _MADE.match(reference)
    at = found.end() if found else 0
    return reference[:at], reference[at:]
