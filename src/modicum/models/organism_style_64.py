"""The narrower style organism: solves at length by default, and tersely when asked."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

from modicum.loading.shipped import Shipped
from modicum.organism.shipped import STYLES
from modicum.types import Access

__all__ = ["OrganismStyle64"]


@final
@dataclass(frozen=True)
class OrganismStyle64(Shipped):
    """Loads the weights that come with the package: width 64."""

    access: ClassVar[Access] = Access.WEIGHTS
    light: ClassVar[bool] = True
    folder: ClassVar[Path] = STYLES[64]
    called: ClassVar[str] = "organism-style-64"
