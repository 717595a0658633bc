"""How a puzzle stands as tokens: length, vocabulary, and which positions are the answer."""

from dataclasses import dataclass

__all__ = ["BLANK", "Ids", "TokenGrid"]

Ids = tuple[int, ...]
"""Token ids of one question or answer, one a position."""
BLANK = 0
"""Id of what is not known yet, in every puzzle."""


@dataclass(frozen=True)
class TokenGrid:
    """What a net must know of a puzzle: questions and answers stand on the same positions.

    >>> TokenGrid(length=16, vocabulary=5, answered=(True,) * 16, rows=4).n_answered
    16
    """

    length: int
    """Positions of a sequence, at least 1."""
    vocabulary: int
    """Ids go from 0, which is blank, to `vocabulary - 1`."""
    answered: tuple[bool, ...]
    """Once a position: whether what stands there is part of the answer, and counts in the loss."""
    rows: int = 0
    """Positions in a line of the board, for drawing; 0 where it is no board."""

    def __post_init__(self) -> None:
        """Check that every position is told, and that there is something to learn.

        Raises:
            ValueError: positions and marks differ in number, no position is answered, or fewer than
                two ids.
        """
        if len(self.answered) != self.length or not any(self.answered) or self.vocabulary <= 1:
            msg = f"{self.length} positions, {self.vocabulary} ids, answered: {self.answered}"
            raise ValueError(msg)

    @property
    def n_answered(self) -> int:
        """Positions that are part of the answer."""
        return sum(self.answered)
