"""Which sizes would decide what a study left undecided: a pure function of what it measured.

The sizes come from the rules' own thresholds: the problems that an equivalence test within the margin
takes, and the samples that rule out the smallest ability. `simulation` shows that they suffice.
"""

from dataclasses import dataclass

import numpy as np

from modicum.analysis.ability import Ability
from modicum.analysis.detect import problems_needed
from modicum.analysis.evidence import Evidence
from modicum.analysis.readings import MARGIN

__all__ = ["DecidingSizes", "deciding_sizes"]

SAMPLES = 64
"""Samples a problem at which an ability of the smallest size is seen or ruled out."""
SEEDS = 3
"""Draws of shots at which tuning that works in some of them is seen."""
SPARE = 1.5
"""Times the problems that an equivalence test takes, which finds equality in four of five studies."""
_MOST_GUESS = 0.5


@dataclass(frozen=True)
class DecidingSizes:
    """Sizes of a study that would decide."""

    test: int
    """Test problems."""
    samples: int
    """Samples a problem."""
    seeds: int
    """Draws of shots."""


def deciding_sizes(
    evidence: Evidence, answer: Ability, seeds: int, *, is_whole: bool = True
) -> DecidingSizes:
    """Return sizes at which the same truth is given a word in most cases.

    What is already large enough stays; where all is, problems are doubled, with the samples where
    sampling is what is open, and the seeds where they disagree.

    Args:
        evidence: What was measured.
        answer: What was read from it.
        seeds: Draws of shots that the study had.
        is_whole: Whether all of the study has run; sizes that are large enough stay where it has not.
    """
    test, samples = evidence.default.size, evidence.samples.n_samples
    guess = min(float(answer.sampled.luck_1.mean()), _MOST_GUESS)
    per_cluster = 1.0
    if evidence.clusters is not None:
        per_cluster = test / np.unique(evidence.clusters).size
    wanted = _rounded(SPARE * problems_needed(MARGIN, guess=guess) * per_cluster)
    enough = DecidingSizes(max(test, wanted), max(samples, SAMPLES), max(seeds, SEEDS))
    if enough != DecidingSizes(test, samples, seeds) or not is_whole:
        return enough
    is_open = answer.sampled.state in ("contested", "open")
    return DecidingSizes(2 * test, 2 * samples if is_open else samples, 2 * seeds)


def _rounded(number: float) -> int:
    """Round up to a number that reads well: fifties below a thousand, then hundreds."""
    step = 50 if number <= 1000 else 100
    return int(-(-number // step) * step)
