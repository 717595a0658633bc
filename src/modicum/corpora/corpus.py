"""The contract of a corpus: characters to learn from, and windows to measure on at graded shifts."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from modicum.errors import ConfigError
from modicum.seeds import key
from modicum.stats import Bools, Ints

__all__ = [
    "MOST_CHARACTERS",
    "Corpus",
    "Measured",
    "Shift",
    "TextSplit",
    "check_tokens",
    "coded",
    "split_of",
]

TextSplit: TypeAlias = Literal["train", "selection", "test"]
Measured: TypeAlias = Literal["selection", "test"]
"""Splits whose texts are never learned from."""
MOST_CHARACTERS = 10**8
"""Characters that are learned from at most; a small net sees fewer in a day."""
_OF_TEN: Sequence[TextSplit] = ("test", "selection", *("train",) * 8)


@dataclass(frozen=True)
class Shift:
    """How texts differ from those that are learned from."""

    distance: int
    """0 in distribution; further ones are larger."""
    name: str
    """What is shifted, and how far, in words."""
    entropy: float | None = None
    """Nats a character of the source, which no net is below but by luck; None where it is not known."""


class Corpus(ABC):
    """Texts over a small alphabet. A character's id is its place in the alphabet."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is called; equal names, equal texts."""

    @property
    @abstractmethod
    def alphabet(self) -> str:
        """Its characters, each once, in the order of their ids."""

    @property
    @abstractmethod
    def shifts(self) -> tuple[Shift, ...]:
        """Distance 0 first."""

    @abstractmethod
    def train(self, n_tokens: int) -> Ints:
        """Return the first ids of the text that is learned from, `[n_tokens]`; more begin with fewer.

        Raises:
            ConfigError: fewer than 1, or more than there are.
        """

    @abstractmethod
    def windows(self, split: Measured, distance: int, n: int, length: int) -> Ints:
        """Return windows of text that no one learns from, ids `[n, length + 1]`.

        Each id but the first of a window is predicted from those before it. More windows begin with
        fewer; none overlap.

        Args:
            split: Whether they choose or measure.
            distance: Of a shift.
            n: Windows, at least 1.
            length: Characters that are predicted in each, at least 1.

        Raises:
            ConfigError: no such shift, or fewer windows in the text.
        """

    def asked(self, ids: Ints) -> Bools:
        """Say which predicted characters hang on what stands further back: those at which a shift bites.

        Args:
            ids: Windows `[n, length + 1]` of this corpus.

        Returns:
            `[n, length]`; of a text of which that is not known, all no.
        """
        return np.zeros_like(ids[:, 1:], dtype=np.bool_)

    def shift(self, distance: int) -> Shift:
        """Return the shift of a distance.

        Raises:
            ConfigError: there is none.
        """
        for one in self.shifts:
            if one.distance == distance:
                return one
        known = ", ".join(str(one.distance) for one in self.shifts)
        raise ConfigError(
            f"distance {distance} of {self.name}", f"one of {known}", "choose one of those"
        )


def split_of(text: str) -> TextSplit:
    """Return the split of a text: by its hash, so that equal texts are never in two.

    >>> [split_of(text) for text in ("a", "b", "c", "d")].count("train")
    3
    """
    return _OF_TEN[key("split", text) % len(_OF_TEN)]


def coded(text: str, alphabet: str) -> Ints:
    """Return the ids of a text, `[characters]`.

    >>> coded("abba", "ab").tolist()
    [0, 1, 1, 0]
    """
    places = {character: place for place, character in enumerate(alphabet)}
    return np.array([places[character] for character in text], dtype=np.int64)


def check_tokens(n_tokens: int, most: int = MOST_CHARACTERS) -> None:
    """Refuse a number of characters that cannot be learned from.

    Raises:
        ConfigError: below 1, or above what there are.
    """
    if not 1 <= n_tokens <= most:
        raise ConfigError(
            f"{n_tokens:,} characters to learn from", f"1 to {most:,}", "give such a number"
        )
