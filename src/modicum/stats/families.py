"""Tests of one pair and of a family: exact McNemar and Holm."""

import numpy as np
from scipy import special

from modicum.stats.arrays import Bools, Floats

__all__ = [
    "holm",
    "mcnemar",
]


def mcnemar(first: Bools, second: Bools) -> float:
    """Return the exact two-sided p-value of McNemar's test on paired yes/no outcomes.

    Args:
        first: Whether the first system was right, one a problem.
        second: The same for the second system.

    Raises:
        ValueError: If the two cover different numbers of problems.

    Source: McNemar 1947; exact binomial form on the discordant pairs.
    """
    if first.shape != second.shape:
        raise ValueError(f"found shapes {first.shape} and {second.shape}; expected the same")
    only_first = int(np.sum(first & ~second))
    discordant = int(np.sum(first != second))
    fewer = min(only_first, discordant - only_first)
    return min(1.0, 2 * float(special.bdtr(fewer, discordant, 0.5))) if discordant else 1.0


def holm(p_values: Floats) -> Floats:
    """Return Holm's adjusted p-values, in the order of the input.

    Args:
        p_values: P-values of one family, each in [0, 1].

    Source: Holm 1979, Scand. J. Statist. 6, 65-70.
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p_values)
    factors = np.arange(p_values.size, 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    return adjusted
