"""The contract of a reward: what an answer to a shot earns while a policy is trained."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from modicum.catalog import Catalog
from modicum.types import Mark

__all__ = ["REWARDS", "Answered", "Known", "Reward", "votes"]

REWARDS = Catalog("rewards")


@dataclass(frozen=True)
class Answered:
    """The answers of one group: rollouts of one shot."""

    problem: str
    """Id of the shot."""
    texts: tuple[str, ...]
    """What was sampled."""
    answers: tuple[str | None, ...]
    """The answer read from each, leniently; None where there is none."""
    marks: tuple[Mark, ...]
    """Each judged; empty where the reward reads no labels."""


@dataclass(frozen=True)
class Known:
    """What was drawn of a shot before training, and what else exists."""

    answers: tuple[str | None, ...]
    """Answers read from samples of the initial model."""
    golds: frozenset[str]
    """Golds of this shot: what a wrong key must avoid. Empty where the reward reads no labels."""
    others: tuple[str, ...]
    """Golds of other problems, in the order of a named stream."""


class Reward(ABC):
    """What an answer earns. Final subclasses are frozen dataclasses, one a file in `rewards/`."""

    plugin_kinds: ClassVar[tuple[str, ...]] = ("rewards",)
    version: ClassVar[int] = 1
    powers: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What a setting switches on where it is set; see `Backend.powers`."""
    reads_labels: ClassVar[bool] = False
    """Whether the shots' golds are used: such a reward costs a label a shot."""
    initial_samples: ClassVar[int] = 0
    """Answers drawn a shot from the initial model before training."""

    def target(self, known: Known) -> str | None:  # noqa: ARG002 - most rewards have no key
        """Return the answer that counts as right for a shot, drawn up before training, or None."""
        return None

    @abstractmethod
    def score(
        self, group: Answered, target: str | None, rng: np.random.Generator
    ) -> Sequence[float]:
        """Return what each answer of a group earns, mostly 0 or 1."""


def votes(answers: Sequence[str | None]) -> Mapping[str, int]:
    """Counts answers, commonest first, ties in the order of their first place; unread ones are out.

    >>> list(votes(["7", None, "8", "7"]).items())
    [('7', 2), ('8', 1)]
    """
    return dict(Counter(answer for answer in answers if answer is not None).most_common())
