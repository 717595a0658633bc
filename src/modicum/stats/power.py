"""What a number of problems can show at all: gains and equivalences."""

import math

from scipy import special

__all__ = [
    "equivalence_margin",
    "gain_found",
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


def gain_found(
    n_problems: int, *, discordant: float, lost: float, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Return the smallest gain that `paired_difference` finds, where discordance grows with the gain.

    A gain d needs at least d discordant problems, and a few more, which are lost: the systems
    differ on a share q = max(discordant, d + lost). The gain is found with the stated power where
    d - t s = z s', with Student's t of the test, its standard error s (two pseudo-problems
    included), z of the power, and the standard error s' = sqrt((q - d^2) / n) of the gain.

    Args:
        n_problems: Count of paired problems, at least 1.
        discordant: Least share of problems on which the systems differ, in [0, 1].
        lost: Share of problems by which the discordance exceeds the gain at least, in [0, 1).
        alpha: Two-sided level of the test.
        power: Chance to find a gain of that size.

    Returns:
        The gain in score units, in (0, 1 - lost]; 1 where so few problems show no gain at all.

    Source: Connor 1987, Biometrics 43, 207-211, equation 2 (variance of a paired gain); Bonett and
        Price 2012 (the test).
    """
    if n_problems < 2:
        return 1.0
    t = float(special.stdtrit(n_problems - 1, 1 - alpha / 2))
    z = float(special.ndtri(power))

    def is_found(gain: float) -> bool:
        spread = max(discordant, gain + lost) - gain**2
        error = math.sqrt(n_problems**2 / (n_problems - 1) * spread + 2) / (n_problems + 2)
        return gain >= t * error + z * math.sqrt(spread / n_problems)

    low, high = 0.0, 1.0 - lost
    if not is_found(high):
        return 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if is_found(middle) else (middle, high)
    return high


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
