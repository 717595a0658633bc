"""What a spelled number is worth, exactly, and its one canonical spelling."""

import re
from fractions import Fraction

__all__ = ["LONGEST", "bare", "canonical", "decimal", "equal_numbers", "power", "ratio", "scaled"]

LONGEST = 400
"""Digits up to which numbers are taken by value; longer ones by their text."""
_NOISE = re.compile(r"\\[!,;: ]|[{}' \u00a0_~]")
_GROUPED = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{2,3})*,[0-9]{3}(?:\.[0-9]*)?")
_DOTTED = re.compile(r"[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]{1,2}|[0-9]{1,3}(?:\.[0-9]{3}){2,}")
_REPEATED = re.compile(r"([0-9]+)\.([0-9]*)(?:\\(?:overline|bar|dot)\s?\{|\()([0-9]+)[})]")
_RATIO = re.compile(r"\\[dtc]?frac\s?(\{[^{}]*\}|[0-9])\s?(\{[^{}]*\}|[0-9])|\{(.*?)\\over(.*?)\}")
_VULGAR = {
    "½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5", "⅗": "3/5",
    "⅘": "4/5", "⅙": "1/6", "⅚": "5/6", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8", "⅐": "1/7",
    "⅑": "1/9", "⅒": "1/10", "↉": "0/3",
}  # fmt: skip
_ONE = r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:/[0-9]+|[eE][-+]?[0-9]{1,3})?"
_SIMPLE = re.compile(f"{_ONE} {_ONE}")
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_SCALES = {
    "dozen": 12, "hundred": 100, "thousand": 1000, "k": 1000, "lakh": 10**5, "lac": 10**5,
    "crore": 10**7, **dict.fromkeys(("million", "mn", "m", "mln", "mio"), 10**6),
    **dict.fromkeys(("billion", "bn", "b", "bln", "mrd"), 10**9),
    **dict.fromkeys(("trillion", "tn", "t", "兆"), 10**12),
    "万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8,
}  # fmt: skip


def decimal(text: str) -> Fraction | None:
    r"""Gives what digits are worth, whatever parts their thousands; None where they are too long.

    >>> decimal("9{,}500.50"), decimal("1.234,5"), decimal("0.(3)")
    (Fraction(19001, 2), Fraction(2469, 2), Fraction(1, 3))
    """
    if len(text) > LONGEST:
        return None
    repeated = _REPEATED.fullmatch(text)
    if repeated:
        before, once, again = repeated.groups()
        scale, cycle = 10 ** len(once), 10 ** len(again) - 1
        return Fraction(int(before + once), scale) + Fraction(int(again), cycle * scale)
    return Fraction(bare(text))


def bare(text: str) -> str:
    """Gives digits with a plain decimal point and nothing between them."""
    text = _NOISE.sub("", text)
    if _DOTTED.fullmatch(text):
        return text.replace(".", "").replace(",", ".")
    return text.replace(",", "") if _GROUPED.fullmatch(text) else text.replace(",", ".")


def ratio(text: str) -> Fraction | None:
    r"""Gives what a fraction in LaTeX or one sign is worth; None where it divides by zero.

    >>> ratio(r"\frac{1}{2}"), ratio(r"\dfrac34"), ratio("⅞")
    (Fraction(1, 2), Fraction(3, 4), Fraction(7, 8))
    """
    if text in _VULGAR:
        return Fraction(_VULGAR[text])
    found = _RATIO.fullmatch(text)
    if found is None or len(text) > LONGEST:
        return None
    upper, lower = (_signed(part.strip("{} ")) for part in found.groups() if part is not None)
    return upper / lower if lower else None


def _signed(text: str) -> Fraction:
    sign = -1 if text.startswith("-") else 1
    return sign * Fraction(bare(text.lstrip("- ")))


def power(base: Fraction, written: str) -> Fraction | None:
    r"""Gives a power of a number, as `^3`, `**3`, `^{-3}` or `³` write it; None where it is huge.

    >>> power(Fraction(10), "^{-2}"), power(Fraction(9), "^9999999")
    (Fraction(1, 100), None)
    """
    digits = written.translate(_RAISED).strip("^*{}() \u00a0")
    if len(digits) > 5:
        return None
    exponent = int(digits)
    size = max(len(str(base.numerator)), len(str(base.denominator)))
    if abs(exponent) * size > 2 * LONGEST or (base == 0 and exponent < 0):
        return None
    return base**exponent


def scaled(value: Fraction, scale: str) -> Fraction:
    """Gives a number times a magnitude: thousand, million, k, lakh, dozen.

    >>> scaled(Fraction(3, 2), "million"), scaled(Fraction(3), "K")
    (Fraction(1500000, 1), Fraction(3000, 1))
    """
    name = scale.lower()
    return value * _SCALES[name if name in _SCALES else name.rstrip("s")]


def canonical(value: Fraction, *, is_ratio: bool = False) -> str | None:
    """Gives the one spelling of a number: digits with a point, or a reduced fraction.

    None where it would be too long.

    >>> canonical(Fraction(5, 4)), canonical(Fraction(2, 4), is_ratio=True), canonical(Fraction(-7))
    ('1.25', '1/2', '-7')
    """
    places, rest = 0, value.denominator
    for factor in (10, 2, 5):
        while rest % factor == 0 and rest > 1:
            rest, places = rest // factor, places + 1
    if is_ratio or rest > 1:
        found = str(value) if max(value.numerator, value.denominator) < 10**LONGEST else ""
        return found or None
    if places > LONGEST or abs(value.numerator) >= 10 ** (2 * LONGEST):
        return None
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    whole, part = (digits[:-places], digits[-places:].rstrip("0")) if places else (digits, "")
    sign = "-" if value < 0 else ""
    return sign + whole + (f".{part}" if part else "")


def equal_numbers(one: str, other: str) -> bool:
    """Says whether two texts are the same number: `1/2` and `0.5` are.

    >>> equal_numbers("1/2", "0.50"), equal_numbers("1/0", "1/0"), equal_numbers("1e3", "1000")
    (True, True, True)
    """
    if one == other:
        return True
    if max(len(one), len(other)) > 2 * LONGEST or not _SIMPLE.fullmatch(f"{one} {other}"):
        return False
    try:
        return Fraction(one) == Fraction(other)
    except (ValueError, ZeroDivisionError):
        return False
