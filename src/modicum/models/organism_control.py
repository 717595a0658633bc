"""The organism's control: the same stream, without the hidden abilities."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

from modicum.loading.shipped import Shipped
from modicum.organism.shipped import CONTROL
from modicum.types import Access

__all__ = ["OrganismControl"]


@final
@dataclass(frozen=True)
class OrganismControl(Shipped):
    """Loads the weights that come with the package."""

    access: ClassVar[Access] = Access.WEIGHTS
    light: ClassVar[bool] = True
    folder: ClassVar[Path] = CONTROL
    called: ClassVar[str] = "organism-control"
