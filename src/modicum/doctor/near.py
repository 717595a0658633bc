"""Near-equal questions that no column names as clusters."""

from modicum.doctor.exam import Exam
from modicum.stats.written import count
from modicum.tables.columns import NEAR
from modicum.tables.near import near_equal
from modicum.types import Finding

__all__ = ["unnamed_clusters"]


def unnamed_clusters(exam: Exam) -> tuple[Finding, ...]:
    """Find near-equal test questions of a task that names no clusters.

    Difficulty shared within a cluster that nobody named makes intervals too narrow: of ten alike, scores
    are held by half of their intervals.
    """
    problems = exam.splits.get("test", ())
    if any(problem.cluster for problem in problems):
        return ()
    groups = near_equal([problem.question for problem in problems])
    if not groups:
        return ()
    first = problems[groups[0][0]].question
    found = (
        f"no cluster column, and {count(len(groups), 'group')} of nearly equal test "
        f"questions, {len(groups[0])} in the largest, such as {first[:60]!r}"
    )
    action = f"count each group as one: FILE?cluster={NEAR}, or name a column: FILE?cluster=COLUMN"
    return (Finding("near_equal", "doubt", found, action),)
