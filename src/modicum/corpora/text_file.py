"""A text file as a corpus: its paragraphs are parted by their hash."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self, final

import numpy as np

from modicum.corpora.corpus import Corpus, Measured, Shift, TextSplit, check_tokens, coded, split_of
from modicum.errors import ConfigError
from modicum.seeds import key
from modicum.stats import Ints
from modicum.tables.files import file_bytes

__all__ = ["MOST_BYTES", "TextFile"]

MOST_BYTES = 64 * 2**20
"""Bytes of a file at most: more characters than a small net sees in a day."""
MOST_ALPHABET = 1024
"""Different characters at most: the net's ids, of which each wants a row of weights."""
_FEWEST_PIECES = 30
"""Pieces below which a tenth of them is no split; then lines are parted, not paragraphs."""


@final
@dataclass(frozen=True)
class TextFile(Corpus):
    """Paragraphs (lines, where there are few) fall into splits by the hash of their text.

    What is measured is therefore nowhere learned from, word by word; paragraphs that resemble each other
    may fall apart. It has one shift alone, and the entropy of its source is not known.
    """

    path: str
    """As it was given."""
    text: str = field(repr=False)
    """All of it, which is untrusted and only ever counted."""

    @classmethod
    def read(cls, path: str) -> Self:
        """Read a file.

        Raises:
            ConfigError: missing, no regular file, empty, too large, not UTF-8, too many different
                characters, or too few lines to part.
        """
        raw = file_bytes(path)
        if len(raw) > MOST_BYTES:
            raise ConfigError(
                f"{path}: {len(raw):,} bytes", f"at most {MOST_BYTES:,}", "take a part of it"
            )
        try:
            text = raw.decode("utf-8").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            raise ConfigError(
                f"{path} is not UTF-8 (byte {error.start + 1:,})",
                "a UTF-8 text",
                "save it as UTF-8",
            ) from error
        found = cls(path, text)
        if len(found.alphabet) > MOST_ALPHABET:
            raise ConfigError(
                f"{path}: {len(found.alphabet):,} different characters",
                f"at most {MOST_ALPHABET:,}",
                "give a text of one script",
            )
        empty = [split for split, kept in found.parted.items() if not kept]
        if empty:
            raise ConfigError(
                f"{path}: too few lines to part, none for {', '.join(empty)}",
                f"some {_FEWEST_PIECES} different lines or more",
                "give a longer text, or break its lines",
            )
        return found

    @property
    def name(self) -> str:
        """Its path and a hash of its text."""
        return f"{self.path}#{self._hash:016x}"

    @cached_property
    def _hash(self) -> int:
        return key("text file", self.text)

    @cached_property
    def alphabet(self) -> str:
        """The characters of the file in the order of Unicode."""
        return "".join(sorted(set(self.text)))

    @property
    def shifts(self) -> tuple[Shift, ...]:
        """The file itself."""
        return (Shift(0, "the file itself"),)

    @cached_property
    def parted(self) -> dict[TextSplit, str]:
        """The text of each split, pieces in their order."""
        pieces = re.findall(r"(?s).*?(?:\n(?:[ \t]*\n)+|\Z)", self.text)
        if len(set(pieces)) < _FEWEST_PIECES:
            pieces = self.text.splitlines(keepends=True)
        kept: dict[TextSplit, list[str]] = {"train": [], "selection": [], "test": []}
        for piece in filter(None, pieces):
            kept[split_of(piece.strip())].append(piece)
        return {split: "".join(parts) for split, parts in kept.items()}

    def train(self, n_tokens: int) -> Ints:
        """Return the first ids of the pieces that are learned from."""
        text = self.parted["train"]
        check_tokens(n_tokens, len(text))
        return coded(text[:n_tokens], self.alphabet)

    def windows(self, split: Measured, distance: int, n: int, length: int) -> Ints:
        """Return windows one after the other from the beginning of the split."""
        self.shift(distance)
        text = self.parted[split]
        if n * (length + 1) > len(text):
            raise ConfigError(
                f"{n} windows of {length + 1} characters in {self.path}, whose split {split} has "
                f"{len(text):,}",
                f"at most {len(text) // (length + 1)}",
                "ask for fewer or shorter ones",
            )
        ids = coded(text[: n * (length + 1)], self.alphabet)
        return np.ascontiguousarray(ids.reshape(n, length + 1))
