"""Marked answers as codes: equal answers have equal codes, across problems and golds."""

from collections.abc import Hashable, Sequence

import numpy as np

from modicum.analysis.evidence import Samples
from modicum.types import Grade, Mark

__all__ = ["coded"]


def coded(
    marks: Sequence[Sequence[Mark]],
    golds: Sequence[str],
    right: Sequence[Sequence[str]],
    strata: Sequence[Hashable],
) -> Samples:
    """Return answers as codes.

    Where one answer is right, a correct one has its gold's code, however it is spelled. Where several
    are, each keeps its own: they differ, and vote against each other.

    Args:
        marks: Marks of the samples, `[problems][samples]`.
        golds: Each problem's gold as it is read.
        right: Every different right answer of each problem as it is read; empty where the gold is the one.
        strata: Names of strata, once a problem.
    """
    codes: dict[str, int] = {}
    gold = [codes.setdefault(text, len(codes)) for text in golds]
    accepted = {(i, codes.setdefault(t, len(codes))) for i, row in enumerate(right) for t in row}
    answers = []
    for i, row in enumerate(marks):
        found = [-1] * len(row)
        for j, mark in enumerate(row):
            is_right = mark.lenient == Grade.CORRECT
            if is_right and not right[i]:
                found[j] = gold[i]
            elif mark.answer is not None:
                found[j] = codes.setdefault(mark.answer, len(codes))
                if is_right:  # of very many right answers not all are listed
                    accepted.add((i, found[j]))
        answers.append(found)
    if any(right):
        accepted |= {(i, code) for i, code in enumerate(gold) if not right[i]}
    order = {name: i for i, name in enumerate(dict.fromkeys(strata))}
    return Samples(
        answers=np.array(answers),
        gold=np.array(gold),
        correct=np.array([[mark.lenient == Grade.CORRECT for mark in row] for row in marks]),
        strata=np.array([order[name] for name in strata]),
        accepted=np.array(sorted(accepted)) if any(right) else None,
    )
