"""How a task reads its answers, as a value that can leave with an export; and where one stands."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

from modicum.answers.places import Form
from modicum.answers.quantity import quantities
from modicum.answers.reading import Reading

__all__ = ["Announced", "Rule", "Stated", "span_of"]

_SEPARATORS = ", $_"
_ALONE = r"(?<!\w)(?<!\d[.,]){}(?!\w)(?![.,]\d)"
_MOST_SPREAD = 200
"""Characters of the longest answer that is looked for with separators between its letters."""


class Rule(ABC):
    """Reads the answer of any text. Subclasses are frozen dataclasses whose `repr` builds them."""

    @abstractmethod
    def read(self, text: str) -> str | None:
        """Gives the answer in canonical form; None where there is none."""


@final
@dataclass(frozen=True)
class Stated(Rule):
    """Reads by one of the readings, beside the form that is asked for."""

    reading: Reading
    form: Form

    def read(self, text: str) -> str | None:
        """Gives what the reading gives."""
        return self.reading.read(text, self.form)


@final
@dataclass(frozen=True)
class Announced(Rule):
    """Reads the word after the last one that announces it; a word alone reads as itself."""

    after: str

    def read(self, text: str) -> str | None:
        """Gives the word.

        >>> Announced("Answer").read("Think 2+3=5 Answer 5 apples"), Announced("Answer").read("5")
        ('5', '5')
        """
        _, found, rest = text.rpartition(self.after)
        words = rest.split()
        if found:
            return words[0] if words else None
        return words[0] if len(words) == 1 else None


def span_of(text: str, answer: str) -> tuple[int, int] | None:
    r"""Gives the last place of an answer in a text, case and separators aside, or None.

    A place inside a longer word or number (12 in 112, 5 in 2.5) counts only where there is no
    other, and where no number of the text has the answer's value in another spelling.

    >>> span_of("12 and 112", "12"), span_of(r"so \frac{1}{2} it is", "1/2")
    ((0, 2), (3, 14))
    """
    wanted = re.escape(answer)
    bare = re.sub(f"[{_SEPARATORS}]", "", answer)[:_MOST_SPREAD]
    spread = f"[{_SEPARATORS}]*".join(map(re.escape, bare))
    alone = _last(text, _ALONE.format(wanted)) or (bare and _last(text, _ALONE.format(spread)))
    if alone:
        return alone
    same = [found for found in quantities(text) if found.answer == answer]
    if same:
        return same[-1].start, same[-1].end
    return _last(text, wanted) or (_last(text, spread) if bare else None)


def _last(text: str, pattern: str) -> tuple[int, int] | None:
    """The last place that a pattern finds."""
    span = None
    for found in re.finditer(pattern, text, re.IGNORECASE):
        span = found.span()
    return span
