"""One way to read an answer: where it is said the last such place counts, else the whole text."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

from modicum.answers.characters import tail
from modicum.answers.places import Form, Place, said_places

__all__ = ["Reading", "Said", "amended"]

_STRUCK = re.compile(r"~~[^~\n]{1,80}~~")
_AMENDS = re.compile(
    r"(?:(?<=[,.;:!?()…\-])|(?<=\s))\s{0,3}"
    r"(?:no|wait|actually|sorry|correction|oops|hmm|scratch that|strike that|make that|i meant?|"
    r"(?:or )?rather|my mistake|let me correct (?:that|this|it)|on second thought)\b[\s,.:;!…]{0,4}"
    r"(?:(?:it['’]?s|it is|that['’]?s|that is|that was|this is|wrong|incorrect|not right|a mistake|"
    r"(?:the )?(?:(?:correct|right|real|actual) )?(?:answer|choice|option|one) (?:is|should be)|"
    r"(?:it )?should (?:actually |really )?be|it must be|i meant?|make (?:it|that)|actually|wait|no|"
    r"sorry|rather|was)\b[\s,.:;!…]{0,4}){0,4}",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a place says."""

    answer: str | None
    """The answer in canonical form; None where another thing is said, which cannot be read."""
    is_whole: bool = False
    """Whether nothing else stands there."""


@dataclass(frozen=True)
class Reading(ABC):
    """How answers of one kind are read, the same for every user: marks, rewards, votes, exports.

    Subclasses are frozen dataclasses of plain fields and need nothing but the standard library,
    so that they can leave with an export as they stand.
    """

    more: ClassVar[re.Pattern[str] | None] = None
    """What says an answer of this kind beside what says any."""

    takes_any_words: ClassVar[bool] = False
    """Whether `correct` may be an answer, and not only what is said of one."""

    @abstractmethod
    def stated(self, place: Place) -> Said | None:
        """Gives what a place says; None where it says nothing of this kind."""

    @abstractmethod
    def anywhere(self, text: str) -> str | None:
        """Gives the answer of a text that says nowhere that it is one, or None."""

    def whole(self, text: str) -> str | None:
        """Gives the answer that a text *is*, in canonical form; None where it is more or less."""
        said = self.stated(Place(0, text))
        return said.answer if said is not None and said.is_whole else None

    def alone(self, text: str) -> str | None:
        """Gives the answer of a text that holds nothing else, though it does not say so."""
        return self.whole(text)

    @final
    def read(self, text: str, form: Form) -> str | None:
        """Reads a text: the last place that says an answer, else the text itself.

        A place of a few words is the answer even where it cannot be read: no number elsewhere in
        the text takes its stead.
        """
        text = tail(text)
        for place in said_places(text, form, self.more):
            is_void = place.is_hollow or place.is_denied
            if is_void and not (
                self.takes_any_words and not (place.is_sentence and place.is_denied)
            ):
                continue
            said = self.stated(place)
            if said is not None:
                return said.answer
            if place.is_firm:
                return None
        return self.alone(text) or self.anywhere(text)

    @final
    def both(self, text: str, form: Form) -> tuple[str | None, str | None]:
        """Gives what `read` gives, and it once more where the exact format holds it alone.

        What another place says later is thus not overlooked by the strict reading.
        """
        answer, found = self.read(text, form), form.find(tail(text))
        strict = None if found is None else self.whole(found)
        return answer, strict if strict == answer else None


def amended(text: str) -> tuple[str, list[int]]:
    """Gives a text without what is struck out, and where corrections of it begin, the last first.

    >>> amended("A, no, wait: B")
    ('A, no, wait: B', [13])
    """
    text = _STRUCK.sub(lambda struck: " " * len(struck.group()), text)
    return text, [match.end() for match in _AMENDS.finditer(text)][::-1]
