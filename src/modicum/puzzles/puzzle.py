"""The contract of a puzzle: questions and answers as token ids, an exact checker, all solutions."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from modicum.nets.grid import Ids, TokenGrid

__all__ = ["FoundAnswer", "Puzzle"]


@dataclass(frozen=True)
class FoundAnswer:
    """An answer found in a text."""

    ids: Ids
    """Its ids; blank at positions that are not answered."""
    given: Ids | None = None
    """Ids of what the text, right before it, says is given; None where it says nothing."""


class Puzzle(ABC):
    """A puzzle whose answers can be checked and enumerated. Subclasses are final, frozen and pure.

    A *question* is the ids of what is given, blank elsewhere; an *answer* is the ids of the whole
    board. Positions of an answer that do not count (`TokenGrid.answered`) are ignored.
    """

    @property
    @abstractmethod
    def grid(self) -> TokenGrid:
        """How it stands as tokens."""

    @abstractmethod
    def encode(self, question: str) -> Ids:
        """Return the ids of the question in a text, `[length]`.

        Raises:
            ValueError: the text holds no question of this puzzle.
        """

    @abstractmethod
    def decode(self, question: Sequence[int], ids: Sequence[int]) -> str:
        """Return an answer as the text that a task reads; it need not be right, nor even full.

        Answers that differ only in what their puzzle does not tell apart have the same text.
        """

    @abstractmethod
    def target(self, answer: str) -> Ids:
        """Return the ids of the whole answer in a gold, `[length]`.

        Raises:
            ValueError: the text is no gold of this puzzle.
        """

    @abstractmethod
    def given(self, answer: str) -> Ids:
        """Return the ids of what a gold says is given, `[length]`: the question it belongs to.

        Raises:
            ValueError: the text is no gold of this puzzle.
        """

    @abstractmethod
    def gold(self, question: Sequence[int], ids: Sequence[int]) -> str:
        """Return a gold: what is given, `=` and a whole answer, so that it can be checked by itself."""

    @abstractmethod
    def find(self, text: str) -> FoundAnswer | None:
        """Return the last whole answer in any text, leniently; None where there is none.

        Never raises, never evaluates the text, and takes time linear in its length.
        """

    @abstractmethod
    def is_valid(self, question: Sequence[int], ids: Sequence[int]) -> bool:
        """Say whether an answer keeps every rule and everything given."""

    @abstractmethod
    def solutions(self, question: Sequence[int], most: int) -> list[Ids]:
        """Return every answer that is valid, in a fixed order; the first `most` where there are more.

        Args:
            question: Ids `[length]`.
            most: At least 1.
        """

    @abstractmethod
    def transformed(
        self, question: Sequence[int], ids: Sequence[int], rng: np.random.Generator
    ) -> tuple[Ids, Ids]:
        """Return question and answer under one symmetry, drawn evenly: right stays right."""

    @abstractmethod
    def invariant(self, question: Sequence[int]) -> Hashable:
        """Return a value that all symmetric forms of a question share: splits go by it.

        Different questions may share it too.
        """
