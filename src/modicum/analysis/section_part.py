"""Parts of a section, each of which says one thing, and how they become the section."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from modicum.analysis.board_strip import BoardStrip
from modicum.analysis.section import Plot, Section, SectionTable, Value

__all__ = ["SectionPart", "joined"]


@dataclass(frozen=True)
class SectionPart:
    """One thing that a section says; empty where there is nothing to say."""

    sentences: tuple[str, ...] = ()
    tables: tuple[SectionTable, ...] = ()
    charts: tuple[Plot, ...] = ()
    strips: tuple[BoardStrip, ...] = ()
    values: Mapping[str, Value] = field(default_factory=dict)
    """Figures for machines, by names that no other part of the section has."""

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing."""
        return not (self.sentences or self.tables or self.charts or self.strips)


def joined(title: str, parts: Sequence[SectionPart], note: str = "") -> Section | None:
    """Return the section of all parts; None where each is empty."""
    if all(part.is_empty for part in parts):
        return None
    return Section(
        title,
        sentences=tuple(said for part in parts for said in part.sentences),
        tables=tuple(table for part in parts for table in part.tables),
        charts=tuple(chart for part in parts for chart in part.charts),
        strips=tuple(strip for part in parts for strip in part.strips),
        values={name: value for part in parts for name, value in part.values.items()},
        note=note,
    )
