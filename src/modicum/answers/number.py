"""Reading numbers: the first one where an answer is said, unless an equals sign leads to another."""

import re
from dataclasses import dataclass, replace
from typing import final

from modicum.answers.characters import SETTING, flat
from modicum.answers.context import compound, has_rival, is_alone, is_denied, is_part, leads_to
from modicum.answers.places import NOTHING, Place
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
_DECORATION = re.compile(rf"(?:[\s*_$`\"'(\[{{]|\\[()\[\],;:!]|\\(?:{SETTING})(?![A-Za-z]))*")
_SETTLED = re.compile(
    r"(?:(?!\b(?:is|are|was|were|have|had|has|can|could|would|will|do|did)\b)[^.,;!\n]){0,60}(?:[.,;!\n]|$)"
)
_READ = 1000
"""Characters of a place that are read; a number that stands later is not what it says first."""
_FEW = 3
"""Words of a text in which a number in words is the answer."""
_DIGIT = re.compile(r"[0-9¼-¾⅐-⅞]")
_BULLET = re.compile(r"(?:^|\n)[-+][ \u00a0]")
_CHUNK = 120
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
        if NOTHING.match(text):
            return Said(None)
        for start in corrections:
            said = _amendment(text, start)
            if said is not None:
                return said
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
        return None if found is None else found.answer

    def alone(self, text: str) -> str | None:
        """Gives the number that a text is, or that its few words are: `Twelve apples`."""
        words = text.split(None, _FEW)
        said = _in_words(text) if len(words) <= _FEW and not _DIGIT.search(text) else None
        if said is not None:
            return said.answer
        return self.whole(text) if len(text) < _READ else None


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


def _amendment(text: str, start: int) -> Said | None:
    """What a correction that begins here says; None where it says no other number."""
    text = text[start:]  # a dash that a correction begins with is a sign
    words = Said(None) if NOTHING.match(text) else _in_words(text)
    if words is not None:
        return Said(words.answer)
    found = next_quantity(text, 0)
    if found is None or found.answer is None:
        return None
    is_first = _DECORATION.fullmatch(text, 0, found.start) is not None
    return Said(found.answer) if is_first and _SETTLED.match(text, found.end) else None


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
    """The last number of a text, read from its end in parts; opaque where it is but a part."""
    start, size = len(text), _CHUNK
    while start > 0:
        start, size = max(0, len(text) - size), 4 * size
        while start > 0 and not text[start - 1].isspace():
            start -= 1
        last = _last_of(flat(text[start:]))
        if last is not None and (start == 0 or last.start > _SURE):
            return last
    return None


def _last_of(text: str) -> Quantity | None:
    """The last number of a flat text, without those that are denied; two units are one number."""
    before: Quantity | None = None
    last: Quantity | None = None
    for found in quantities(text):
        if is_denied(text, found) or not _DIGIT.search(text, found.start, found.end):
            continue
        before, last = last, found
    if last is None:
        return None
    value = compound(text, before) if before is not None else None
    if value is not None:
        return replace(last, answer=value)
    if is_part(text, last, is_box=False):
        return replace(last, answer=None)
    if _BULLET.match(text, max(0, last.start - 1)) and len(_BULLET.findall(text)) > 1:
        return replace(last, answer=(last.answer or "").lstrip("-") or None)
    if last.decimals and not (last.answer or "").lstrip("-").startswith("0."):
        return replace(last, answer=last.decimals.lstrip("0") or "0")  # `x in {3,5}`: two numbers
    return last
