"""Whether methods newly solve the same problems: against chance, and against two seeds of one method."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, combinations
from typing import NamedTuple, final

from modicum.analysis.pairing import shared
from modicum.analysis.printed import method_name
from modicum.analysis.readings import RungReading
from modicum.analysis.section import Column, Section, SectionRow, SectionTable
from modicum.reading import Material, Reading
from modicum.stats import Bools, Floats
from modicum.stats.written import count

__all__ = ["Overlap", "Shared", "overlap_section", "overlaps"]

COLUMNS = (
    Column("methods"),
    Column("first solves", "count"),
    Column("second solves", "count"),
    Column("both", "count"),
    Column("by chance"),
)
NOTE = (
    "Of the problems that the floor does not solve: how many each of two methods solves at its largest "
    "budget (first seed), and how many both do. By chance: what two methods that solve as many would share "
    "if they knew nothing of each other's problems, with its 95 % range. Problems differ in difficulty, so "
    "that more than chance is usual; two seeds of one method show how much."
)
LEAST = 5
"""Problems that each side must newly solve."""


class Shared(NamedTuple):
    """Problems that two sides newly solve."""

    name: str
    first: int
    second: int
    both: int
    chance: float
    """Expected number of both, were the two independent."""
    low: int
    """Of the 95 % range of that number."""
    high: int
    of: int
    """Problems that the floor does not solve."""


@final
@dataclass(frozen=True)
class Overlap(Reading):
    """A row a pair of methods that raise accuracy, and one a method with two seeds."""

    def read(self, found: Material) -> Section | None:
        """Return which problems methods share; None where fewer than two sides can be compared."""
        return overlap_section(overlaps(found.gathered.evidence.floor, found.ability.rungs))


def overlap_section(found: Sequence[Shared]) -> Section | None:
    """Return the table of what is shared; None where nothing is."""
    if not found:
        return None
    rows = tuple(
        SectionRow(
            (
                one.name,
                float(one.first),
                float(one.second),
                float(one.both),
                f"{count(round(one.chance))} [{one.low}, {one.high}]",
            )
        )
        for one in found
    )
    beyond = sum(one.both > one.high for one in found)
    said = (
        f"Of {found[0].of} problems that the floor does not solve: {beyond} of {len(found)} pairs share "
        "more than chance."
    )
    return Section(
        "Problems newly solved by two methods",
        (said,),
        tables=(SectionTable("Overlap", COLUMNS, rows),),
        note=NOTE,
    )


def overlaps(floor: Floats, rungs: Sequence[RungReading]) -> list[Shared]:
    """Return what pairs of rungs newly solve together, a method's own seeds last.

    Args:
        floor: 0 or 1 a problem.
        rungs: Those above the floor and their controls are compared, each method at its last budget.
    """
    last = {one.rung.method: one for one in rungs if one.is_above and not one.rung.is_prompt}
    found = [_shared(name, floor, *sides) for name, sides in _pairs(list(last.values()))]
    return [one for one in found if _has_room(one)]


def _has_room(one: Shared) -> bool:
    """Say whether two sides could share more than chance: not where each solves nearly everything."""
    least = min(one.first, one.second)
    return least >= LEAST and one.high < least


def _pairs(rungs: Sequence[RungReading]) -> Iterator[tuple[str, tuple[Floats, Floats]]]:
    for one, other in combinations(rungs, 2):
        name = f"{method_name(one.rung.name)}, {method_name(other.rung.name)}"
        yield name, (_seed(one, 0), _seed(other, 0))
    for one in rungs:
        if one.rung.scores.ndim == 2 and len(one.rung.scores) > 1:
            yield f"{method_name(one.rung.name)}, two seeds", (_seed(one, 0), _seed(one, 1))


def _seed(one: RungReading, number: int) -> Floats:
    scores = one.rung.scores
    return scores if scores.ndim == 1 else scores[number]


def _shared(name: str, floor: Floats, first: Floats, second: Floats) -> Shared:
    floor, first, second = shared(floor, first, second)
    is_open: Bools = floor < 1
    one, other = (side[is_open] == 1 for side in (first, second))
    of, a, b = int(is_open.sum()), int(one.sum()), int(other.sum())
    low, high = _range(of, a, b)
    chance = a * b / of if of else 0.0
    return Shared(name, a, b, int((one & other).sum()), chance, low, high, of)


def _range(of: int, a: int, b: int) -> tuple[int, int]:
    """Return where the number of both lies in 95 % of independent draws (hypergeometric)."""
    whole = math.comb(of, b)
    passed = list(accumulate(math.comb(a, k) * math.comb(of - a, b - k) for k in range(b + 1)))
    low, high = (
        next(k for k, seen in enumerate(passed) if 1000 * seen >= share * whole)
        for share in (25, 975)
    )
    return low, high
