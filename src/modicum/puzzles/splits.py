"""The split of a question, by what its symmetric forms share: none is both learned and tested."""

import re
from collections.abc import Sequence

from modicum.errors import ConfigError
from modicum.puzzles.puzzle import Puzzle
from modicum.seeds import key
from modicum.types import Split

__all__ = ["read_range", "solutions_level", "split_of"]

_SPLITS: tuple[Split, ...] = (*("shots",) * 5, "selection", "test", "test")
"""Most are shots: nets that start from nothing need many boards."""
_LEVELS = ((1, "1 solution"), (2, "2 solutions"), (4, "3 to 4 solutions"), (8, "5 to 8 solutions"))


def split_of(puzzle: Puzzle, question: Sequence[int]) -> Split:
    """Return the split of a question and of all its symmetric forms."""
    return _SPLITS[key("puzzle split", puzzle, puzzle.invariant(question)) % len(_SPLITS)]


def solutions_level(n: int) -> str:
    """Return the difficulty that goes by the number of solutions.

    >>> solutions_level(1), solutions_level(7), solutions_level(30)
    ('1 solution', '5 to 8 solutions', '9 solutions or more')
    """
    return next((name for most, name in _LEVELS if n <= most), "9 solutions or more")


def read_range(text: str, *, least: int, most: int, what: str) -> tuple[int, int]:
    """Read `LOW..HIGH`, or one number, both ends included.

    >>> read_range("3..6", least=0, most=16, what="clues"), read_range("4", least=0, most=16, what="clues")
    ((3, 6), (4, 4))

    Raises:
        ConfigError: another form, an empty range, or one beyond its ends.
    """
    found = re.fullmatch(r"\s*([0-9]{1,3})(?:\.\.([0-9]{1,3}))?\s*", text)
    low = int(found.group(1)) if found else -1
    high = int(found.group(2) or low) if found else -1
    if not least <= low <= high <= most:
        raise ConfigError(
            f"{what} = {text!r:.40}",
            f"LOW..HIGH within {least}..{most}",
            f"such as {what}={most // 2}",
        )
    return low, high
