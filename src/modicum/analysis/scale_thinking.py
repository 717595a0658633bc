"""What thinking longer brings, paired over windows, by the distance of the shift."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from modicum.analysis.scale_groups import Group
from modicum.stats import Figure, contrast
from modicum.study.scale_cells import CellMeasure

__all__ = ["Gain", "Growth", "Over", "gains", "growths"]

Over: TypeAlias = Literal["one step", "fewest trained"]
"""What thinking longer is held against."""


@dataclass(frozen=True)
class Gain:
    """How many nats a character a way to think saves."""

    net: str
    tokens: int
    """Characters that it learned from."""
    distance: int
    """Of the shift."""
    steps: int
    candidates: int
    flops: float
    """Operations of an answer, for each predicted character."""
    over: Over
    """What it is held against, with one candidate."""
    reference: float
    """Nats a character of that."""
    gain: Figure
    """Nats a character less."""


@dataclass(frozen=True)
class Growth:
    """How much more a way to think saves at a shift than in distribution."""

    net: str
    tokens: int
    """Characters that it learned from."""
    distance: int
    """Of the shift, above 0."""
    steps: int
    candidates: int
    over: Over
    growth: Figure
    """Nats a character: the gain there minus the gain in distribution."""


def growths(found: Sequence[Gain]) -> list[Growth]:
    """Return by how much gains grow from texts in distribution to those of each shift.

    The two stand on other windows, so that their errors are independent but for those of the seeds, and
    their reaches add in squares.

    Args:
        found: Gains at all distances.
    """
    near = {_way(one): one for one in found if one.distance == 0}
    grown = []
    for one in found:
        base = near.get(_way(one))
        if base is None or one.distance == 0:
            continue
        apart = one.gain.value - base.gain.value
        reach = math.hypot(one.gain.high - one.gain.value, base.gain.high - base.gain.value)
        growth = Figure(apart, apart - reach, apart + reach, min(one.gain.n, base.gain.n))
        asked = (one.distance, one.steps, one.candidates, one.over)
        grown.append(Growth(one.net, one.tokens, *asked, growth))
    return grown


def _way(one: Gain) -> tuple[str, int, int, int, Over]:
    return one.net, one.tokens, one.steps, one.candidates, one.over


def gains(groups: Sequence[Group], part: Literal["whole", "asked"] = "whole") -> list[Gain]:
    """Return the gains of all nets that think, each against one step and its fewest trained steps.

    A gain is a difference on the same window and the same seed; seeds enter with their own Student's t.

    Args:
        groups: Trainings.
        part: `whole` or `asked` characters.
    """
    found = []
    for group in groups:
        if not group.first.thinks:
            continue
        for measure in group.first.measures:
            if measure.split == "test" and measure.steps > 0:
                found += _gains(group, part, measure)
    return found


def _gains(group: Group, part: str, measure: CellMeasure) -> list[Gain]:
    """Return the gains of one way to think over each reference that was asked and is another one."""
    references: tuple[tuple[Over, int], ...] = (
        ("one step", 1),
        ("fewest trained", group.first.fewest_steps),
    )
    found = [
        _gain(group, part, measure, reference)
        for reference in references
        if (measure.steps, measure.candidates) != (reference[1], 1)
    ]
    return [one for one in found if one is not None]


def _gain(
    group: Group, part: str, measure: CellMeasure, reference: tuple[Over, int]
) -> Gain | None:
    """Return a gain; None where the reference was not asked."""
    over, steps = reference
    before = group.losses(part, measure.distance, (steps, 1))
    after = group.losses(part, measure.distance, (measure.steps, measure.candidates))
    if before is None or after is None:
        return None
    saved = before - after
    gain = contrast(saved.mean(axis=0), parts=(saved,), are_shares=False)
    cell, asked = group.first.cell, (measure.distance, measure.steps, measure.candidates)
    return Gain(group.net, cell.tokens, *asked, measure.flops, over, float(before.mean()), gain)
