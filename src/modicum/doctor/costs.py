"""What the study will cost and what its size can show at all."""

from modicum.analysis.detect import chance_of_equal, detectable, detectable_text
from modicum.doctor.exam import Exam, Memory, only
from modicum.types import Finding

__all__ = ["duration", "memory", "sizes", "times"]

TIGHT = 0.8
"""Share of the machine's memory from which other programs and the allocator decide."""
COARSE = 0.2
"""Smallest visible gain above which most nudges cannot be told from nothing: few gain more than 20
points. Some 47 problems reach it."""
GIB = 2**30


def memory(needed: Memory | None) -> tuple[Finding, ...]:
    """Say whether weights and caches fit into the machine, before anything is loaded."""
    if needed is None:
        return ()
    copies = "" if needed.copies == 1 else f" x {needed.copies} (a tuned copy beside it)"
    trained = f", training all of them {needed.training / GIB:.1f}" if needed.training else ""
    found = (
        f"about {needed.needed / GIB:.1f} GiB needed (weights {needed.weights / GIB:.1f}{copies}{trained}, "
        f"cache {needed.cache / GIB:.1f}); the machine has {needed.machine / GIB:.1f}"
    )
    ratio = needed.needed / needed.machine
    action = "use a smaller model, fewer rows (MODEL?rows=8), a lower --max-new-tokens or a GPU"
    if ratio > 1:
        return (Finding("memory", "fault", found, action),)
    if ratio > TIGHT:
        return (Finding("memory", "doubt", found, action),)
    return (Finding("memory", "fact", found),)


def sizes(exam: Exam) -> tuple[Finding, ...]:
    """Say which gain, and which equivalence, the test labels can show.

    Problems of one cluster count as one; where golds are few, chance alone makes systems differ.
    """
    problems = exam.splits.get("test", ())
    clusters = {p.cluster or p.id for p in problems}
    n, guess = len(clusters) or exam.test, chance_of_equal([p.answer for p in exam.golds.problems])
    found = detectable_text(n, guess=guess, is_clustered=len(clusters) < len(problems))
    if detectable(n, guess=min(guess, 0.5)).gain < COARSE:
        return (Finding("detectable", "fact", found),)
    return (Finding("detectable", "doubt", found, "use more test problems (--test)"),)


def times(exam: Exam) -> tuple[Finding, ...]:
    """Say how long each rung should take, from the speed of the 64 answers."""
    if not exam.rungs:
        return ()
    spent: dict[str, float] = {}
    for rung in exam.rungs:
        spent[rung.name] = spent.get(rung.name, 0.0) + rung.seconds
    parts = ", ".join(f"{name} {duration(seconds)}" for name, seconds in spent.items())
    total = duration(sum(spent.values()))
    return only(Finding("time", "fact", f"about {total} in one process: {parts}"))


def duration(seconds: float) -> str:
    """Write a time in the unit that fits.

    >>> duration(4.2), duration(240), duration(9000)
    ('4 s', '4 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
