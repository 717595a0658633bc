"""A strip of boards: how one answer fills in, as plain values that terminal, report and JSON share."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["BoardCell", "BoardStrip", "Still", "cells_of", "stills_of"]


@dataclass(frozen=True)
class BoardCell:
    """One cell of a board."""

    text: str
    """What stands in it."""
    is_given: bool = False
    """Whether the question gives it."""
    is_wrong: bool = False
    """Whether it would have to change."""


@dataclass(frozen=True)
class Still:
    """One board of a strip."""

    title: str
    cells: tuple[BoardCell, ...]
    """Row by row."""

    @property
    def wrong(self) -> int:
        """How many cells would have to change."""
        return sum(cell.is_wrong for cell in self.cells)


@dataclass(frozen=True)
class BoardStrip:
    """Boards of one size, side by side, the first one first."""

    caption: str
    """What it shows, as a sentence."""
    across: int
    """Cells of a row, at least 1."""
    stills: tuple[Still, ...]
    box: tuple[int, int] = (0, 0)
    """Rows and columns of the boxes that a board is parted into; zeros where it is not."""

    def __post_init__(self) -> None:
        """Refuse boards that are not whole rows.

        Raises:
            ValueError: found such.
        """
        if self.across < 1 or any(len(still.cells) % self.across for still in self.stills):
            raise ValueError(f"rows of {self.across} cells; expected boards of whole rows")


def cells_of(text: str, n: int) -> tuple[str, ...] | None:
    """Return the cells of a board as text: its words, or its signs; None where it has other than n.

    >>> cells_of("12 3.", 4), cells_of("10 2", 2), cells_of("12", 3)
    (('1', '2', '3', '.'), ('10', '2'), None)
    """
    words = tuple(text.split())
    if len(words) == n:
        return words
    signs = tuple("".join(words))
    return signs if len(signs) == n else None


def stills_of(
    answers: Sequence[tuple[str, tuple[str, ...]]],
    given: Sequence[bool],
    solutions: Sequence[tuple[str, ...]],
) -> tuple[Still, ...]:
    """Return a still of each answer; wrong is what must change to reach the nearest solution.

    Args:
        answers: Titles and cells.
        given: Which cells the question gives.
        solutions: Cells of each solution, at least one; of equally near ones the first counts.

    >>> still = stills_of([("depth 1", ("1", "1"))], (True, False), [("2", "1"), ("1", "2")])[0]
    >>> still.wrong, [cell.is_wrong for cell in still.cells]
    (1, [True, False])
    """
    stills = []
    for title, cells in answers:
        near = min(
            solutions,
            key=lambda one: sum(said != right for said, right in zip(cells, one, strict=True)),
        )
        marked = zip(cells, given, near, strict=True)
        stills.append(
            Still(
                title, tuple(BoardCell(said, is_g, said != right) for said, is_g, right in marked)
            )
        )
    return tuple(stills)
