"""Choice: the same letter, as in multiple-choice questions."""

import re
from dataclasses import dataclass
from typing import final

from modicum.answers import plain
from modicum.marker import Reader

__all__ = ["Choice"]

_WHOLE = re.compile(r"[(\[]?([A-Za-z])[)\].:]?")
_FIRST = re.compile(r"\W*(?:(?:option|choice|letter)\W+)?([A-Z])(?![\w'’])")
_BRACKETED = re.compile(r"[(\[]([A-Z])[)\]]")
_ALONE = re.compile(r"(?<![\w'’])([A-Z])(?![\w'’])(?! [a-z])")
"""A capital that is a word of its own, and not the article or pronoun before another word."""


@final
@dataclass(frozen=True)
class Choice(Reader):
    """Takes the letter where the answer is said, else the last one in brackets or alone."""

    last: str = "J"
    """Last letter that may be chosen."""

    def __post_init__(self) -> None:
        """Refuses what is no letter."""
        if not re.fullmatch("[B-Z]", self.last):
            raise ValueError(f"found last = {self.last!r}; expected a capital from B to Z")

    def whole(self, found: str) -> str | None:
        """One letter, in brackets or not.

        >>> Choice().whole("(b)"), Choice().whole("B or C")
        ('B', None)
        """
        letter = _WHOLE.fullmatch(plain(found))
        return self._known(letter.group(1).upper()) if letter else None

    def within(self, found: str) -> str | None:
        """The letter that comes first there, else one in brackets, else one alone.

        >>> Choice().within("(B) Paris"), Choice().within("surely option C.")
        ('B', 'C')
        """
        first = _FIRST.match(found)
        answer = self._known(first.group(1)) if first else None
        return answer or self.whole(found) or self.anywhere(found)

    def anywhere(self, text: str) -> str | None:
        """The last letter in brackets, else the last one that is a word of its own."""
        for pattern in (_BRACKETED, _ALONE):
            known = [letter for letter in pattern.findall(text) if self._known(letter)]
            if known:
                return str(known[-1])
        return None

    def agrees(self, answer: str, gold: str) -> bool:
        """Compares letters."""
        return answer == gold

    def _known(self, letter: str) -> str | None:
        return letter if "A" <= letter <= self.last else None
