"""Numbers as people write them: one pattern for all spellings, and where each stands in a text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from modicum.answers.characters import SETTING, flat
from modicum.answers.worth import LONGEST, bare, canonical, decimal, power, ratio, scaled

__all__ = ["Quantity", "next_quantity", "quantities"]

_GAP = r"(?:[ \u00a0~]|\\[,;:!\ ])"
_FEW = rf"{_GAP}{{0,3}}"
_COMMA = r"(?:,(?:\\!\ ?)?|\{,\})"
_PLAIN = rf"(?:[0-9]+(?:{_COMMA}[0-9]{{3}})*(?:\.[0-9]+)?|\.[0-9]+)"
_DIGITS = rf"""(?:
    [1-9][0-9]{{0,2}}(?:{_COMMA}[0-9]{{3}})+(?![0-9])(?:\.[0-9]+)?
  | [1-9][0-9]?(?:,[0-9]{{2}})+,[0-9]{{3}}(?![0-9])(?:\.[0-9]+)?
  | [0-9]{{1,3}}(?:'[0-9]{{3}})+(?![0-9])(?:[.,][0-9]+)?
  | [1-9][0-9]{{0,2}}(?:{_GAP}[0-9]{{3}})+(?![0-9])(?:[.,][0-9]+)?
  | [0-9]{{1,3}}(?:_[0-9]{{3}})+(?![0-9_])(?:\.[0-9]+)?
  | [0-9]{{1,3}}(?:\.[0-9]{{3}})+,[0-9]{{1,2}}(?![0-9])
  | [0-9]{{1,3}}(?:\.[0-9]{{3}}){{2,}}(?!\.?[0-9])
  | [0-9]+\.[0-9]*(?:\\(?:overline|bar|dot)\s?\{{[0-9]{{1,20}}\}}|\([0-9]{{1,20}}\)(?![0-9]))
  | (?<![0-9],)(?:0,[0-9]+|[0-9]+,[0-9]{{1,2}})(?!,?[0-9])
  | [0-9]+(?:\.[0-9]+)? | (?<![A-Za-z0-9])\.[0-9]+)
"""
_RATIO = rf"""(?:
    \\[dtc]?frac\s?(?:\{{\s?-?{_PLAIN}\s?\}}|[0-9])\s?(?:\{{\s?-?{_PLAIN}\s?\}}|[0-9])
  | \{{\s?-?{_PLAIN}\s?\\over\s?-?{_PLAIN}\s?\}}
  | [½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞⅐⅑⅒↉])
"""
_POWER = r"""(?:
    \s?\^\s?(?:\{\s?-?[0-9]+\s?\}|\(\s?-?[0-9]+\s?\)|-?[0-9]+)
  | \s?\*\*\s?(?:\(-?[0-9]+\)|-?[0-9]+) | [⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)
"""
_SCALE = (
    r"(?i:(?:thousand|million|billion|trillion|hundred|lakh|lac|crore|dozen|mn|bn|tn|mln|bln|mrd|mio)s?)"
    r"(?![A-Za-z0-9'\u00c0-\u024f])"
)
_NUMBER = rf"""
    (?:
        (?:(?P<whole>[0-9]+)(?:{_FEW}(?:and|&)\ |{_FEW}))?(?P<ratio>{_RATIO})
      | (?P<mixed>[0-9]+)(?:{_FEW}(?:and|&)\ |{_GAP}{{1,3}})(?P<upper>[0-9]+)/(?P<lower>[0-9]+)(?![0-9/])
      | (?P<many>(?![0-9]{{1,3}}(?:\.[0-9]{{3}})+(?!\.?[0-9]))[0-9]+(?:\.[0-9]+){{2,}}
            | [0-9]+/[0-9]+/[0-9]+ | [0-9]+(?:-[0-9]+){{2,}})
      | (?P<digits>{_DIGITS})
        (?: \s?/\s?(?P<under>{_PLAIN})(?![0-9/])
          | [eE](?P<tens>[-+]?[0-9]{{1,9}})(?![0-9])
          | {_FEW}(?:[×·xX*]|\\times|\\cdot|\\ast){_FEW}\{{?10\}}?(?P<ten>{_POWER})
          | (?P<power>{_POWER})
        )?
    )
    (?: {_FEW}\\?% | {_FEW}(?:°|\^\s?\{{?\s?(?:\\circ|°)\s?\}}?|\\degree) )?
    (?: (?P<letter>[kKmMbBtT])(?![A-Za-z0-9'^\u00c0-\u024f])
      | (?:[- \u00a0]|{_FEW}\\(?:text|mathrm|mbox)\{{\s?)?
        (?P<scale>{_SCALE})(?:[ \u00a0](?P<more>{_SCALE}))?
      | (?P<myriad>[万萬亿億兆])
    )?
"""
_SKIPPED = rf"""
    (?P<script>(?<=[A-Za-z0-9)}}\]'|])[\^_]\s?(?:(?P<brace>\{{)|\(?-?[A-Za-z0-9]+))
  | (?P<macro>\\(?!(?:{SETTING}|left|right|boxed|fbox|quad|qquad|begin|end|approx|times|cdot|to|
        rightarrow|Rightarrow|implies|therefore|because|hspace|hfill)(?![A-Za-z]))[A-Za-z]+)
  | (?P<function>(?<![A-Za-z])(?:sqrt|cbrt|log|ln|lg|exp|sin|cos|tan|cot|sec|csc|abs|max|min|gcd|
        lcm|floor|ceil|round|[fghPEC])\()
  | (?P<symbol>[√∛π∞][0-9]*)
"""
_SCAN = re.compile(
    rf"(?=[0-9.\\¼-¾⅐-⅞↉{{^_√∛π∞a-zA-Z])(?:(?<![0-9])(?<![0-9]\.)(?P<number>{_NUMBER})|{_SKIPPED})",
    re.VERBOSE,
)
_MONEY = (
    r"(?:(?:(?<![A-Za-z])(?:US|AU?|CA?|NZ|HK|S|R|NT|MX))?\\?\$|[€£¥₹₩₽₺₫฿₪₦₴₱¢]"
    r"|(?<![A-Za-z])(?:USD|EUR|GBP|JPY|CNY|RMB|INR|CHF|CAD|AUD|[Rr]s|kr)\.?)"
)
_HEAD = re.compile(
    rf"(?:(?P<sign>[-+⁻]|(?<![A-Za-z])(?:[Mm]inus|[Nn]egative)[ \u00a0]){_FEW})?"
    rf"(?:(?P<money>{_MONEY}){_FEW})?(?:\$?(?P<inner>[-+]){_FEW})?(?:(?P<late>{_MONEY}){_FEW})?"
    r"(?:\\left)?(?P<paren>\()?$",
    re.VERBOSE,
)
_LONGEST_HEAD = 28
_GLUED = re.compile(r"(?:[A-Za-z\u00c0-\u024f\u0370-\u03ff\u0400-\u04ff]|[A-Za-z0-9]_)$")
"""Letters after which digits are part of a name."""
_OPERAND = re.compile(r"(?:[0-9A-Za-z%°²³)}\]!¼-¾⅐-⅞]|[0-9]['\"]|\\%)[*_]{0,2}[ \u00a0]{0,3}$")
_WORD = re.compile(r"[^\W\d_][*_]{0,2}[ \u00a0]{1,3}$")
_LEADS = re.compile(
    r"(?<![A-Za-z])(?:is|are|was|were|be|but|by|to|of|at|than|equals?|about|only|just|gets?|got|gives?|"
    r"makes?|it)[ \u00a0]{1,3}$",
    re.IGNORECASE,
)
"""Words behind which a dash is a sign, and parts nothing."""
_BLANKS = (" ", "\u00a0")
_BRACKETS = re.compile(r"\\.|[{}()\[\]]", re.DOTALL)
_FARTHEST = 200
"""Characters within which the argument of a macro ends."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in a text, or an expression in its place that is no plain number."""

    start: int
    """Where it begins, sign and currency included."""
    end: int
    """Where it ends, percent sign and magnitude included."""
    answer: str | None
    """Its value in canonical form; None where it is no plain number."""
    letter: str = ""
    """Its magnitude where that is a letter, which in a formula is a variable."""
    decimals: str = ""
    """What follows a decimal comma, which in a formula parts two numbers."""


def quantities(text: str, start: int = 0) -> Iterator[Quantity]:
    """Gives every number of a text in order; digits within words and exponents are none.

    >>> [q.answer for q in quantities("12 cm^2 at -$9 500 makes 1.5 million, x2")]
    ['12', '-9500', '1500000']
    """
    text = flat(text)
    found = next_quantity(text, start)
    while found is not None:
        yield found
        found = next_quantity(text, found.end)


def next_quantity(text: str, start: int) -> Quantity | None:
    """Gives the first number or opaque expression of a flat text at or after a place, or None."""
    place = start
    while (match := _SCAN.search(text, place)) is not None:
        if match["number"] is not None:
            found = _quantity(text, match, start)
            if found is not None:
                return found
            place = match.end()
        elif match["script"] is not None:
            place = _closed(text, match.start("brace")) if match["brace"] else match.end()
        elif match["macro"] is not None:
            return Quantity(match.start(), _arguments(text, match.end()), None)
        elif match["function"] is not None:
            return Quantity(match.start(), _closed(text, match.end() - 1), None)
        else:
            return Quantity(match.start(), match.end(), None)
    return None


def _quantity(text: str, match: re.Match[str], least: int) -> Quantity | None:
    """A number with what stands before it: sign, currency; None where it is a part of a name."""
    first = match.start()
    head = _HEAD.search(text, max(least, first - _LONGEST_HEAD), first)
    assert head is not None  # noqa: S101 - it may be empty
    start = head.start()
    if _GLUED.search(text, max(0, start - 2), start) and not head["money"] and not head["sign"]:
        return None
    sign = head["sign"] or ""
    if sign and _is_operator(text, start):
        sign, start = "", start + len(sign)
    negative = sign[:1] in ("-", "⁻", "m", "M", "n", "N") or head["inner"] == "-"
    money = head["money"] or head["late"]
    letter = match["letter"] or ""
    if letter in ("m", "b", "t") and not money:
        letter = ""
    end = match.end() if letter or not match["letter"] else match.start("letter")
    answer = _worth(match, letter, negative=negative)
    if (sign and head["inner"]) or (start and text[start - 1] == "±"):
        answer = None
    comma = match["digits"] or ""
    decimals = comma.rpartition(",")[2] if "," in comma and "." in bare(comma) else ""
    return Quantity(start, end, answer, letter, decimals)


def _is_operator(text: str, start: int) -> bool:
    """Whether a sign before a number takes it from another, or parts it from a word before it."""
    before = text[max(0, start - 12) : start]
    if _OPERAND.search(before) is None or _LEADS.search(before) is not None:
        return False
    # `total -5` is a number below zero; `total - 5`, `covid-19` and `10 -5` are not
    return _WORD.search(before) is None or text[start + 1 : start + 2] in _BLANKS


def _worth(match: re.Match[str], letter: str, *, negative: bool) -> str | None:
    """The canonical value of a match, or None where it has none."""
    digits = match["digits"]
    if digits and len(digits) > LONGEST:
        is_plain = match["number"] == digits
        return ("-" if negative else "") + _long(bare(digits)) if is_plain else None
    value, is_ratio = _value(match)
    if value is None:
        return None
    for scale in (match["scale"], match["more"], match["myriad"], letter):
        value = scaled(value, scale) if scale else value
    return canonical(-value if negative else value, is_ratio=is_ratio)


def _value(match: re.Match[str]) -> tuple[Fraction | None, bool]:
    """What a match is worth without sign and magnitude, and whether it is written as a fraction."""
    if match["ratio"]:
        return _mixed(match["whole"] or "0", ratio(match["ratio"]), alone=not match["whole"]), True
    if match["mixed"]:
        lower = decimal(match["lower"]) or Fraction(0)
        part = (decimal(match["upper"]) or Fraction(0)) / lower if lower else None
        return _mixed(match["mixed"], part, alone=False), True
    value = decimal(match["digits"]) if match["digits"] else None
    if value is None or not match["under"]:
        return None if value is None else _raised(value, match), False
    under = decimal(match["under"])
    return value / under if under else None, True


def _mixed(whole: str, part: Fraction | None, *, alone: bool) -> Fraction | None:
    """A whole number with a proper fraction behind it, or any fraction alone."""
    if part is None or alone:
        return part
    value = decimal(whole)
    return value + part if value is not None and 0 <= part < 1 else None


def _raised(value: Fraction, match: re.Match[str]) -> Fraction | None:
    """A number with its exponent: `1e3`, `1.5 × 10^6`, `10^3`; None where it is huge."""
    if match["power"]:
        return power(value, match["power"])
    exponent = match["tens"] or match["ten"]
    ten = power(Fraction(10), exponent) if exponent else Fraction(1)
    return None if ten is None else value * ten


def _long(digits: str) -> str:
    """A very long number without zeros that say nothing."""
    whole, point, part = digits.partition(".")
    part = part.rstrip("0")
    return (whole.lstrip("0") or "0") + (point + part if part else "")


def _closed(text: str, opened: int) -> int:
    """Where the bracket that opens here closes; just behind it where it does not close soon."""
    depth = 0
    for piece in _BRACKETS.finditer(text, opened, opened + _FARTHEST):
        sign = piece.group()
        depth += sign in "{[("
        depth -= sign in "}])"
        if depth <= 0 and sign in "}])":
            return piece.end()
    return opened + 1


def _arguments(text: str, end: int) -> int:
    """Where the arguments of a macro end that ends here."""
    while end < len(text) and text[end] in "{[":
        closed = _closed(text, end)
        if closed == end + 1:
            break
        end = closed
    return end
