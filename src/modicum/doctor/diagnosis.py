"""From what was seen to what is said: every finding, the worst first."""

from collections.abc import Callable, Iterable
from dataclasses import replace

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
_UNLEARNED = ("empty", "unreadable", "same_answer")
"""What answers of a model show that has learned nothing yet; a trial trains it before it counts."""


def diagnose(exam: Exam) -> tuple[Finding, ...]:
    """Return everything that is to be said of an exam; faults first, then doubts, then facts."""
    findings = (finding for find in FINDERS for finding in find(exam))
    return worst_first(_of_new(one) if exam.is_new else one for one in findings)


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings by level; equal levels keep their order."""
    return tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.level)))


def _of_new(finding: Finding) -> Finding:
    """Return what was found of a model that has learned nothing yet: its answers are no fault of it."""
    if finding.code not in _UNLEARNED:
        return finding
    said = f"{finding.found}: the net has learned nothing yet"
    return replace(finding, level="fact", found=said, action="")
