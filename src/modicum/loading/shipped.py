"""What the organisms that come with the package share: their weights lie in its folders."""

from abc import ABC
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

from modicum.errors import CheckpointError
from modicum.loading.checkpoint import Running, open_source
from modicum.model import Backend
from modicum.sampling.local import Local

__all__ = ["Shipped"]


@dataclass(frozen=True)
class Shipped(Backend, ABC):
    """An organism of the package; subclasses name its folder, and state access and lightness."""

    folder: ClassVar[Path]
    """Where the weights lie."""
    called: ClassVar[str]
    """Name on its card: the plug-in's as users type it."""

    rows: int | None = None
    """Completions in flight; chosen from model and memory if not given."""
    threads: int | None = None
    """CPU threads; one if not given."""

    @final
    def check(self) -> None:
        """Look whether the weights are there.

        Raises:
            CheckpointError: they are missing.
        """
        if not (self.folder / "model.safetensors").exists():
            raise CheckpointError(
                f"no weights in {str(self.folder)!r}",
                "the weights that come with the package",
                "install the package again, or run `modicum organism build`",
            )

    @final
    @property
    def origin(self) -> str:
        """The folder of the weights."""
        return str(self.folder)

    @final
    def open(self) -> Local:
        """Load the model.

        Raises:
            CheckpointError: weights that are missing or broken.
        """
        return open_source(
            str(self.folder),
            name=self.called,
            licence="Apache-2.0",
            notes=("built in, abilities known by construction",),
            running=Running(self.rows, self.threads, "cpu", "float32"),  # measured so
        )
