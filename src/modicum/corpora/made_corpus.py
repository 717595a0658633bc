"""A corpus that is made: documents drawn one by one, parted by their hash, of a known entropy."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, final
from urllib.parse import urlencode

import numpy as np

from modicum.corpora.corpus import (
    Corpus,
    Measured,
    Shift,
    TextSplit,
    check_tokens,
    coded,
    split_of,
)
from modicum.errors import ConfigError
from modicum.plain import table_of
from modicum.seeds import stream
from modicum.stats import Ints

__all__ = ["MadeCorpus", "Source"]

_DISTANCES = 3
_MOST_MISSES = 2_000
"""Documents in a row that may fall into other splits: of a tenth that happens once in 10^91."""


@dataclass(frozen=True)
class Source:
    """What a document is on average."""

    nats: float
    """Entropy: each document is written in one way alone, so that its choices are all there is."""
    characters: float

    @property
    def rate(self) -> float:
        """Nats a character of an endless row of documents.

        Source: Cover and Thomas 2006, Elements of Information Theory, section 4.2 (entropy rate), with the
        renewal theorem: documents are independent, so that both sums grow in proportion.
        """
        return self.nats / self.characters


class MadeCorpus(Corpus):
    """A frozen dataclass whose fields are settings; documents are independent, one a line.

    Document i of a distance comes from a stream of its own. Its split goes by the hash of its text, so
    that no document that is measured is ever learned from, whatever is drawn.
    """

    called: ClassVar[str]
    """Its name after `made:`."""
    ranges: ClassVar[Mapping[str, tuple[int, int]]]
    """Least and most of each setting that is a number."""

    def __post_init__(self) -> None:
        """Refuse settings out of range.

        Raises:
            ConfigError: one that is.
        """
        for setting, (least, most) in self.ranges.items():
            value: int = getattr(self, setting)
            if not least <= value <= most:
                raise ConfigError(
                    f"{setting} = {value} of made:{self.called}",
                    f"{least} to {most}",
                    "correct the setting",
                )

    @final
    @property
    def name(self) -> str:
        """The reference with all of its settings."""
        return f"made:{self.called}?{urlencode(table_of(self))}"

    @abstractmethod
    def shifted(self, distance: int) -> str:
        """Say in words what texts of a distance are like."""

    @abstractmethod
    def source(self, distance: int) -> Source:
        """Return what a document of a distance is on average."""

    @abstractmethod
    def document(self, distance: int, rng: np.random.Generator) -> str:
        """Draw a document, whose last character is a line's end."""

    @final
    @property
    def shifts(self) -> tuple[Shift, ...]:
        """Three distances."""
        return tuple(
            Shift(distance, self.shifted(distance), self.source(distance).rate)
            for distance in range(_DISTANCES)
        )

    @final
    def documents(self, split: TextSplit, distance: int) -> Iterator[str]:
        """Yield the documents of a split and a distance, without end.

        Raises:
            ConfigError: settings of which no document falls into the split.
        """
        number, missed = 0, 0
        while missed < _MOST_MISSES:
            text = self.document(distance, stream("corpus", self.name, distance, number))
            number, missed = number + 1, missed + 1
            if split_of(text) == split:
                missed = 0
                yield text
        raise ConfigError(
            f"{self.name}, with too few different documents for the split {split}",
            "settings with more choices in a document",
            "raise one of them",
        )

    @final
    def train(self, n_tokens: int) -> Ints:
        """Return the first ids of the documents that are learned from."""
        check_tokens(n_tokens)
        return coded(_filled(self.documents("train", 0), n_tokens), self.alphabet)

    @final
    def windows(self, split: Measured, distance: int, n: int, length: int) -> Ints:
        """Return windows that each begin with a document, so that all a prediction needs lies in it."""
        self.shift(distance)
        found = self.documents(split, distance)
        return np.stack([coded(_filled(found, length + 1), self.alphabet) for _ in range(n)])


def _filled(documents: Iterator[str], characters: int) -> str:
    """Return whole documents one after the other, the last one cut off."""
    parts: list[str] = []
    left = characters
    while left > 0:
        parts.append(next(documents))
        left -= len(parts[-1])
    return "".join(parts)[:characters]
