"""What lies beside an exported nudge: its manifest `nudge.json` and the prompt it was measured in."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from modicum.errors import CheckpointError
from modicum.files.foreign import inside, is_there, read_table
from modicum.plain import JsonObject, JsonValue
from modicum.types import Style

__all__ = [
    "MANIFEST",
    "PROMPT",
    "SCHEMA",
    "Manifest",
    "check_files",
    "is_export",
    "listed",
    "read_manifest",
    "read_prompt",
    "write_manifest",
    "write_prompt",
]

SCHEMA = 1
"""Version of the manifest's form."""
MANIFEST = "nudge.json"
"""Name of the manifest in an export's folder."""
PROMPT = "prompt.json"
"""Name of the file that holds the prompt."""
_CHUNK = 1 << 20
_MOST = 16 << 20
"""Bytes of the longest manifest or prompt."""


@dataclass(frozen=True)
class Manifest:
    """What a folder says of the nudge in it, as far as it must be known to open it."""

    form: str
    """Name of the form."""
    base: str
    """Reference of the base model, as the study named it."""
    weights: str
    """Hash of the base model's weights."""
    files: Mapping[str, str]
    """SHA-256 of every file but the manifest, by its path within the folder."""
    facts: JsonObject
    """All of it, as written."""


def is_export(folder: Path) -> bool:
    """Say whether a folder holds an exported nudge."""
    return is_there(folder / MANIFEST) and (folder / MANIFEST).is_file()


def write_manifest(folder: Path, facts: JsonObject) -> None:
    """Write the manifest with size and hash of every file that lies in the folder.

    A figure that is not finite is written as null: JSON has no other word for it.
    """
    whole = {"schema": SCHEMA, "kind": "nudge", **facts, "files": listed(folder)}
    text = json.dumps(_finite(whole), indent=1, allow_nan=False)
    (folder / MANIFEST).write_text(f"{text}\n", encoding="utf-8")


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def listed(folder: Path) -> dict[str, dict[str, JsonValue]]:
    """Return size and SHA-256 of every file in a folder but its manifest, by path."""
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": _hash(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / MANIFEST
    }


def read_manifest(folder: Path) -> Manifest:
    """Read a manifest; trusts nothing in it.

    Raises:
        CheckpointError: missing, broken, or of another form.
    """
    path = folder / MANIFEST
    facts = _read(path)
    if facts.get("schema") != SCHEMA or facts.get("kind") != "nudge":
        raise CheckpointError(
            f"{path} of schema {facts.get('schema')!r}",
            f"a nudge of schema {SCHEMA}",
            "export it again with this modicum, or install a newer one",
        )
    base, files = facts.get("base"), facts.get("files")
    if not isinstance(base, dict) or not isinstance(files, dict):
        raise _broken(path, "no base model or no files")
    form, model, weights = facts.get("form"), base.get("model"), base.get("weights")
    if not (isinstance(form, str) and isinstance(model, str) and isinstance(weights, str)):
        raise _broken(path, "form, model or weights is no text")
    hashes = {str(name): str(_field(item, "sha256")) for name, item in files.items()}
    strange = [name for name in hashes if not inside(name)]
    if strange:
        raise _broken(path, f"the file {strange[0]!r} lies outside")
    return Manifest(form, model, weights, hashes, facts)


def check_files(folder: Path, manifest: Manifest) -> None:
    """Look whether every file is the one that was exported.

    Raises:
        CheckpointError: one is missing or was changed.
    """
    for name, wanted in manifest.files.items():
        path = folder / name
        found = _hash(path) if is_there(path) and path.is_file() else "missing"
        if found != wanted:
            raise CheckpointError(
                f"{path}: {found if found == 'missing' else 'changed since it was exported'}",
                f"the file of SHA-256 {wanted[:16]}…",
                "export the nudge again",
            )


def write_prompt(folder: Path, style: Style, stages: JsonObject | None = None) -> None:
    """Write the prompt as JSON: template, system prompt, stop strings, and stage where it has some."""
    whole = {"style": asdict(style), **({"stages": dict(stages)} if stages else {})}
    text = json.dumps(whole, indent=1)
    (folder / PROMPT).write_text(f"{text}\n", encoding="utf-8")


def read_prompt(folder: Path) -> tuple[Style, JsonObject]:
    """Return the style that a nudge was measured in, and its stages; empty where it has none.

    Raises:
        CheckpointError: missing or broken.
    """
    path = folder / PROMPT
    facts = _read(path)
    values, stages = facts.get("style"), facts.get("stages", {})
    if not isinstance(values, dict) or not isinstance(stages, dict):
        raise _broken(path, "no style")
    try:
        style = Style.thawed(values)
    except TypeError as error:
        raise _broken(path, str(error)) from error
    if "{question}" not in style.template:
        raise _broken(path, "a template without {question}")
    return style, stages


def _read(path: Path) -> dict[str, JsonValue]:
    try:
        return read_table(path, _MOST)
    except ValueError as error:
        raise _broken(path, str(error)) from error


def _broken(path: Path, why: str) -> CheckpointError:
    return CheckpointError(f"{path}: {why}", "a nudge that modicum exported", "export it again")


def _field(item: object, name: str) -> object:
    return item.get(name) if isinstance(item, dict) else None


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
