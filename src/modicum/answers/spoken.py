"""Numbers in English words: `twenty-five`, `two and a half million`, `three quarters`."""

import re
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["spoken"]

_UNITS = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SMALL = {
    **{name: i for i, name in enumerate(_UNITS)},
    **{name: 20 + 10 * i for i, name in enumerate(_TENS)},
}
_LARGE = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SCALES = {"dozen": 12, "hundred": 100, **_LARGE}
_DIVIDES = {
    "half": 2, "halve": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6,
    "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "twelfth": 12, "hundredth": 100,
    "thousandth": 1000,
}  # fmt: skip
_GOES_ON = {
    "plus",
    "minus",
    "times",
    "divided",
    "multiplied",
    "over",
    "to",
    "or",
    "squared",
    "cubed",
}
"""Words after which a number in words is but a part of what is said."""
_WORD = re.compile(r"[\s\-]{0,3}([a-z]+)")
_MOST = 24
"""Words of the longest number that is read."""


@dataclass(frozen=True, slots=True)
class _Count:
    """What the first words are worth, and how many they are."""

    value: Fraction
    taken: int


def spoken(text: str) -> tuple[Fraction, int] | None:
    """Gives the number in words that a text begins with, and where it ends; None where it does not.

    >>> spoken("twenty-five apples"), spoken("one and a half"), spoken("a dozen")
    ((Fraction(25, 1), 11), (Fraction(3, 2), 14), (Fraction(12, 1), 7))
    >>> spoken("two or three"), spoken("one of them")
    (None, None)
    """
    words = _words(text.lower())
    names = [name for name, _ in words]
    negative = names[:1] in (["minus"], ["negative"])
    names = names[negative:]
    found = _fraction(names) or _number(names)
    if found is None:
        return None
    following = names[found.taken] if found.taken < len(names) else ""
    is_one_of = names[0] == "one" and following == "of"
    if following in _SMALL or following in _GOES_ON or is_one_of:
        return None
    return -found.value if negative else found.value, words[negative + found.taken - 1][1]


def _words(text: str) -> list[tuple[str, int]]:
    """The first words with where each ends; up to the first sign between them."""
    found: list[tuple[str, int]] = []
    end = 0
    while len(found) < _MOST and (match := _WORD.match(text, end)) is not None:
        end = match.end()
        found.append((match.group(1), end))
    return found


def _fraction(names: list[str]) -> _Count | None:
    """A fraction or a number that begins with one: `half a million`, `a third`."""
    lead = names[:1] in (["a"], ["an"])
    below = _below(names[lead : lead + 1])
    if not below or not (lead or names[0] == "half"):
        return None
    taken = lead + 1
    taken += names[taken : taken + 1] in (["a"], ["an"])
    return _scaled(_Count(Fraction(1, below), taken), names)


def _number(names: list[str]) -> _Count | None:
    """A whole number with what may follow: a fraction, decimals, a magnitude."""
    whole = _whole(names)
    if not whole.taken:
        return None
    rest = names[whole.taken :]
    if rest[:1] == ["point"] and rest[1:2] and rest[1] in _UNITS[:10]:
        digits = _decimals(rest[1:])
        part = Fraction(int(digits), 10 ** len(digits))
        return _scaled(_Count(whole.value + part, whole.taken + 1 + len(digits)), names)
    if _below(rest[:1]):
        return _scaled(_Count(whole.value / _below(rest[:1]), whole.taken + 1), names)
    if rest[:1] == ["and"]:
        upper = _SMALL.get(rest[1], 0) if rest[1:2] else 0
        upper = 1 if rest[1:2] in (["a"], ["an"]) else upper
        below = _below(rest[2:3])
        if upper and below:
            return _scaled(_Count(whole.value + Fraction(upper, below), whole.taken + 3), names)
    return _scaled(whole, names)


def _whole(names: list[str]) -> _Count:
    """A whole number: hundreds and thousands are summed."""
    total = current = taken = 0
    least = 10**15
    for place, name in enumerate(names):
        following = names[place + 1] if place + 1 < len(names) else ""
        if name in _SMALL and _joins(current, _SMALL[name]):
            current, taken = current + _SMALL[name], place + 1
        elif place == 0 and name in ("a", "an") and following in _SCALES:
            current = 1
        elif name == "hundred" and 0 < current < 100:
            current, taken = current * 100, place + 1
        elif current and _LARGE.get(name, least) < least:
            total, least = total + current * _LARGE[name], _LARGE[name]
            current, taken = 0, place + 1
        elif not (name == "and" and taken and following in _SMALL and current % 100 == 0):
            break
    if names[:1] in (["a"], ["an"]) and names[1:2] == ["dozen"]:
        return _Count(Fraction(1), 1)
    return _Count(Fraction(total + current), taken)


def _joins(current: int, small: int) -> bool:
    """Whether a small number may follow what was said: `twenty five` and not `two five`."""
    return current % 100 == 0 or (small < 10 and current % 100 >= 20 and current % 10 == 0)


def _decimals(names: list[str]) -> str:
    """The digits behind a point."""
    digits = ""
    for name in names:
        if name not in _UNITS[:10]:
            break
        digits += str(_UNITS.index(name))
    return digits


def _scaled(found: _Count, names: list[str]) -> _Count:
    """A number times the magnitudes that follow: `million`, `dozen`."""
    value, taken = found.value, found.taken
    while taken < len(names) and names[taken].rstrip("s") in _SCALES:
        value, taken = value * _SCALES[names[taken].rstrip("s")], taken + 1
    return _Count(value, taken)


def _below(names: list[str]) -> int:
    """What a word divides by: 3 for `thirds`; 0 for others."""
    return _DIVIDES.get(names[0], _DIVIDES.get(names[0].removesuffix("s"), 0)) if names else 0
