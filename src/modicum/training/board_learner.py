"""A net that learns boards, whatever its kind: it is trained, asked, and kept in one way."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from modicum.ledger import Ledger
from modicum.nets.grid import Ids
from modicum.nets.halting import Halting
from modicum.nudge import Change
from modicum.plain import JsonObject
from modicum.puzzles.puzzle import Puzzle
from modicum.training.fit import Curve
from modicum.training.launch import Ranks
from modicum.training.prior_looks import Boards
from modicum.training.recursive import RecursiveRecipe
from modicum.training.recursive_boards import Labelled

__all__ = ["AnswersDrawn", "BoardLearner", "BoardsApart"]


@dataclass(frozen=True)
class AnswersDrawn:
    """What a net answered to questions: whole boards, in the order of the questions."""

    samples: Sequence[Sequence[Ids]]
    """Of each question; one alone where all would be the same."""
    greedy: Sequence[Ids] | None = None
    """Of each question the likeliest tokens; None of nets that have no such answer."""
    depth: int = 0
    """Supervision steps of each trajectory; 0 of nets without."""


@dataclass(frozen=True)
class BoardsApart:
    """Boards of a puzzle, those that are learned from apart from those that a setting is chosen on."""

    puzzle: Puzzle
    learned: Sequence[Labelled]
    """At least one."""
    chosen_on: Sequence[Ids]
    """Questions, at least one."""


class BoardLearner(ABC):
    """A net on its device, with what is known of it."""

    @property
    def halting(self) -> Halting | None:
        """When its trajectories end; None where nothing was chosen."""
        return None

    def taught_to_halt(
        self,
        boards: BoardsApart,
        recipe: RecursiveRecipe,
        name: str,
        ledger: Ledger,
        kept: Path | None,
    ) -> Self:
        """Train further what says that an answer is right, in place, and choose when that ends one.

        Nets that answer in one way alone are as they were.

        Args:
            boards: What is learned from, and what chooses.
            recipe: How the net was trained.
            name: Names the random streams.
            ledger: Counts updates, tokens and rollouts.
            kept: File that a killed run goes on from; none where None.

        Raises:
            TrialError: a loss or a gradient that is not finite.
        """
        del boards, recipe, name, ledger, kept
        return self

    @abstractmethod
    def learned(
        self,
        boards: Boards,
        recipe: RecursiveRecipe,
        name: str,
        ledger: Ledger,
        kept: Path | None,
        joined: Ranks | None = None,
    ) -> tuple[Self, tuple[Curve, ...]]:
        """Train the net in place; return its moving average, and the figures of each update.

        Args:
            boards: Where boards come from, `recipe.batch` an update.
            recipe: How; only recursive nets are looked at.
            name: Names the random streams; equal names, boards and threads give equal bits.
            ledger: Counts updates and tokens.
            kept: File that a killed run goes on from; none where None.
            joined: The processes that share each update; this one alone where None.

        Raises:
            TrialError: a loss or a gradient that is not finite.
            ConfigError: fewer boards an update than processes.
        """

    @abstractmethod
    def answers(self, puzzle: Puzzle, questions: Sequence[Ids], samples: int) -> AnswersDrawn:
        """Answer questions; a sample goes by its question and its number alone.

        Args:
            puzzle: Whose questions they are.
            questions: Ids `[length]` each, at least one.
            samples: Of each, at least 1.
        """

    def watched(self, puzzle: Puzzle, questions: Sequence[Ids]) -> JsonObject:
        """Return what its folder keeps of how it answers a few questions, for pictures; often nothing.

        Args:
            puzzle: Whose questions they are.
            questions: Held out; at least one.
        """
        del puzzle, questions
        return {}

    @abstractmethod
    def change(self, trained: JsonObject) -> Change:
        """Return the net as what a nudge changes, whose files a reference opens.

        Args:
            trained: How it was trained, for the reader.
        """
