"""Equivalence tests: the only way to say "no effect"."""

from dataclasses import dataclass

from modicum.stats.arrays import Floats, Ints
from modicum.stats.contrasts import paired_difference
from modicum.stats.figure import Figure

__all__ = [
    "Equivalence",
    "equivalence",
    "is_within",
]


@dataclass(frozen=True)
class Equivalence:
    """Says whether a difference lies within a margin on both sides."""

    difference: Figure
    """The difference with its interval at level 1 - 2 alpha (TOST)."""
    margin: float
    """Largest difference that counts as none, in score units (0.05 = 5 points)."""
    is_equivalent: bool
    """True where the whole interval lies strictly within the margin."""


def equivalence(
    first: Floats,
    second: Floats,
    *,
    margin: float,
    alpha: float = 0.05,
    clusters: Ints | None = None,
) -> Equivalence:
    """Test whether two systems score the same within a margin on the same problems.

    Two one-sided tests at level `alpha` each: equivalent where the interval at level
    1 - 2 alpha lies within the margin.

    Args:
        first: Scores in [0, 1], `[problems]` or `[seeds, problems]`.
        second: The same for the other system.
        margin: Largest difference that counts as none, in score units.
        alpha: Chance, at most, of calling a difference of `margin` none.
        clusters: Cluster code of each problem; None where each problem stands alone.

    Raises:
        ValueError: If the margin is not positive.

    Source: Schuirmann 1987, J. Pharmacokinet. Biopharm. 15, 657-680 (TOST).
    """
    if margin <= 0:
        raise ValueError(f"found margin {margin}; expected a positive one")
    figure = paired_difference(first, second, clusters=clusters, level=1 - 2 * alpha)
    return Equivalence(figure, margin, is_within(figure, margin))


def is_within(figure: Figure, margin: float) -> bool:
    """Say whether a figure's whole interval lies strictly within plus or minus a margin."""
    return -margin < figure.low and figure.high < margin
