"""Near-equal questions: the same one with other numbers or a word changed, which no column names."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import zip_longest

from modicum.tables.problems import Made

__all__ = ["LEAST", "grouped", "near_equal"]

LEAST = 5
"""Questions of the smallest group that is told."""
_WORDS = 3
"""Words in a row that are compared."""
_RARE, _COMMON = 0.1, 0.5
"""Shares of all questions: what more than the first hold is a task's own form, and what more than the
second hold is not looked at."""
_FEW = 12
"""Questions that may share a piece in any case."""
_ALIKE = 0.5
"""Share of a question's pieces that another one must share to be looked at word by word."""
_CHANGES = 6
"""Different changes of a word that leave two questions nearly equal."""
_LINKED = 0.4
"""Share of the others of its group to which a question must be alike."""
_TOKEN = re.compile(r"[^\W\d_]+|\d+(?:[.,/:]\d+)*|[^\w\s]")


def grouped(members: Sequence[Made]) -> list[Made]:
    """Name near-equal questions as clusters, by the id of their first problem."""
    found = list(members)
    for places in near_equal([one.problem.question for one in members]):
        name = found[places[0]].problem.id
        for place in places:
            one = found[place]
            found[place] = replace(one, problem=replace(one.problem, cluster=name))
    return found


def near_equal(questions: Sequence[str]) -> list[list[int]]:
    """Return groups of five or more questions that say nearly the same, as places, the largest first.

    Numbers count as equal, and so do questions in which a few words were changed, each wherever it
    stands. One word for another
    where both questions hold both is no such change: it asks for something else. What a task's
    questions have in common is no sign: only pieces that few of them share are.

    Args:
        questions: Each once.
    """
    words = [_words(question) for question in questions]
    pieces = [_pieces(own) for own in words]
    counts = Counter(piece for own in pieces for piece in own)
    n = len(questions)
    rare_up_to = min(max(_FEW, _RARE * n), n / 3)  # of a dozen questions all pieces would be rare
    common_from = _COMMON * n
    sizes = [sum(counts[piece] <= common_from for piece in own) for own in pieces]
    held: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, own in enumerate(pieces):
        for piece in own:
            if 1 < counts[piece] <= rare_up_to:
                held[piece].append(place)
    shared: Counter[tuple[int, int]] = Counter()
    for places in held.values():
        shared.update((a, b) for i, a in enumerate(places) for b in places[i + 1 :])
    alike = [
        pair
        for pair, number in shared.items()
        if number >= _ALIKE * max(sizes[pair[0]], sizes[pair[1]], 1)
        and _is_reworded(words[pair[0]], words[pair[1]])
    ]
    return _groups(n, alike)


def _is_reworded(one: Sequence[str], other: Sequence[str]) -> bool:
    """Say whether a few changes of words make one question of the other.

    One word for another where both questions hold both elsewhere is no change: it asks for another thing
    of the same story.
    """
    if abs(len(one) - len(other)) > _CHANGES:
        return False
    changes: set[tuple[str, str]] = set()
    for kind, a, b, c, d in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if kind != "equal":
            changes.update(zip_longest(one[a:b], other[c:d], fillvalue=""))
        if len(changes) > _CHANGES:
            return False
    return not any((not a or a in other) and (not b or b in one) for a, b in changes)


def _words(question: str) -> list[str]:
    found = _TOKEN.findall(question.casefold())
    return ["#" if word[0].isdecimal() else word for word in found]


def _pieces(words: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + _WORDS]) for i in range(max(1, len(words) - _WORDS + 1))}


def _groups(n: int, pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Join what is alike, and keep who is alike to most of a group: chains of likeness are none."""
    above = list(range(n))
    links: Counter[int] = Counter(place for pair in pairs for place in pair)

    def top(place: int) -> int:
        while above[place] != place:
            above[place] = above[above[place]]
            place = above[place]
        return place

    for one, other in pairs:
        above[top(one)] = top(other)
    groups: dict[int, list[int]] = defaultdict(list)
    for place in range(n):
        groups[top(place)].append(place)
    kept = [[i for i in g if links[i] >= _LINKED * (len(g) - 1)] for g in groups.values()]
    return sorted((g for g in kept if len(g) >= LEAST), key=lambda g: (-len(g), g))
