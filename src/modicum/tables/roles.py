"""Three disjoint roles from one list of problems: shots, selection, test."""

from collections.abc import Mapping, Sequence

from modicum.seeds import key
from modicum.types import Problem, Split

__all__ = ["SHARES", "in_roles"]

SHARES: Mapping[str, float] = {"shots": 0.25, "selection": 0.15}
"""Shares of the problems; the rest is the test."""
_SHOTS_BESIDE_A_TEST = 0.65
"""Share of the shots where the user names a file for the test; the rest is for selection."""


def in_roles(
    problems: Sequence[Problem], test: Sequence[Problem] | None = None
) -> dict[Split, tuple[Problem, ...]]:
    """Return each problem one role; problems of one question or cluster stay together.

    Units (questions, or clusters of them) are ordered by a keyed hash of their text and cut at
    fixed shares, so that the sizes follow from their number alone, whatever the file's order.
    Each role is in hash order too: its first n problems are a sample of it.

    Args:
        problems: The problems of the file, without duplicates.
        test: Those of a test file of its own, or None.
    """
    units: dict[str, list[Problem]] = {}
    for problem in problems:
        units.setdefault(problem.cluster or problem.question, []).append(problem)
    order = sorted(units, key=lambda name: key("role", name))
    shots = _SHOTS_BESIDE_A_TEST if test is not None else SHARES["shots"]
    ends = {"shots": _share(len(problems), shots)}
    rest = len(problems) if test is not None else _share(len(problems), SHARES["selection"])
    ends["selection"] = ends["shots"] + rest
    found: dict[Split, list[Problem]] = {"shots": [], "selection": [], "test": []}
    placed = 0
    for name in order:
        role: Split = "test"
        if placed < ends["shots"]:
            role = "shots"
        elif placed < ends["selection"]:
            role = "selection"
        found[role] += sorted(units[name], key=lambda p: p.id)
        placed += len(units[name])
    if test is not None:
        found["test"] = sorted(test, key=lambda p: key("role", p.cluster or p.question))
    return {role: tuple(members) for role, members in found.items()}


def _share(n: int, share: float) -> int:
    """A share of n, at least one."""
    return max(1, round(n * share))
