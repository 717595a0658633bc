"""How many of all right answers samples find, by the number of samples, with its two ceilings."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modicum.puzzles.coverage import coverage
from modicum.stats import Figure, Floats, Ints, pass_curve, powers_of_two, proportion
from modicum.types import Grade, Mark

__all__ = ["CoveragePoint", "coverage_curve", "covered_shares"]


@dataclass(frozen=True)
class CoveragePoint:
    """Mean coverage over boards with several solutions, at one number of draws."""

    draws: int
    found: Figure
    """Share of the solutions that are among the draws."""
    fixed: float
    """The ceiling of one fixed answer a board, however right."""
    even: float
    """What as many even draws from the solutions find on average."""


def coverage_curve(
    marks: Sequence[Sequence[Mark]],
    solutions: Sequence[Sequence[str]],
    clusters: Ints | None = None,
) -> tuple[CoveragePoint, ...]:
    """Return coverage at powers of two draws, up to all; nothing where no board has several solutions.

    Args:
        marks: Marks of the samples, `[boards][samples]`, as many of each board.
        solutions: All right answers of each board as they are read.
        clusters: Cluster code of each board; None where each stands alone.
    """
    several = [i for i, own in enumerate(solutions) if len(own) > 1]
    if not several:
        return ()
    n = len(marks[several[0]])
    ks = tuple(dict.fromkeys((*powers_of_two(n), n)))
    shares = np.stack([covered_shares(marks[i], solutions[i], ks) for i in several])
    sizes = np.array([len(solutions[i]) for i in several])
    own = None if clusters is None else clusters[several]
    points = []
    for place, k in enumerate(ks):
        bounds = coverage(np.zeros_like(sizes), sizes, k).several
        found = proportion(np.clip(shares[:, place], 0, 1), clusters=own)
        points.append(CoveragePoint(k, found, bounds.deterministic, bounds.uniform))
    return tuple(points)


def covered_shares(marks: Sequence[Mark], solutions: Sequence[str], ks: Sequence[int]) -> Floats:
    """Return the share of one board's solutions that k of its samples find on average, `[ks]`.

    The mean over all subsets of k samples: a solution that c of n samples gave is missed by
    C(n - c, k) of C(n, k).

    Source: Chen et al. 2021, arXiv 2107.03374, equation 1, for each solution by itself.

    Args:
        marks: Of its samples.
        solutions: All of its right answers as they are read, each once.
        ks: Numbers of samples, each at least 1 and at most as many as there are.
    """
    given = Counter(mark.answer for mark in marks if mark.lenient == Grade.CORRECT)
    counts = np.array([given[text] for text in solutions])
    return np.asarray(pass_curve(counts, len(marks), tuple(ks)).mean(axis=0))
