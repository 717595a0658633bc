"""Exact: the same text, without regard to case, white space and decoration."""

from dataclasses import dataclass
from typing import final

from modicum.answers import last_line, plain
from modicum.marker import Reader

__all__ = ["Exact"]


@final
@dataclass(frozen=True)
class Exact(Reader):
    """Takes what is said to be the answer, else the last line, as it stands."""

    case: bool = False
    """Whether upper and lower case differ."""

    def whole(self, found: str) -> str | None:
        """Any text is an answer."""
        return plain(found) or None

    def within(self, found: str) -> str | None:
        """All that was found is the answer."""
        return plain(found) or None

    def anywhere(self, text: str) -> str | None:
        """The last line."""
        return plain(last_line(text)) or None

    def agrees(self, answer: str, gold: str) -> bool:
        """Compares the words.

        >>> Exact().agrees("new  york", "New York"), Exact(case=True).agrees("a", "A")
        (True, False)
        """
        one, other = " ".join(answer.split()), " ".join(gold.split())
        return one == other if self.case else one.casefold() == other.casefold()
