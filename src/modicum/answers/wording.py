"""Reading texts: all that stands where an answer is said, else the last line."""

import re
from dataclasses import dataclass
from typing import ClassVar, final

from modicum.answers.characters import SETTING, plain, tidy
from modicum.answers.places import Place, last_line
from modicum.answers.reading import Reading, Said

__all__ = ["PAIRS", "Texts", "same_text"]

_HOPE = re.compile(r"(?<!\s)\s{0,3}I hope (?:it|this) is (?:all )?correct\W{0,9}$", re.IGNORECASE)
_WRAPPED = re.compile(rf"\\(?:{SETTING})\s?\{{([^{{}}]*)\}}|__([^_\n]+)__")
_FOLLOWS = re.compile(
    r"[*_\"'”’)]*(?:$|[.,;:!—–(\n]|\s+[-—–(]|\s+(?:it|he|she|they|we|you|i|this|that|there|the|these|those|"
    r"because|since|as|indeed)\b)",
    re.IGNORECASE,
)
_BOTH = re.compile(r"\W{0,4}(?:and|or|/|,)\W{0,4}(\w+)\W*(?:$|[.,;!?\n])", re.IGNORECASE)
_REFUSED = re.compile(r"(?:not|n['’]t|or|and|/|no)\W*$", re.IGNORECASE)

PAIRS = ("yes|no", "true|false")
"""Words of which one is the answer where the gold is the other."""


@final
@dataclass(frozen=True)
class Texts(Reading):
    """Reads a text as it stands, or one of a few words such as yes and no."""

    takes_any_words: ClassVar[bool] = True

    among: str = ""
    """Words of which one is the answer, parted by `|`; any text where empty."""

    def stated(self, place: Place) -> Said | None:
        """Gives what stands in a place; of a few words the one it begins with.

        >>> Texts().stated(Place(0, " **Paris**.")).answer
        'Paris'
        >>> Texts("yes|no").stated(Place(0, "Yes, it is.")).answer
        'Yes'
        """
        found = _bare(place.text)
        if not self.among:
            return Said(found, is_whole=True) if found else None
        word = self._leading(found)
        return Said(word, is_whole=word == found) if found else None

    def alone(self, text: str) -> str | None:
        """Gives one of a few words where a text is no more; of any text the last line counts."""
        return self.whole(text) if self.among else None

    def anywhere(self, text: str) -> str | None:
        """Gives the last line; of a few words the one that leads the text or ends it."""
        if not self.among:
            return _bare(last_line(text)) or None
        line = _bare(last_line(text))
        before, _, last = line.rpartition(" ")
        word = None if _REFUSED.search(before[-9:]) else self._leading(plain(last))
        return self._leading(_bare(text)) or self._leading(line) or word

    def _leading(self, text: str) -> str | None:
        """The one of the words that a text begins with, as it stands there; None for another."""
        words = sorted(self.among.split("|"), key=len, reverse=True)
        for word in words:
            head, rest = text[: len(word)], text[len(word) :]
            if head.casefold() != word.casefold() or not _FOLLOWS.match(rest):
                continue
            joint = _BOTH.match(rest)
            is_both = joint is not None and joint[1].casefold() in map(str.casefold, words)
            return None if is_both else head
        return None


def same_text(one: str, other: str, *, case: bool = False) -> bool:
    """Says whether two texts say the same, whatever their quotes, dashes and composed letters.

    >>> same_text("New  York", "new york"), same_text("x\u00b2", "x2")
    (True, False)
    """
    one, other = tidy(one), tidy(other)
    return one == other if case else one.casefold() == other.casefold()


def _bare(text: str) -> str:
    """A text without decoration, macros that only set it, and hopes that it is correct."""
    found = plain(_HOPE.sub("", text)).removesuffix("__")
    wrapped = _WRAPPED.fullmatch(found)
    return plain(wrapped[1] or wrapped[2] or "") if wrapped else found
