"""Reading numbers: the first one where an answer is said, unless an equals sign leads to another."""

import re
from dataclasses import dataclass
from typing import final

from modicum.answers.characters import flat
from modicum.answers.context import compound, has_rival, is_alone, is_denied, is_part, leads_to
from modicum.answers.places import Place
from modicum.answers.quantity import Quantity, next_quantity, quantities
from modicum.answers.reading import Reading, Said, amended
from modicum.answers.spoken import spoken
from modicum.answers.worth import canonical

__all__ = ["Numbers"]

_LEAD = re.compile(
    r"[\s*_`\"'$({\[]{0,9}(?:\\text\{\s?)?(?P<words>(?:(?:there (?:are|were|will be|is|was)|it(?:'s| is| "
    r"was)|they|he|she|we|exactly|about|approximately|around|roughly|nearly|a total of|only|just|"
    r"equals|equal to|in total|is)\s){0,4})",
    re.IGNORECASE,
)
_DECORATION = re.compile(r"(?:[\s*_$`\"'(\[{]|\\[()\[\],;:!]|\\(?:text|mathrm|mathbf|textbf)\b)*")
_SETTLED = re.compile(r"\s?(?:[A-Za-z%°]+)?[\s*_$)\]}]*(?:[.,;!\n]|$)")
_READ = 1000
"""Characters of a place that are read; a number that stands later is not what it says first."""
_CHUNK = 500
_SURE = 40
"""A number this far behind the beginning of a part has no beginning outside of it."""


@final
@dataclass(frozen=True)
class Numbers(Reading):
    """Reads numbers exactly; units, currency and percent signs do not matter."""

    def stated(self, place: Place) -> Said | None:
        """Gives the first number of a place, or that to which an equals sign leads.

        >>> Numbers().stated(Place(0, "12 of the 20 students")).answer
        '12'
        >>> Numbers().stated(Place(0, "2 + 3 = 5 apples")).answer
        '5'
        >>> Numbers().stated(Place(0, "2 + 3 apples")).answer is None
        True
        """
        text, corrections = amended(flat(place.text.strip()[:_READ]))
        for start in corrections:
            found = next_quantity(text, start)
            if found is not None and _is_amendment(text, start, found):
                return Said(found.answer)
        words = _in_words(text)
        if words is not None:
            return words
        found = next_quantity(text, 0)
        while found is not None and is_denied(text, found):
            found = next_quantity(text, found.end)
        return None if found is None else _said(text, found, is_box=place.is_box)

    def anywhere(self, text: str) -> str | None:
        r"""Gives the last number of a text; None where that is but a part of an expression.

        >>> Numbers().anywhere("so 3 of 12 cm^2 are left"), Numbers().anywhere(r"it is 2\sqrt{3}")
        ('12', None)
        """
        found = _last(text)
        if found is None:
            return None
        if found.decimals and not (found.answer or "").lstrip("-").startswith("0."):
            return found.decimals.lstrip("0") or "0"  # `x in {3,5}`: two numbers
        return found.answer


def _said(text: str, found: Quantity, *, is_box: bool) -> Said:
    """What is said where a place's first number stands."""
    value = compound(text, found)
    if value is not None:
        return Said(value)
    other = leads_to(text, found, is_box=is_box)
    if other is not None:
        return Said(other.answer)
    is_pair = bool(found.decimals) and "(" in text[found.start : found.end]  # (3,4)
    if is_pair or is_part(text, found, is_box=is_box) or has_rival(text, found):
        return Said(None)
    return Said(found.answer, is_alone(text, found.start, found.end))


def _is_amendment(text: str, start: int, found: Quantity) -> bool:
    """Whether a number stands where a correction begins, and settles it."""
    return (
        found.answer is not None
        and _DECORATION.fullmatch(text, start, found.start) is not None
        and _SETTLED.match(text, found.end) is not None
    )


def _in_words(text: str) -> Said | None:
    """A number in words with which a place begins."""
    lead = _LEAD.match(text)
    start = lead.end() if lead else 0
    found = spoken(text[start : start + 200])
    if found is None or text[start + found[1] : start + found[1] + 1].isalpha():
        return None
    end = start + found[1]
    is_whole = not (lead and lead["words"]) and is_alone(text, start, end)
    return Said(canonical(found[0]), is_whole)


def _last(text: str) -> Quantity | None:
    """The last number of a text, read from its end in parts; opaque where digits stand in it."""
    start, size = len(text), _CHUNK
    while start > 0:
        start, size = max(0, len(text) - size), 4 * size
        while start > 0 and not text[start - 1].isspace():
            start -= 1
        last: Quantity | None = None
        for found in quantities(text, start):
            if is_denied(text, found):
                continue
            if found.answer is not None or any(map(str.isdigit, text[found.start : found.end])):
                last = found
        if last is not None and (start == 0 or last.start - start > _SURE):
            return last
    return None
