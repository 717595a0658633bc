"""Folders of nudges and of what trials share: written by the driver, each in one move."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from modicum.seeds import key

__all__ = ["NO_SHELF", "Shelf", "write_folder", "write_shared"]


def write_folder(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files into a folder that gets its name once it is whole; a former one gives way.

    Args:
        files: Contents by path within the folder.
        folder: Where they go; made here, with those above it.
    """
    partial = folder.with_name(f"{folder.name}.partial-{key(str(folder)):016x}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, content in files.items():
        path = partial / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def write_shared(files: Mapping[str, bytes], folder: Path) -> None:
    """Write what trials share: whole folders in one move, what is there already left as it is.

    Args:
        files: Contents by path within the folder; those in one subfolder belong together.
        folder: Where they go.
    """
    groups: dict[str, dict[str, bytes]] = {}
    for name, content in files.items():
        above, _, last = name.rpartition("/")
        groups.setdefault(above, {})[last] = content
    for above, group in groups.items():
        if "/" in above:
            if not (folder / above).exists():
                write_folder(group, folder / above)
            continue
        for name, content in group.items():
            _put(folder / above / name, content)


def _put(path: Path, content: bytes) -> None:
    """Write a file beside its name and move it over it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)


@dataclass(frozen=True)
class Shelf:
    """What the trials of a study share: read from its folder; what a trial adds goes there by the driver."""

    folder: Path | None = None
    """The study's, only read; None without a study."""
    own: Path | None = None
    """The trial's, where what it adds waits, be the run killed; None where nothing is added."""

    def find(self, name: str) -> Path | None:
        """Return the file or folder of a name such as `sparse/answers.json`, None where there is none."""
        places = (place / name for place in (self.own, self.folder) if place is not None)
        return next((place for place in places if place.exists()), None)

    def put(self, files: Mapping[str, bytes]) -> None:
        """Add files by name; the last of several is there only once all are."""
        for name, content in files.items() if self.own is not None else ():
            _put((self.own or Path()) / name, content)

    def added(self) -> dict[str, bytes]:
        """Return what the trial has added, killed tries of it included."""
        if self.own is None:
            return {}
        return {
            path.relative_to(self.own).as_posix(): path.read_bytes()
            for path in sorted(self.own.rglob("*"))
            if path.is_file() and path.suffix != ".partial"
        }


NO_SHELF = Shelf()
"""Nothing is shared."""
