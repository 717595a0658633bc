"""What a number of problems can show at all: gains and equivalences."""

import math

from scipy import special

__all__ = [
    "equivalence_margin",
    "minimum_detectable_effect",
    "minimum_detectable_effect_unpaired",
]


def minimum_detectable_effect(
    n_problems: int, *, discordant: float, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Return the smallest gain that a paired comparison finds with the stated power.

    Solves n = z^2 (q - d^2) / d^2 for d, where q is the share of problems on which the two
    systems differ. Inf where no gain could be found.

    Args:
        n_problems: Count of paired problems, at least 1.
        discordant: Share q of problems on which the systems differ, in (0, 1].
        alpha: Two-sided level of the test.
        power: Chance to find a gain of that size.

    Returns:
        The gain in score units (0.05 = 5 points).

    Source: Miller 2024, arXiv 2411.00640, section 5; Connor 1987 for paired binary outcomes.
    """
    z = _reach(alpha, power)
    gain = z * math.sqrt(discordant / (n_problems + z * z))
    return gain if gain <= discordant else math.inf


def minimum_detectable_effect_unpaired(
    n_problems: int, *, rate: float, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Return the smallest difference of two systems on different problems that can be found.

    Args:
        n_problems: Count of problems of each system, at least 1.
        rate: Accuracy of the weaker system, in [0, 1].
        alpha: Two-sided level of the test.
        power: Chance to find a difference of that size.

    Returns:
        The difference in score units; `inf` where none within [0, 1] could be found.

    Source: Fleiss, Levin, Paik 2003, Statistical Methods for Rates and Proportions, section 4.2.
    """
    z = _reach(alpha, power)
    low, high = 0.0, 1.0 - rate
    if not _is_found(high, rate, n_problems, z):
        return math.inf
    for _ in range(60):
        middle = (low + high) / 2
        if _is_found(middle, rate, n_problems, z):
            high = middle
        else:
            low = middle
    return high


def equivalence_margin(
    n_problems: int, *, discordant: float, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Return the smallest margin within which two equal systems can be shown equal.

    Args:
        n_problems: Count of paired problems, at least 1.
        discordant: Share of problems on which two equal systems still differ, in [0, 1].
        alpha: Level of each one-sided test.
        power: Chance that the equivalence test succeeds when there is no difference.

    Returns:
        The margin in score units (0.05 = 5 points).

    Source: Julious 2004, Statistics in Medicine 23, 1921-1986, section 5 (equal true means).
    """
    z = float(special.ndtri(1 - alpha)) + float(special.ndtri((1 + power) / 2))
    # The two pseudo-problems of `contrasts.contrast`, so that this agrees with the test used.
    return z * math.sqrt(discordant * n_problems + 2) / (n_problems + 2)


def _reach(alpha: float, power: float) -> float:
    """Return z for a two-sided level plus z for the power."""
    return float(special.ndtri(1 - alpha / 2)) + float(special.ndtri(power))


def _is_found(gain: float, rate: float, n_problems: int, z: float) -> bool:
    """Say whether a gain of that size clears z standard errors."""
    better = rate + gain
    variance = rate * (1 - rate) + better * (1 - better)
    return gain >= z * math.sqrt(variance / n_problems) and gain > 0
