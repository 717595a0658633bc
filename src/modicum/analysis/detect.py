"""What a number of test labels can show at all, said before anything is spent."""

from dataclasses import dataclass

from modicum.stats import equivalence_margin, minimum_detectable_effect

__all__ = [
    "DISCORDANT_GAIN",
    "DISCORDANT_NULL",
    "Detectable",
    "detectable",
    "problems_needed",
]

DISCORDANT_GAIN = 0.2
"""Share of problems on which two systems are assumed to differ when one gains."""
DISCORDANT_NULL = 0.05
"""Share of problems on which two systems without effect are assumed to differ (wide answers;
twice p (1 - p) where guessing alone is right with chance p)."""


@dataclass(frozen=True)
class Detectable:
    """Which gain and which equivalence a number of test problems can show."""

    n_problems: int
    """Test problems, or clusters where problems come in clusters."""
    gain: float
    """Smallest gain found with 80 % power at the 5 % level, as a share (0.05 = 5 points)."""
    equivalence: float
    """Smallest margin within which "no effect" can be shown with 80 % power, as a share."""
    can_show_absent: bool
    """Whether that margin is within the five points that *absent* asks for."""


def detectable(
    n_problems: int,
    *,
    guess: float = 0.0,
    margin: float = 0.05,
    discordant: float = DISCORDANT_GAIN,
) -> Detectable:
    """Say which gain and which equivalence a number of test problems can show.

    Args:
        n_problems: Test problems (clusters where they hang together), at least 1.
        guess: Chance that a guess is right, in [0, 1): 0.5 for yes/no, 0.25 for four choices.
        margin: Margin of the equivalence test for *absent*, as a share.
        discordant: Share of problems on which the two systems are assumed to differ.

    Raises:
        ValueError: If there is no problem.
    """
    if n_problems < 1:
        raise ValueError(f"found {n_problems} test problems; expected at least one")
    null = max(DISCORDANT_NULL, 2 * guess * (1 - guess))
    gain = minimum_detectable_effect(n_problems, discordant=max(discordant, null))
    equal = equivalence_margin(n_problems, discordant=null)
    return Detectable(n_problems, gain, equal, _is_within(equal, margin))


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
