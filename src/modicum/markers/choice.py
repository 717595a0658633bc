"""Choice: the same letter, as in multiple-choice questions."""

import re
from dataclasses import dataclass
from typing import ClassVar, final

from modicum.answers import Letters
from modicum.marker import Reader

__all__ = ["Choice"]


@final
@dataclass(frozen=True)
class Choice(Reader):
    """Takes the letter where the answer is said or that leads the text, else the last of all."""

    version: ClassVar[int] = 2
    """2: a leading letter is the choice; the first letter of the last place that says an answer."""

    last: str = "J"
    """Last letter that may be chosen."""

    def __post_init__(self) -> None:
        """Refuse what is no letter."""
        if not re.fullmatch("[B-Z]", self.last):
            raise ValueError(f"found last = {self.last!r}; expected a capital from B to Z")

    @property
    def reading(self) -> Letters:
        """Letters up to the last one."""
        return Letters(self.last)

    def agrees(self, answer: str, gold: str) -> bool:
        """Compare letters."""
        return answer == gold
