"""Numbers as words, the same wherever they are written: shares, points, counts, intervals."""

import math
from collections.abc import Callable, Sequence

from modicum.stats.figure import Figure

__all__ = [
    "MISSING",
    "amount",
    "count",
    "duration",
    "effect",
    "figure",
    "flops",
    "multiple",
    "of_seeds",
    "percent",
    "percents",
    "points",
    "share",
    "worth",
]

MISSING = "–"
"""Stands where there is no number."""


def share(number: float) -> str:
    """Write a share with two decimals and no leading zero.

    >>> share(0.414), share(-0.02), share(1.0)
    ('.41', '−.02', '1.00')
    """
    return _signed(number, lambda size: _bare(f"{size:.2f}"))


def points(number: float) -> str:
    """Write a share as points, with one decimal and no leading zero."""
    return _signed(number * 100, lambda size: _bare(f"{size:.1f}"))


def percent(number: float) -> str:
    """Write a share as per cent; one decimal where rounding would make all or nothing of it.

    >>> percent(0.414), percent(0.998), percent(1.0), percent(-0.02)
    ('41 %', '99.8 %', '100 %', '−2 %')
    """
    return f"{_percent(number)} %" if math.isfinite(number) else _percent(number)


def percents(value: Figure | None) -> str:
    """Write an estimate as per cent with its 95 % interval, such as `98 % [95, 100]`."""
    if value is None:
        return MISSING
    return f"{percent(value.value)} [{_percent(value.low)}, {_percent(value.high)}]"


def amount(number: float) -> str:
    """Write a number of labels that comes from a fit, such as `4` or `2.7`."""
    return _signed(
        number, lambda size: f"{size:.0f}" if size >= 10 else f"{size:.1f}".removesuffix(".0")
    )


def figure(value: Figure | None, write: Callable[[float], str] = share) -> str:
    """Write an estimate with its 95 % interval, such as `.41 [.22, .63]`."""
    if value is None:
        return MISSING
    low = f"[{write(value.low)}" if math.isfinite(value.low) else f"({write(value.low)}"
    high = f"{write(value.high)}]" if math.isfinite(value.high) else f"{write(value.high)})"
    return f"{write(value.value)} {low}, {high}"


def worth(value: Figure, largest: int) -> str:
    """Write how many plain samples an accuracy is worth, such as `2.7 [2.1, 3.4]` or `> 64`."""
    if not math.isfinite(value.value):
        low = f" [{amount(value.low)}, ∞)" if math.isfinite(value.low) else ""
        return f"> {largest}{low}"
    if value.high <= 1:
        return "at most 1"
    return figure(value, amount)


def effect(gain: Figure, margin: float = 0.05) -> str:
    """Say in a word what an arm does: helps, harms, holds (within the margin), or not known."""
    if gain.low > 0:
        return "helps"
    if gain.high < 0:
        return "harms"
    return "holds" if -margin <= gain.low and gain.high <= margin else "undecided"


def of_seeds(value: float, seeds: Sequence[float], write: Callable[[float], str] = share) -> str:
    """Write a mean over few seeds that disagree, with each one's own point in place of an interval.

    >>> of_seeds(0.33, (0.05, 0.03, 0.92))
    '.33 (seeds .05 .03 .92)'
    """
    return f"{write(value)} (seeds {' '.join(write(seed) for seed in seeds)})"


def multiple(number: float | None) -> str:
    """Write a multiple, such as `10.4×`."""
    if number is None or not math.isfinite(number):
        return MISSING
    return f"{number:.1f}×" if number < 100 else f"{number:,.0f}×"


def count(number: float, noun: str = "", plural: str = "") -> str:
    """Write a count with separators, large ones with two digits; with a noun in its right number.

    Args:
        number: What was counted.
        noun: What it counts, in the singular; the number alone where empty.
        plural: The noun's plural where it does not end in `s`.

    >>> count(1200), count(1, "problem"), count(0, "problem"), count(2, "query", "queries")
    ('1,200', '1 problem', '0 problems', '2 queries')
    """
    if not math.isfinite(number):
        text = "∞" if number > 0 else MISSING
    else:
        text = f"{number:,.0f}" if number < 1e7 else _scaled(number).rstrip()
    if not noun:
        return text
    return f"{text} {noun if number == 1 else plural or noun + 's'}"


def flops(number: float) -> str:
    """Write floating-point operations, such as `3.4 MFLOP`; none as `0`."""
    if not math.isfinite(number):
        return MISSING
    return f"{_scaled(number)}FLOP" if number else "0"


def duration(seconds: float) -> str:
    """Write a time, such as `38 s` or `11 min`."""
    if not math.isfinite(seconds):
        return MISSING
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"


def _percent(number: float) -> str:
    is_edge = 0 < abs(number) < 0.005 or 0.995 <= abs(number) < 1
    return _signed(number * 100, lambda size: f"{size:.1f}" if is_edge else f"{size:.0f}")


def _signed(number: float, write: Callable[[float], str]) -> str:
    if math.isnan(number):
        return MISSING
    text = "∞" if math.isinf(number) else write(abs(number))
    is_zero = not text.strip(".0")
    return f"−{text}" if number < 0 and not is_zero else text


def _bare(text: str) -> str:
    return text.removeprefix("0") if text.startswith("0.") else text


def _scaled(number: float) -> str:
    for unit, size in (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            scaled = number / size
            return f"{scaled:.0f} {unit}" if scaled >= 100 else f"{scaled:.2g} {unit}"
    return f"{number:.0f} "
