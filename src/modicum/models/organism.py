"""The built-in organism: a small model whose abilities are known by construction."""

from dataclasses import dataclass
from typing import ClassVar, final

from modicum.model import Backend
from modicum.models._shipped import check_shipped, open_shipped
from modicum.organism.shipped import CORE
from modicum.sampling.local import Local
from modicum.types import Access

__all__ = ["Organism"]


@final
@dataclass(frozen=True)
class Organism(Backend):
    """Loads the weights that come with the package."""

    access: ClassVar[Access] = Access.WEIGHTS
    light: ClassVar[bool] = True

    rows: int | None = None
    """Completions in flight; chosen from model and memory if not given."""
    threads: int | None = None
    """CPU threads; one if not given."""

    def check(self) -> None:
        """Looks whether the weights are there.

        Raises:
            CheckpointError: they are missing.
        """
        check_shipped(CORE)

    def open(self) -> Local:
        """Loads the model.

        Raises:
            CheckpointError: weights that are missing or broken.
        """
        return open_shipped(CORE, "organism", rows=self.rows, threads=self.threads)
