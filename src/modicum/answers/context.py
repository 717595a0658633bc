"""What stands around a number: whether it is the whole value, or the beginning of something else."""

import re
from fractions import Fraction

from modicum.answers.characters import SETTING
from modicum.answers.quantity import Quantity, next_quantity
from modicum.answers.worth import canonical

__all__ = ["compound", "has_rival", "is_alone", "is_denied", "is_part", "leads_to"]

_START = (
    r"(?:(?:[-+±]|\\pm|(?:minus|negative)\s)[ \u00a0]{0,2})?(?:US)?(?:\\?\$|[€£¥₹])?[ \u00a0]?"
    r"(?:[0-9]|\.[0-9]|[¼-¾⅐-⅞]|\\[dtc]?frac)"
)
_SAFE = (
    rf"{SETTING}|quad|qquad|right|end|approx|hspace|hfill|degree|circ|rightarrow|Rightarrow|implies|"
    r"because|therefore|ldots|dots|to|unit|(?:[dt]?frac\s?\{\s?\\(?:text|mathrm)\{[^{}]*\}\s?\})"
)
_GOES_ON = re.compile(
    rf"""
    [ \u00a0~]{{0,3}}(?:
        [×÷±] | ·(?!\s?[A-Za-z]{{2}}) | \*\s?(?=[0-9(.\\$]) | \*(?=[a-z](?![a-z*]))
      | \\(?:times|cdot|div|ast|pm|mp)(?![A-Za-z]) | \\(?!(?:{_SAFE})(?![A-Za-z]))(?=[A-Za-z])
      | /\s?(?=[0-9(.\\$]|[xyz](?![A-Za-z])) | \+\s?(?={_START}|[(\\]|[A-Za-z](?![A-Za-z]))
      | -\s?(?={_START}|\(|\\(?!text|mathrm|mbox)|[b-hj-z](?![A-Za-z'.])) | :\s?(?=[0-9])
      | [<>≤≥](?!/?[A-Za-z]+>)\s?(?=[-$]?[0-9]|[a-z](?![A-Za-z])) | [π√∞θφλ]
      | [xyzn](?![A-Za-z0-9'’]) | [xX]\s?(?={_START})
    )
  | \((?=\s?[0-9xyz\\]) | \)?\^(?!\{{?\s?(?:\\circ|(?:\\(?:text|mathrm)\{{)?(?:st|nd|rd|th))) | _\{{?[0-9]
  | [abeijnqruvwxyz](?![A-Za-z'’]) | [abcxyz]{{2,3}}(?<!cc)(?![A-Za-z'’])
  | [ \u00a0][A-Za-z]{{1,12}}[ \u00a0](?:[xX×]|\\times)[ \u00a0](?={_START})
  | [ \u00a0](?:squared|cubed|factorial)\b | (?:(?<=%)|[ \u00a0]per\s?cent)[ \u00a0]of\s(?={_START})
  | [ \u00a0](?:times|plus|minus|divided\sby|multiplied\sby|over|mod|modulo|choose)\s+(?={_START})
  | [ \u00a0]+(?=[0-9¼-¾⅐-⅞]) | [ \u00a0](?:to|through|by|vs\.?|versus)\s+(?={_START})
    """,
    re.VERBOSE,
)
"""What shows that a number is but the beginning: of a product, a range, a time, a term."""
_BEFORE = re.compile(
    r"(?P<no>(?:(?<![A-Za-z])(?:not|neither|nor|never|rather than|instead of)|n't)\s(?:\w{1,7}\s)?"
    r"|(?:≠|\\neq?)\s?)[$(]?$"
    r"|(?:[<>≤≥±]|\\(?:leq?|geq?|lt|gt|pm|mp))\s?[$(]?$"
    r"|(?:(?<![A-Za-z\\'])[b-hj-zB-HJ-Z]\s?(?:[-+*/×·÷]|\\times|\\cdot)?\s?"
    r"|[0-9A-Za-z)}]\s?(?:[+/×·÷]|\\times|\\cdot|\\div)\s?|√"
    r"|\b(?:between|from|twice|thrice|double|triple|half(?: of)?|(?:root|square|cube) of)\s)[$(]?$"
)
_REFUSED = re.compile(r"[)\s*]{0,4}(?:is|was)\s(?:wrong|incorrect|not (?:right|correct|it)\b)")
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,40}>\s?$")
_NEAR = 48
_SPACE = r"(?:\s|\\[,;:! ]|\\q?quad(?![A-Za-z])|\\text\s?\{|\}){0,4}"
_OR = re.compile(rf",?(?:\s|\}}){_SPACE}(?<![a-z])(?:or|and/or|to)(?![a-z]){_SPACE}(?={_START})")
_AND = re.compile(
    rf"{_SPACE}[,;&]{_SPACE}(?:(?:and|or)(?![a-z]))?{_SPACE}(?={_START})"
    rf"|\s{_SPACE}(?<![a-z])and(?![a-z]){_SPACE}(?={_START})"
)
_LIST_ENDS = re.compile(
    r"[\s*_$`\"')\]}.!\\]*(?:$|[,;&\n]|(?:and|or)\b)|\s?[A-Za-z%°]*[\s*_$)\]}.]*$"
)
_CLAUSE = re.compile(
    r"[;\n]|[.?](?=\s|$)|!(?=\s+[A-Z(]|\s*$)|(?<=\S)\s\(|,\s|\\\\(?!\w)|\b(?:because|since|so|not|but|which|where|while|"
    r"given|instead|rather|as|if|when|for|hence|thus|therefore|after|from)\b"
)
_EQUALS = re.compile(r"(?<![!<>=≠:\\])={1,2}(?!>)")
_BARE_BEFORE = re.compile(
    rf"(?:[\s*_$`\"'(\[{{]|\\[()\[\],;:!]|\\(?:{SETTING}|boxed|fbox|left)(?![A-Za-z]))*"
)
_BARE_AFTER = re.compile(
    r"(?:[\s*_$`\"')\]}.€£¥₹₩₽₺₫฿₪₦₴₱¢]|\\[()\[\],;:!$]|\\right|(?:usd|eur|gbp|jpy|inr|chf|cad|aud|"
    r"percent|per\scent|pct)(?![A-Za-z]))*",
    re.IGNORECASE,
)
_PARTS = {
    ("hour", "minute"): 60, ("minute", "second"): 60, ("day", "hour"): 24, ("week", "day"): 7,
    ("year", "month"): 12, ("foot", "inch"): 12, ("pound", "ounce"): 16, ("dollar", "cent"): 100,
    ("euro", "cent"): 100, ("sterling", "penny"): 100, ("metre", "centimetre"): 100,
    ("kilometre", "metre"): 1000, ("kilogram", "gram"): 1000, ("degree", "minute"): 60,
}  # fmt: skip
_UNITS = {
    "hour": "hours hour hrs hr h", "minute": "minutes minute mins min m", "day": "days day d",
    "second": "seconds second secs sec s", "week": "weeks week", "year": "years year yrs yr",
    "month": "months month", "foot": "feet foot ft", "inch": "inches inch in",
    "pound": "pounds pound lbs lb", "ounce": "ounces ounce oz", "dollar": "dollars dollar $",
    "cent": "cents cent ¢", "euro": "euros euro €", "penny": "pence pennies penny p",
    "sterling": "£ pounds pound", "metre": "metres metre meters meter m",
    "centimetre": "centimetres centimeters cm", "kilometre": "kilometres kilometers km",
    "kilogram": "kilograms kilogram kg", "gram": "grams gram g", "degree": "degrees degree °",
}  # fmt: skip
_UNIT = re.compile(r"[ \u00a0]?([A-Za-z]{1,11}|[¢°])(?![A-Za-z])")
_JOINED = re.compile(r"(?:[ \u00a0]?,)?[ \u00a0]?(?:and[ \u00a0])?(?=[0-9])")


