"""A nudge's folder: written in one move, so that a killed run leaves no half of one."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from modicum.seeds import key

__all__ = ["write_folder"]


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
