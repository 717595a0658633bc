"""The strict reading beside the lenient one: a gain in it alone is a gain in format."""

from collections.abc import Sequence

import numpy as np

from modicum.analysis.ability import Ability
from modicum.analysis.gap import GapTop, ceiling_figure
from modicum.analysis.gather import Gathered, correctness, stack
from modicum.analysis.pairing import paired
from modicum.stats import Figure, Floats, Ints, Resamples, pass_curve
from modicum.store.database import Outcome
from modicum.types import PROMPT, Grade

__all__ = ["FORMAT_ONLY", "ceiling_strict", "is_format_only"]

FORMAT_ONLY = "format only"
"""What a gain in strict accuracy alone is called."""


def ceiling_strict(found: Gathered, answer: Ability, resamples: Resamples) -> Figure | None:
    """Return the ceiling as the strict reading has it: same source, same k, same luck null.

    None where there is no ceiling, and for the majority of samples, whose vote is over answers
    that were read leniently.

    Args:
        found: What is stored of the subject.
        answer: What the rule of ability says, with its ceiling.
        resamples: Shared resamples of the problems.
    """
    top = answer.ceiling
    if top is None:
        return None
    scores = _strict_scores(found, top)
    if scores is None:
        return None
    return ceiling_figure(GapTop(top.source, top.k, scores, top.luck), resamples)


def _strict_scores(found: Gathered, top: GapTop) -> Floats | None:
    """Score what the ceiling stands on by the strict reading."""
    if top.source == "sampling":
        return _sampled(found.samples, top.k)
    if top.source == "forced" and found.forced is not None:
        return correctness(found.forced.answers, strict=True)
    if top.source == PROMPT:
        return correctness(found.floor.answers, strict=True)
    names: dict[str, Sequence[Outcome]] = {arm.name: arm.outcomes for arm in found.arms}
    return stack(names[top.source], strict=True) if top.source in names else None


def _sampled(samples: Outcome, k: int) -> Floats:
    """Return the unbiased pass@k of each problem, read strictly."""
    right = [[mark.strict == Grade.CORRECT for mark in answer.marks] for answer in samples.answers]
    hits = np.array(right).sum(axis=1)
    return pass_curve(np.asarray(hits, dtype=np.int64), len(right[0]), (k,))[:, 0]


def is_format_only(
    scores: tuple[Floats, Floats], base: tuple[Floats, Floats], clusters: Ints | None
) -> bool:
    """Say whether the strict reading gains over the base and the lenient one does not.

    Args:
        scores: Lenient and strict scores, `[seeds, problems]`.
        base: Lenient and strict scores of what it is compared with, `[problems]`.
        clusters: Cluster code of every problem; None where each stands alone.
    """
    gain, gain_strict = (
        paired(one, other, clusters=clusters) for one, other in zip(scores, base, strict=True)
    )
    return gain_strict.low > 0 and gain.low <= 0
