"""Exact: the same text, without regard to case, white space, decoration and kinds of quotes."""

from dataclasses import dataclass
from typing import ClassVar, final

from modicum.answers import PAIRS, Texts, same_text
from modicum.marker import Reader

__all__ = ["Exact"]


@final
@dataclass(frozen=True)
class Exact(Reader):
    """Takes what is said to be the answer, else the last line, as it stands."""

    version: ClassVar[int] = 2
    """2: the last place that says an answer counts; `Yes, it is.` is yes where the gold is yes or no."""

    case: bool = False
    """Whether upper and lower case differ."""
    among: str = ""
    """Words of which one is the answer, parted by `|`: it may lead a sentence. Any text where empty."""

    @property
    def reading(self) -> Texts:
        """Texts as they stand, or one of a few words."""
        return Texts(self.among)

    def reading_for(self, gold: str) -> Texts:
        """Read one of two words where the gold is yes or no, true or false.

        >>> Exact().reading_for("No").among
        'yes|no'
        """
        pair = next((p for p in PAIRS if gold.casefold() in p.split("|")), "")
        return Texts(self.among or pair)

    def agrees(self, answer: str, gold: str) -> bool:
        """Compare the words.

        >>> Exact().agrees("new  york", "New York"), Exact(case=True).agrees("a", "A")
        (True, False)
        """
        return same_text(answer, gold, case=self.case)
