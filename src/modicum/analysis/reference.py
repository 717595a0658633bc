"""A second model as yardstick: its score, the gap against it, where the two ceilings disagree."""

from modicum.analysis.ability import Ability
from modicum.analysis.gap import GapTop, gap_recovered
from modicum.analysis.gather import Gathered, correctness
from modicum.analysis.verdict import Reference
from modicum.stats import Figure, Floats, Resamples, proportion
from modicum.types import Grade

__all__ = ["gap_against_reference", "reference_of"]


def reference_of(found: Gathered) -> Reference | None:
    """Return what the reference scores and on which problems it and sampling disagree.

    Some sample of many may be right by luck, so that the second list of ids is an upper bound of
    what the studied model can do and the reference cannot.
    """
    outcome = found.reference
    if outcome is None or outcome.error:
        return None
    clusters = found.evidence.clusters
    solved = {answer.problem: answer.mark.lenient == Grade.CORRECT for answer in outcome.answers}
    reached = {
        answer.problem: any(mark.lenient == Grade.CORRECT for mark in answer.marks)
        for answer in found.samples.answers
    }
    return Reference(
        model=outcome.trial.model,
        score=proportion(correctness(outcome.answers), clusters=clusters),
        strict=proportion(correctness(outcome.answers, strict=True), clusters=clusters),
        style=outcome.style.name,
        samples=max((len(answer.marks) for answer in found.samples.answers), default=0),
        beyond_samples=tuple(p for p, hit in reached.items() if solved.get(p) and not hit),
        samples_beyond=tuple(p for p, hit in reached.items() if hit and solved.get(p) is False),
        trial=outcome.trial.id,
    )


def gap_against_reference(
    found: Gathered,
    answer: Ability,
    scores: Floats,
    resamples: Resamples,
    *,
    base: Floats | None = None,
) -> Figure | None:
    """Return the share of the way from floor to reference, or None where that is within noise.

    The same ratio as against sampling, with the reference's greedy score as the top.

    Args:
        found: What is stored of the subject.
        answer: What the rule of ability says (for the luck null).
        scores: Scores of a rung, `[seeds, problems]` or `[problems]`.
        resamples: Shared resamples of the problems.
        base: Zero of the gap; the floor where None.
    """
    outcome = found.reference
    if outcome is None or outcome.error:
        return None
    luck = answer.sampled.luck_1
    top = GapTop("reference", 1, correctness(outcome.answers), luck)
    zero = found.evidence.floor if base is None else base
    return gap_recovered(scores, zero, top, luck, resamples)
