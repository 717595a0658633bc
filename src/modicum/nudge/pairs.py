"""Pairs of texts that differ in what is wanted and in nothing else, and where their answers part."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Pair", "opening", "parting"]

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Pair:
    """Two texts in tokens; their last positions are compared."""

    wanted: Tokens
    unwanted: Tokens


def opening(one: Sequence[int], other: Sequence[int]) -> Tokens:
    """Return the tokens with which both begin.

    >>> opening([5, 6, 7], [5, 6, 8, 9])
    (5, 6)
    """
    shared = []
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        shared.append(a)
    return tuple(shared)


def parting(forms: Sequence[tuple[Sequence[int], Sequence[int]]]) -> int:
    """Return how many tokens most pairs of answers share before they part; the fewer at a tie.

    >>> parting([([1, 2, 3], [1, 5]), ([1, 7], [1, 8]), ([4], [5])])
    1
    """
    counts = Counter(len(opening(one, other)) for one, other in forms)
    return min(counts, key=lambda length: (-counts[length], length))
