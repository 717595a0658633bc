"""From what was seen to what is said: every finding, the worst first."""

from collections.abc import Callable, Iterable

from modicum.doctor import answers, contamination, costs, data, files, near, prompts
from modicum.doctor.exam import Exam
from modicum.types import Finding

__all__ = ["FINDERS", "diagnose", "worst_first"]

FINDERS: tuple[Callable[[Exam], tuple[Finding, ...]], ...] = (
    answers.not_finite,
    answers.empty,
    answers.endless,
    answers.truncated,
    answers.thinking_cut,
    answers.running_on,
    answers.unreadable,
    answers.unmarked,
    answers.format_gap,
    answers.same_answer,
    prompts.doubled_start,
    prompts.lost_system,
    prompts.lost_question,
    prompts.lost_style,
    prompts.unwritable,
    prompts.template_use,
    prompts.bad_boundary,
    data.rejected_golds,
    files.long_golds,
    data.loose_marker,
    data.leaked_in_question,
    data.leaked_in_prompt,
    data.overlap,
    data.duplicates,
    near.unnamed_clusters,
    data.guessable,
    contamination.contaminated,
    answers.constant_groups,
    answers.difficulty,
    costs.sizes,
    costs.times,
)
"""One small function a finding."""

_ORDER = ("fault", "doubt", "fact")


def diagnose(exam: Exam) -> tuple[Finding, ...]:
    """Return everything that is to be said of an exam; faults first, then doubts, then facts."""
    return worst_first(finding for find in FINDERS for finding in find(exam))


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings by level; equal levels keep their order."""
    return tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.level)))
