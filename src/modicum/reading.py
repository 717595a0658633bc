"""The contract of a reading: what is said of a subject's stored outcomes, as one section."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from modicum.analysis.material import Material
from modicum.analysis.section import Section
from modicum.catalog import Catalog, read_reference

__all__ = ["READINGS", "Material", "Reading", "resolve_reading"]

READINGS = Catalog("readings")


class Reading(ABC):
    """Says one thing of a subject. Final subclasses are frozen dataclasses, one a file in `readings/`."""

    plugin_kinds: ClassVar[tuple[str, ...]] = ("readings",)
    version: ClassVar[int] = 1
    powers: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What a setting switches on where it is set; see `Backend.powers`."""

    @abstractmethod
    def read(self, found: Material) -> Section | None:
        """Return the section of a subject; None where there is nothing to say of it.

        A pure function of what is stored: the same study gives the same section, and nothing is run,
        drawn or marked.
        """


def resolve_reading(reference: str) -> Reading:
    """Return the reading of a reference such as `worth`.

    Raises:
        UnknownNameError: no such reading.
        ConfigError: a setting that it does not have, or that is none.
    """
    name, _, settings = read_reference(reference)
    reading = READINGS.build(name, settings)
    if not isinstance(reading, Reading):
        raise TypeError(reference)
    return reading
