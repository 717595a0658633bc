"""Whether test questions are known by heart: how well they are completed, beside a control."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from modicum.analysis.gather import Gathered
from modicum.analysis.measured import Contamination
from modicum.analysis.pairing import level_of
from modicum.outcome import Agreement, CompletedQuestion
from modicum.stats import Floats, Ints, paired_difference
from modicum.stats.written import figure, percent, percents, share
from modicum.types import Grade, Problem

__all__ = ["ADVICE", "contamination_of", "counted", "read_completed", "told", "warning"]

ADVICE = "use newer problems, or the same questions with other numbers"
"""What to do about questions that are known by heart."""
MARGIN = 0.1
"""Overlap beyond the control's that counts as none: numbers of a rest may follow from the first words, and
exchanged ones make a question a little odd."""


def contamination_of(found: Gathered) -> Contamination | None:
    """Return how well the model completes test questions; None where that was not measured."""
    outcome = found.completed
    if outcome is None or not outcome.completed:
        return None
    read = read_completed(outcome.completed, found.problems, outcome.trial.scope.cut)
    whole = {a.problem: a.mark.lenient == Grade.CORRECT for a in found.default.answers}
    clusters = _clusters(outcome.completed, found.problems)
    right = np.array([one.is_right for one in outcome.completed], dtype=np.float64)
    before = np.array(
        [whole.get(one.problem, False) for one in outcome.completed], dtype=np.float64
    )
    return replace(
        read,
        answered=level_of(right, clusters),
        answered_whole=level_of(before, clusters),
        trial=outcome.trial.id,
    )


def read_completed(
    completed: Sequence[CompletedQuestion], problems: Sequence[Problem], cut: float
) -> Contamination:
    """Return what completed questions say: exact completions and overlap, each beside its control.

    The control of a question is what agrees more: its completion with another question's rest, or that of
    the same question with other numbers with the rest of that. Overlap is compared on questions that have
    numbers: without them it may come from the first words alone.

    Args:
        completed: At least one.
        problems: Their problems, among others; only ids and clusters are read.
        cut: Share of a question's words that was given.
    """
    clusters = _clusters(completed, problems)
    exact, exact_control = _both(completed, lambda one: float(one.exact))
    exact_over = paired_difference(exact, exact_control, clusters=clusters)
    numbered = [one for one in completed if one.altered is not None]
    control, over = None, None
    if numbered:
        own, other = _both(numbered, lambda one: one.overlap)
        inner = _clusters(numbered, problems)
        control, over = level_of(other, inner), paired_difference(own, other, clusters=inner)
    return Contamination(
        questions=len(completed),
        cut=cut,
        exact=level_of(exact, clusters),
        exact_control=level_of(exact_control, clusters),
        exact_over_control=exact_over,
        overlap=level_of(np.array([one.own.overlap for one in completed]), clusters),
        overlap_control=control,
        overlap_over_control=over,
        is_known=exact_over.low > 0 or (over is not None and over.low > MARGIN),
        known=tuple(
            one.problem for one, e, c in zip(completed, exact, exact_control, strict=True) if e > c
        ),
    )


def told(found: Contamination) -> str:
    """Say how many questions were completed, and how far, each beside its control."""
    said = f"{counted(found)}; overlap (ROUGE-L) {figure(found.overlap)}"
    if found.overlap_control is None:
        return f"{said}, no control: the questions hold no numbers to exchange"
    return f"{said}, control {share(found.overlap_control.value)}"


def counted(found: Contamination) -> str:
    """Say how many questions were completed word for word, beside the control."""
    control = percent(found.exact_control.value)
    return f"{_completed(found)}: {percents(found.exact)}, control {control}"


def warning(found: Contamination) -> str:
    """Say that test questions are known by heart; empty where the control explains what was completed."""
    if not found.is_known:
        return ""
    if found.exact_over_control.low > 0:
        said = f"{_completed(found)} (control {percent(found.exact_control.value)})"
    else:
        said = (
            f"the rest of test questions is completed better than the control's "
            f"(overlap {share(found.overlap.value)})"
        )
    return f"{said}: known by heart, so that accuracy may be memory"


def _completed(found: Contamination) -> str:
    n = round(found.exact.value * found.questions)
    return (
        f"{n} of {found.questions} test questions completed word for word from their first "
        f"{percent(found.cut)}"
    )


def _both(
    completed: Sequence[CompletedQuestion], taken: Callable[[Agreement], float]
) -> tuple[Floats, Floats]:
    """Return a figure of each question, and of its control."""
    own = [taken(one.own) for one in completed]
    control = [
        max(taken(other) for other in (one.other, one.altered) if other is not None)
        for one in completed
    ]
    return np.array(own, dtype=np.float64), np.array(control, dtype=np.float64)


def _clusters(completed: Sequence[CompletedQuestion], problems: Sequence[Problem]) -> Ints | None:
    """Return codes of the questions' clusters; None where each stands alone."""
    of_problem = {problem.id: problem.cluster for problem in problems}
    names = [of_problem.get(one.problem) or one.problem for one in completed]
    codes = {name: code for code, name in enumerate(dict.fromkeys(names))}
    return None if len(codes) == len(names) else np.array([codes[name] for name in names])
