"""Whether a model knows test questions by heart: half of one in, the other half out."""

import re

from modicum.doctor.exam import Exam, ExamTrace, of
from modicum.types import Finding

__all__ = ["MATCH", "contaminated", "halves", "matched"]

MATCH = 8
"""Words or signs in a row that must agree: eight hardly do by chance, once the words that a task's
questions share are taken off by the control."""
FEWEST = 2
"""Questions: one alone may be a saying."""

_UNIT = re.compile(r"[A-Za-z0-9]+|[^\sA-Za-z0-9]")


def halves(question: str) -> tuple[str, str] | None:
    """Part a question in the middle, at a space; None where its second half is too short.

    >>> halves("one two three")
    """
    middle = question.find(" ", len(question) // 2)
    if middle < 0 or len(_UNIT.findall(question[middle:])) < MATCH:
        return None
    return question[:middle], question[middle:]


def matched(said: str, tail: str) -> int:
    """Count how many words and signs of the tail were said, from its start on.

    >>> matched(" sat on the mat, purring", " sat on the mat. It")
    4
    """
    count = 0
    for one, other in zip(_UNIT.findall(said), _UNIT.findall(tail), strict=False):
        if one.casefold() != other.casefold():
            break
        count += 1
    return count


def contaminated(exam: Exam) -> tuple[Finding, ...]:
    """Find questions that the model completes word for word.

    The control is every other question's second half: what agrees with one of those as far is a
    phrase of the task and not a memory of the question.

    Source: Carlini et al. 2023 (2202.07646) for extraction by prefix; Golchin and Surdeanu 2024
    (2308.08493) for guided completion of test instances.
    """
    known = [probe for probe in exam.probes if _is_known(probe, exam.probes)]
    if len(known) < FEWEST:
        return ()
    found = (
        f"the model completes {of(len(known), len(exam.probes), 'half questions')} of the test split "
        f"word for word ({MATCH} or more words that no other question shares), such as "
        f"{known[0].tail.strip()[:60]!r}"
    )
    action = "its score may be memory: use newer problems, or the same questions with other numbers"
    return (Finding("contaminated", "doubt", found, action),)


def _is_known(probe: ExamTrace, probes: tuple[ExamTrace, ...]) -> bool:
    own = matched(probe.said, probe.tail)
    others = [matched(probe.said, p.tail) for p in probes if p is not probe]
    return own >= MATCH and own > max(others, default=0)
