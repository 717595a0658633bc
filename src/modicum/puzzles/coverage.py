"""How many of the right answers were found, beside what one fixed answer and even draws would find."""

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from modicum.stats import Floats, Ints

__all__ = ["Coverage", "Covered", "coverage", "n_found"]


@dataclass(frozen=True)
class Covered:
    """Mean coverage over some inputs, each in [0, 1]; NaN where there are none."""

    inputs: int
    """Inputs that it is the mean of."""
    found: float
    """Distinct right answers by number of solutions."""
    deterministic: float
    """The ceiling of one answer an input, however right: the mean of 1 / n solutions."""
    uniform: float
    """What as many even draws from the solutions find on average: `1 - (1 - 1/n)^draws`."""


@dataclass(frozen=True)
class Coverage:
    """Coverage over all inputs, and over those with several solutions, where alone it means something."""

    everywhere: Covered
    several: Covered


def n_found(answers: Collection[Hashable], solutions: Collection[Hashable]) -> int:
    """Return how many of the solutions are among the answers; repeats count once.

    >>> n_found(["a", "a", "x"], ["a", "b"])
    1
    """
    return len(set(answers) & set(solutions))


def coverage(found: Ints | Sequence[int], solutions: Ints | Sequence[int], draws: int) -> Coverage:
    """Return mean coverage with both ceilings.

    Args:
        found: Distinct right answers of each input, `[inputs]`.
        solutions: All right answers of each input, at least 1, `[inputs]`.
        draws: Answers that were drawn an input, at least 1.

    Raises:
        ValueError: more were found than there are, or than were drawn; an input without solutions.

    >>> done = coverage([1, 2], [1, 4], draws=2)
    >>> done.everywhere.found, done.several.found, done.several.deterministic, done.several.uniform
    (0.75, 0.5, 0.25, 0.4375)
    """
    hits, n = np.asarray(found, dtype=np.float64), np.asarray(solutions, dtype=np.float64)
    if hits.shape != n.shape or (n < 1).any() or (hits > np.minimum(n, draws)).any():
        msg = f"found {found!r:.200} of {solutions!r:.200} in {draws} draws"
        raise ValueError(msg)
    several = n >= 2
    return Coverage(_covered(hits, n, draws), _covered(hits[several], n[several], draws))


def _covered(hits: Floats, n: Floats, draws: int) -> Covered:
    if not n.size:
        return Covered(0, float("nan"), float("nan"), float("nan"))
    return Covered(
        int(n.size),
        float((hits / n).mean()),
        float((1 / n).mean()),
        float((1 - (1 - 1 / n) ** draws).mean()),
    )
