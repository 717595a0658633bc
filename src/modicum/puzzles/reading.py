"""Numbers that stand in a row in any text, and a gold's two halves; in time linear in the text."""

import re
from collections.abc import Sequence

__all__ = ["EQUALS", "before_equals", "last_cells", "split_gold"]

EQUALS = "="
"""Stands in a gold between what is given and the whole answer."""
_MOST_READ = 20_000
"""Characters from the end of a text that are looked at: an answer stands at its end."""
_LABEL = re.compile(
    r"\b(?:row|line|node|queen)s?[ \t]{0,2}[0-9]{1,3}[ \t]{0,2}[:=.)\-]{0,2}(?![0-9])",
    re.IGNORECASE,
)
_RUN = re.compile(r"[0-9]+")
_LIGHT = re.compile(r"[\s|,;:/\\\[\](){}+\-_*&'\"`<>]*")
"""What may stand between two cells of one board: white space and what draws lines."""


def split_gold(gold: str) -> tuple[str, str]:
    """Return what is given and the whole answer of a gold; the answer twice where it is all.

    >>> split_gold("1. ..=12 21"), split_gold("12 21")
    (('1. ..', '12 21'), ('12 21', '12 21'))
    """
    given, found, whole = gold.rpartition(EQUALS)
    return (given if found else whole), whole


def last_cells(
    text: str, n: int, largest: int, lengths: Sequence[int] = (1, 2)
) -> tuple[tuple[int, ...], int] | None:
    r"""Return the last n cells that stand in a row in a text, and where they start; None without any.

    Between cells may stand white space, commas, and lines of a drawn board; `Row 2:` and the like
    are overlooked. Runs of digits are taken apart where their lengths say so.

    Args:
        text: Any text.
        n: Cells of a whole board.
        largest: The largest number of a cell, the smallest being 1.
        lengths: Digits of a run that is taken apart into cells of one digit; a run of 1 or 2
            digits is one number where `largest` has two.

    >>> last_cells("So:\n| 1 2 |\n| 2 1 |\nDone.", 4, 2, (1, 2, 4))
    ((1, 2, 2, 1), 6)
    """
    offset = max(len(text) - _MOST_READ, 0)
    # Blanked, not removed: places in the text stay where they are.
    text = _LABEL.sub(lambda match: " " * len(match.group()), text[offset:])
    best: tuple[tuple[int, ...], int] | None = None
    cells: list[int] = []
    starts: list[int] = []
    length, end = 0, -1
    for match in _RUN.finditer(text):
        run, numbers = match.group(), _numbers(match.group(), largest, lengths)
        is_next = end >= 0 and _LIGHT.fullmatch(text, end, match.start()) is not None
        if not is_next or (largest <= 9 and len(run) != length):
            cells, starts = [], []
        if numbers is None:
            cells, starts, end = [], [], -1
            continue
        cells += numbers
        starts += [match.start()] * len(numbers)
        length, end = len(run), match.end()
        # Two boards in a row, or one number before the board: the last n that begin with a run.
        if len(cells) >= n and (len(cells) == n or starts[-n] != starts[-n - 1]):
            best = tuple(cells[-n:]), starts[-n] + offset
    return best


def _numbers(run: str, largest: int, lengths: Sequence[int]) -> list[int] | None:
    """Return the cells of a run of digits; None where it holds something that is no cell."""
    if len(run) > 100:
        return None
    if largest > 9:
        numbers = [int(run)]
    elif len(run) not in lengths:
        return None
    else:
        numbers = [int(digit) for digit in run]
    return numbers if all(1 <= number <= largest for number in numbers) else None


def before_equals(text: str, start: int, allowed: str) -> str | None:
    """Return what is given where it stands right before a board, joined by `=`; None where nothing is.

    Args:
        text: The text with the board.
        start: Where the board starts.
        allowed: Characters that what is given may hold.

    >>> before_equals("Answer: 1. ..=12 21", 14, "12. ")
    '1. ..'
    """
    before = text[max(start - _MOST_READ, 0) : start].rstrip()
    if not before.endswith(EQUALS):
        return None
    before = before[: -len(EQUALS)].rstrip()
    return before[len(before.rstrip(allowed)) :].strip() or None
