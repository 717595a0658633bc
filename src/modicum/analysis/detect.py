"""What a number of test problems can show at all: one figure and one sentence, wherever it is said."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from modicum.stats import equivalence_margin, gain_found
from modicum.stats.written import count

__all__ = [
    "DISCORDANT_GAIN",
    "DISCORDANT_NULL",
    "Detectable",
    "chance_of_equal",
    "detectable",
    "detectable_text",
    "problems_needed",
]

DISCORDANT_GAIN = 0.2
"""Least share of problems on which two systems are assumed to differ when one gains."""
DISCORDANT_NULL = 0.05
"""Share of problems on which two systems without effect are assumed to differ (wide answers;
twice p (1 - p) where guessing alone is right with chance p). A gain comes with as many more."""
_WIDEST = 50
"""Points beyond which equality within them means nothing."""
_FEWEST = 8
"""Golds below which nothing is said of how often two are equal."""
_SMALLEST = 0.05
"""Chance of equal golds below which it changes no figure here."""


@dataclass(frozen=True)
class Detectable:
    """Which gain and which equivalence a number of test problems can show."""

    n_problems: int
    """Test problems, or clusters where problems come in clusters."""
    gain: float
    """Smallest gain found with 80 % power at the 5 % level, as a share (0.05 = 5 points); 1 where so
    few problems find none."""
    equivalence: float
    """Smallest margin within which "no effect" can be shown with 80 % power, as a share."""
    can_show_absent: bool
    """Whether that margin is within the five points that *absent* asks for."""


def detectable(n_problems: int, *, guess: float = 0.0, margin: float = 0.05) -> Detectable:
    """Say which gain and which equivalence a number of test problems can show.

    Args:
        n_problems: Test problems (clusters where they hang together), at least 1.
        guess: Chance that a guess is right, in [0, 1): 0.5 for yes/no, 0.25 for four choices.
        margin: Margin of the equivalence test for *absent*, as a share.

    Raises:
        ValueError: If there is no problem.
    """
    if n_problems < 1:
        raise ValueError(f"found {n_problems} test problems; expected at least one")
    null = max(DISCORDANT_NULL, 2 * guess * (1 - guess))
    gain = gain_found(
        n_problems, discordant=max(DISCORDANT_GAIN, null), lost=min(null, DISCORDANT_GAIN)
    )
    equal = equivalence_margin(n_problems, discordant=null)
    return Detectable(n_problems, gain, equal, _is_within(equal, margin))


def detectable_text(
    n_problems: int, *, guess: float = 0.0, margin: float = 0.05, is_clustered: bool = False
) -> str:
    """Return the one sentence on what a size can show, for `run`, `check`, verdict and report.

    Args:
        n_problems: Test problems (clusters where they hang together), at least 1.
        guess: Chance that a guess is right, in [0, 1]; counted as one half above that.
        margin: Margin within which *absent* must show that nothing was gained, as a share.
        is_clustered: Whether clusters were counted.

    Raises:
        ValueError: If there is no problem.

    >>> detectable_text(400).partition("; ")[0]
    '400 test problems: gains of 6 points or more are detected (80 % power)'
    >>> detectable_text(400).partition("; ")[2]
    'methods can be shown to be equal within 4 points'
    """
    guess = min(guess, 0.5)
    found = detectable(n_problems, guess=guess, margin=margin)
    nouns = ("cluster of test problems", "clusters of test problems") if is_clustered else None
    number = count(n_problems, *(nouns or ("test problem",)))
    equal, parts = max(1, math.ceil(100 * found.equivalence - 0.05)), []
    if found.gain < 1:
        gain = count(max(1, round(100 * found.gain)), "point")
        parts.append(f"{number}: gains of {gain} or more are detected (80 % power)")
    else:
        parts.append(f"{number} {'is' if n_problems == 1 else 'are'} too few to detect any gain")
    if equal <= _WIDEST:
        parts.append(f"methods can be shown to be equal within {count(equal, 'point')}")
    if not found.can_show_absent:
        wanted = problems_needed(margin, guess=guess)
        parts.append(f"showing that an ability is absent takes {count(wanted)}")
    return "; ".join(parts)


def chance_of_equal(golds: Sequence[str]) -> float:
    """Return the chance that two problems share a gold, unbiased: what a blind guess reaches.

    0 where fewer than eight golds are known, or below a twentieth.

    >>> chance_of_equal(["yes", "no"] * 20), chance_of_equal([str(i) for i in range(20)])
    (0.48717948717948717, 0.0)
    """
    n = len(golds)
    if n < _FEWEST:
        return 0.0
    equal = Counter(gold.strip() for gold in golds).values()
    chance = sum(c * (c - 1) for c in equal) / (n * (n - 1))
    return chance if chance >= _SMALLEST else 0.0


def problems_needed(target: float, *, guess: float = 0.0) -> int:
    """Return the fewest test problems whose equivalence margin is within a target.

    Args:
        target: Wanted margin, as a share, above 0.
        guess: Chance that a guess is right, in [0, 1).

    Raises:
        ValueError: If the target is not positive.
    """
    if target <= 0:
        raise ValueError(f"found target {target}; expected a positive margin")
    high = 1
    while not _is_within(detectable(high, guess=guess).equivalence, target):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        if _is_within(detectable(middle, guess=guess).equivalence, target):
            high = middle
        else:
            low = middle
    return high


def _is_within(equivalence: float, margin: float) -> bool:
    """Say whether a margin can be shown, as it is printed: to a tenth of a point."""
    return equivalence < margin + 0.0005
