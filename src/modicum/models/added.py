"""A local GGUF or safetensors file that `modicum models add` took into the cache, with its hash."""

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

from modicum.errors import CheckpointError, ConfigError
from modicum.loading.checkpoint import check_source
from modicum.loading.checkpoint_cache import FACTS, added_home, added_names
from modicum.loading.kept import Kept, convert
from modicum.types import Access

__all__ = ["Added", "hashes_of"]

_KEPT = (".safetensors", ".json", ".txt", ".model", ".jinja")
"""What of a folder is copied: weights, configuration, tokenizer; never code or pickles."""
_NAMES = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


@final
@dataclass(frozen=True)
class Added(Kept):
    """Loads `added:NAME` from the cache."""

    access: ClassVar[Access] = Access.WEIGHTS
    pretrained: ClassVar[bool] = True

    name: str = ""
    """The name that it got."""

    @property
    def folder(self) -> Path:
        """Where it lies: `added/NAME` in the cache."""
        return added_home() / (self.name if _NAMES.fullmatch(self.name) else "-")

    def missing(self) -> CheckpointError:
        """Give the error that names what there is."""
        there = ", ".join(f"added:{name}" for name in added_names())
        return CheckpointError(
            f"no added model {self.name!r}",
            f"one of {there}" if there else "a model that was added",
            "run `modicum models add FILE`, which says the name",
        )

    def called(self) -> tuple[str, str, tuple[str, ...]]:
        """Give name and origin; the licence is not known."""
        facts = json.loads((self.folder / FACTS).read_text(encoding="utf-8"))
        note = f"added from {facts['file']}, SHA-256 {', '.join(facts['sha256'].values())}"
        how = (f"dequantised from {facts['file']}",) if facts["file"].endswith(".gguf") else ()
        return f"added:{self.name}", "", (note, *how)

    def take(self, source: Path, hashes: Mapping[str, str], progress: Callable[[str], None]) -> str:
        """Take a GGUF file, or a folder of safetensors, into the cache; give its reference.

        Args:
            source: What is taken; it is copied or converted, and may go afterwards.
            hashes: SHA-256 of each file of weights, as `hashes_of` gives them.
            progress: Called with a line for each step.

        Raises:
            CheckpointError: it does not load, or another model bears the name.
            ConfigError: a name that is none.
        """
        if not _NAMES.fullmatch(self.name):
            raise ConfigError(
                f"the name {self.name!r}",
                "small letters, digits, points, hyphens and underscores",
                "give one with --name",
            )
        check_source(str(source))
        if self.is_there:
            facts = json.loads((self.folder / FACTS).read_text(encoding="utf-8"))
            if facts["sha256"] != dict(hashes):
                raise CheckpointError(
                    f"another model is called {self.name!r}", "a name of its own", "give --name"
                )
            progress(f"already in {self.folder}")
            return f"added:{self.name}"
        added_home().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=added_home(), prefix=".add-") as scratch:
            ready = Path(scratch) / "ready"
            if source.is_file():
                progress("converting to safetensors, once")
                convert(source, self.name, ready)
            else:
                progress("copying")
                _copy(source, ready)
            facts = {"file": source.name, "sha256": dict(hashes)}
            (ready / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
            ready.rename(self.folder)
        progress(f"ready in {self.folder}")
        return f"added:{self.name}"


def hashes_of(source: Path, wanted: Sequence[str]) -> dict[str, str]:
    """Give the SHA-256 of each file of weights by its name, and compare with those wanted.

    Args:
        source: A GGUF file, or a folder of safetensors or one GGUF file.
        wanted: What the files must have, in any order; nothing is compared where empty.

    Raises:
        CheckpointError: no model's files, or another hash.
    """
    check_source(str(source))
    files = [source] if source.is_file() else sorted(source.glob("*.safetensors"))
    found = {}
    for path in files or sorted(source.glob("*.gguf")):
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    asked = sorted(one.strip().lower().removeprefix("sha256:") for one in wanted)
    if asked and asked != sorted(found.values()):
        said = ", ".join(f"SHA-256 {digest} ({name})" for name, digest in found.items())
        raise CheckpointError(
            said,
            ", ".join(asked),
            "do not use this file; fetch it again, or give --sha256 once for each file of weights",
        )
    return found


def _copy(source: Path, target: Path) -> None:
    """Copy weights, configuration and tokenizer of a folder."""
    target.mkdir()
    for path in sorted(source.iterdir()):
        if path.is_file() and path.suffix in _KEPT:
            shutil.copyfile(path, target / path.name)
