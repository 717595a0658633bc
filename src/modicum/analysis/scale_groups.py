"""Trainings of a study of scale that differ in their seed alone, together, and what nets are called."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from modicum.analysis.scale_rates import at_chosen_rates
from modicum.stats import Floats
from modicum.study.scale_cells import MeasuredCell
from modicum.study.scale_plan import ScaleCell

__all__ = ["Group", "grouped"]


@dataclass(frozen=True)
class Group:
    """The trainings of one net on one amount of text: its seeds."""

    cells: tuple[MeasuredCell, ...]
    """At least one."""
    net: str
    """The net in words: its kind and recipe, and those of its sizes in which the study's nets differ."""

    @property
    def first(self) -> MeasuredCell:
        """Any of them, for what they share."""
        return self.cells[0]

    def losses(
        self,
        part: str,
        distance: int,
        thinking: tuple[int, int] = (0, 1),
        split: Literal["selection", "test"] = "test",
    ) -> Floats | None:
        """Return nats a character `[seeds, windows]`, windows without such left out; None where not asked.

        Args:
            part: `whole` or `asked`.
            distance: Of the shift.
            thinking: Inner steps and candidates.
            split: Of the corpus.
        """
        found = [one.found(distance, thinking, split) for one in self.cells]
        if any(one is None for one in found):
            return None
        rows = np.stack([one.nats(part) for one in found if one is not None])
        kept: Floats = rows[:, ~np.isnan(rows).any(axis=0)]
        return kept if kept.shape[1] > 1 else None


def grouped(cells: Sequence[MeasuredCell]) -> tuple[Group, ...]:
    """Return trainings that differ in their seed alone together, in the order in which they come.

    Where several learning rates were tried, the one stands that loses least on the selection split.
    """
    found: dict[tuple[str, int], list[MeasuredCell]] = {}
    for cell in at_chosen_rates(cells):
        found.setdefault((cell.cell.net, cell.cell.tokens), []).append(cell)
    names = _names([cell.cell for cell in cells])
    return tuple(Group(tuple(group), names[net]) for (net, _), group in found.items())


def _names(cells: Sequence[ScaleCell]) -> dict[str, str]:
    """Return short names of nets: of each kind and recipe the sizes that differ within it."""
    sizes: dict[tuple[str, str], set[str]] = {}
    for cell in cells:
        for name, size in cell.sizes.items():
            sizes.setdefault((cell.family, name), set()).add(str(size))
    found = {}
    for cell in cells:
        own = [name for name in sorted(cell.sizes) if len(sizes[cell.family, name]) > 1]
        found[cell.net] = " ".join([cell.family, *(f"{name} {cell.sizes[name]}" for name in own)])
    return found
