"""The organism's control: the same stream, without the hidden abilities."""

from dataclasses import dataclass
from typing import ClassVar, final

from modicum.model import Backend
from modicum.models.organism import Organism
from modicum.sampling.local import Local
from modicum.types import Access

__all__ = ["OrganismControl"]


@final
@dataclass(frozen=True)
class OrganismControl(Backend):
    """Loads the control's weights, which come with the package."""

    access: ClassVar[Access] = Access.WEIGHTS

    rows: int | None = None
    """Completions in flight; chosen from model and memory if not given."""
    threads: int | None = None
    """CPU threads; one if not given."""

    def check(self) -> None:
        """Looks whether the weights are there.

        Raises:
            CheckpointError: its weights are missing.
        """
        self._organism.check()

    def open(self) -> Local:
        """Loads the model.

        Raises:
            CheckpointError: weights that are missing or broken.
        """
        return self._organism.open()

    @property
    def _organism(self) -> Organism:
        return Organism("control", self.rows, self.threads)
