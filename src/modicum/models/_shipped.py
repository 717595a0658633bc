"""Checks and opens the organisms that come with the package."""

from pathlib import Path

from modicum.errors import CheckpointError
from modicum.models._checkpoint import Running, open_source
from modicum.sampling.local import Local

__all__ = ["check_shipped", "open_shipped"]


def check_shipped(folder: Path) -> None:
    """Looks whether the weights are there.

    Raises:
        CheckpointError: they are missing.
    """
    if not (folder / "model.safetensors").exists():
        raise CheckpointError(
            f"no weights in {str(folder)!r}",
            "the weights that come with the package",
            "install the package again, or run `modicum organism build`",
        )


def open_shipped(folder: Path, name: str, *, rows: int | None, threads: int | None) -> Local:
    """Loads an organism.

    Raises:
        CheckpointError: weights that are missing or broken.
    """
    return open_source(
        str(folder),
        name=name,
        licence="Apache-2.0",
        notes=("built in, abilities known by construction",),
        running=Running(rows, threads, "cpu", "float32"),  # its abilities were measured so
    )
