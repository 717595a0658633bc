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
    "in_points",
    "latency",
    "multiple",
    "nats",
    "of_seeds",
    "percent",
    "percents",
    "points",
    "rounded_points",
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
    """Write a difference of shares as points, with one decimal.

    >>> points(-0.005), points(0.124), points(0.0)
    ('−0.5', '12.4', '0.0')
    """
    return _signed(number * 100, lambda size: f"{size:.1f}")


def nats(number: float) -> str:
    """Write a loss in nats with three decimals.

    >>> nats(1.23456), nats(-0.0123)
    ('1.235', '−0.012')
    """
    return _signed(number, lambda size: f"{size:.3f}")


def in_points(value: Figure | None) -> str:
    """Write a difference of shares with its 95 % interval, such as `12.0 [8.5, 15.5] points`."""
    return MISSING if value is None else f"{figure(value, points)} points"


def rounded_points(value: Figure) -> str:
    """Write a change with ends in whole points, rounded outwards: where there is no room for tenths.

    >>> rounded_points(Figure(-0.012, -0.022, 0.001, 400))
    '−1.2 [−3, 1]'
    """
    if not math.isfinite(value.low + value.high):
        return figure(value, points)
    ends = (math.floor(100 * value.low), math.ceil(100 * value.high))
    low, high = (str(end).replace("-", "−") for end in ends)
    return f"{points(value.value)} [{low}, {high}]"


def percent(number: float) -> str:
    """Write a share as whole per cent; rounding never makes all or nothing of it.

    >>> percent(0.414), percent(0.998), percent(1.0), percent(0.002), percent(-0.02)
    ('41 %', '>99 %', '100 %', '<1 %', '−2 %')
    """
    if 0 < number < 0.005:
        return "<1 %"
    if 0.995 <= number < 1:
        return ">99 %"
    return f"{_whole(number)} %" if math.isfinite(number) else _whole(number)


def percents(value: Figure | None) -> str:
    """Write an estimate as whole per cent with its 95 % interval, such as `98 % [95, 100]`.

    An end is rounded, but never past all or nothing: that would make the interval narrower.

    >>> percents(Figure(0.98, 0.954, 0.998, 400)), percents(Figure(0.999, 0.996, 1.0, 900))
    ('98 % [95, 100]', '>99 % [99, 100]')
    """
    if value is None:
        return MISSING
    low = min(value.low, 0.99) if 0.99 < value.low < 1 else value.low
    high = max(value.high, 0.01) if 0 < value.high < 0.01 else value.high
    opened, closed = "[" if math.isfinite(low) else "(", "]" if math.isfinite(high) else ")"
    return f"{percent(value.value)} {opened}{_whole(low)}, {_whole(high)}{closed}"


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


def of_seeds(value: float, seeds: Sequence[float], write: Callable[[float], str] = percent) -> str:
    """Write a mean over few seeds that disagree, with each one's own point in place of an interval.

    >>> of_seeds(0.33, (0.05, 0.03, 0.92))
    '33 % (seeds 5 %, 3 %, 92 %)'
    """
    return f"{write(value)} (seeds {', '.join(write(seed) for seed in seeds)})"


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


def latency(seconds: float) -> str:
    """Write a short time with two digits, such as what one answer takes.

    >>> latency(0.00042), latency(0.0234), latency(0.2345), latency(1.26)
    ('0.42 ms', '23 ms', '234 ms', '1.3 s')
    """
    if not seconds < 1:
        return duration(seconds)
    thousandths = 1000 * seconds
    return f"{thousandths:.0f} ms" if thousandths >= 10 else f"{thousandths:.2g} ms"


def _whole(number: float) -> str:
    return _signed(number * 100, lambda size: f"{size:.0f}")


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