def is_denied(text: str, found: Quantity) -> bool:
    """Says whether a number is said not to be it: `not 5`."""
    before = _BEFORE.search(text, max(0, found.start - _NEAR), found.start)
    is_not = before is not None and before["no"] is not None
    return is_not or _REFUSED.match(text, found.end) is not None


def is_part(text: str, found: Quantity, *, is_box: bool) -> bool:
    """Says whether a number is but a part of what is said: a sum, a term, a range, a bound."""
    near = max(0, found.start - _NEAR)
    before = _BEFORE.search(text, near, found.start)
    if before is not None and _TAG.search(text, near, found.start) is None:
        return True
    if is_box and text.startswith("!", found.end):
        return True  # a factorial
    return found.answer is None or _GOES_ON.match(text, found.end) is not None


def has_rival(text: str, found: Quantity) -> bool:
    """Says whether another number stands beside a number as its equal: `5 or 6`, `5, 6 and 7`."""
    unit = _UNIT.match(text, found.end)
    for end in {found.end, unit.end() if unit else found.end}:
        either, both = _OR.match(text, end), _AND.match(text, end) if end == found.end else None
        joint = either or both
        other = next_quantity(text, joint.end()) if joint else None
        if other is None or other.answer == found.answer or _same(other, found):
            continue
        if both and not _LIST_ENDS.match(text, other.end):
            continue
        if end == found.end or text[found.end : end].strip() in text[other.end : other.end + 12]:
            return True
    return False


def _same(one: Quantity, other: Quantity) -> bool:
    try:
        return Fraction(one.answer or "x") == Fraction(other.answer or "y")
    except (ValueError, ZeroDivisionError):
        return False


def is_alone(text: str, start: int, end: int) -> bool:
    """Says whether nothing but decoration, currency and percent signs stands around a part."""
    before = _BARE_BEFORE.fullmatch(text, 0, start)
    return before is not None and _BARE_AFTER.fullmatch(text, end) is not None


def leads_to(text: str, found: Quantity, *, is_box: bool) -> Quantity | None:
    """Gives the number to which an equals sign leads from another in the same clause, or None."""
    clause = _CLAUSE.search(text, found.end)
    end = clause.start() if clause else len(text)
    for sign in [*_EQUALS.finditer(text, found.end, end)][::-1]:
        other = next_quantity(text, sign.end())
        if other is None or other.start >= end or other.answer is None:
            continue
        if not is_part(text, other, is_box=is_box):
            return other
    return None


def compound(text: str, found: Quantity) -> str | None:
    """Gives the value of two units that make one quantity, in the first: `1 hour 30 minutes`."""
    signs = [sign for sign in "$€£°" if sign in text[found.start : found.end]]
    first, end = (signs[0], found.end) if signs else _unit(text, found.end)
    joint = _JOINED.match(text, end) if first and found.answer is not None else None
    other = next_quantity(text, joint.end()) if joint else None
    if joint is None or other is None or other.start != joint.end() or other.answer is None:
        return None
    second, _ = _unit(text, other.end)
    for (large, small), ratio in _PARTS.items():
        if first in _UNITS[large].split() and second in _UNITS[small].split():
            whole, part = Fraction(found.answer or 0), Fraction(other.answer)
            return canonical(whole + (part if whole >= 0 else -part) / ratio)
    return None


def _unit(text: str, start: int) -> tuple[str, int]:
    """The unit that stands at a place, and where it ends; empty where there is none."""
    found = _UNIT.match(text, start)
    return (found[1].lower(), found.end()) if found else ("", start)
