"""The built-in organism: a small model whose abilities are known by construction."""

from dataclasses import dataclass
from typing import ClassVar, final

from modicum.errors import CheckpointError, UnknownNameError
from modicum.model import Backend
from modicum.models._checkpoint import open_source
from modicum.organism.shipped import CONTROL, CORE
from modicum.sampling.local import Local
from modicum.types import Access

__all__ = ["Organism"]

_FOLDERS = {"core": CORE, "control": CONTROL}


@final
@dataclass(frozen=True)
class Organism(Backend):
    """Loads the weights that come with the package."""

    access: ClassVar[Access] = Access.WEIGHTS

    name: str = "core"
    """`core`, or `control`: the twin without the ability."""
    rows: int | None = None
    """Completions in flight; chosen from model and memory if not given."""
    threads: int | None = None
    """CPU threads; one if not given."""

    def check(self) -> None:
        """Looks whether the weights are there.

        Raises:
            UnknownNameError: no such organism.
            CheckpointError: its weights are missing.
        """
        if self.name not in _FOLDERS:
            raise UnknownNameError("organism", self.name, _FOLDERS)
        folder = _FOLDERS[self.name]
        if not (folder / "model.safetensors").exists():
            raise CheckpointError(
                f"no weights in {str(folder)!r}",
                "the weights that come with the package",
                "install the package again, or run `modicum organism build`",
            )

    def open(self) -> Local:
        """Loads the model.

        Raises:
            CheckpointError: weights that are missing or broken.
        """
        return open_source(
            str(_FOLDERS[self.name]),
            name="organism" if self.name == "core" else f"organism-{self.name}",
            licence="Apache-2.0",
            notes=("built in, abilities known by construction",),
            rows=self.rows,
            threads=self.threads,
        )
