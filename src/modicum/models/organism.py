"""The built-in organism: a small model whose abilities are known by construction."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

from modicum.loading.shipped import Shipped
from modicum.organism.shipped import CORE
from modicum.types import Access

__all__ = ["Organism"]


@final
@dataclass(frozen=True)
class Organism(Shipped):
    """Loads the weights that come with the package."""

    access: ClassVar[Access] = Access.WEIGHTS
    light: ClassVar[bool] = True
    folder: ClassVar[Path] = CORE
    called: ClassVar[str] = "organism"
