"""A quick look: the same study at small sizes, with what they cannot show."""

import dataclasses
from collections.abc import Collection, Mapping
from types import MappingProxyType

from modicum.analysis.detect import detectable
from modicum.study.plan import Plan

__all__ = ["QUICK", "quick_line", "quickened"]

QUICK: Mapping[str, int] = MappingProxyType(
    {"test": 60, "samples": 16, "seeds": 1, "retain_test": 60}
)
"""Sizes of a quick look. The first problems and samples are those of the full study, which takes the
answers over."""


def quickened(plan: Plan, given: Collection[str] = ()) -> Plan:
    """Return a plan at the sizes of a quick look; nothing grows.

    Args:
        plan: The plan.
        given: Fields that the user set: they stay as they are.
    """
    sizes = {
        name: min(size, getattr(plan, name)) for name, size in QUICK.items() if name not in given
    }
    seeds = sizes.get("seeds", plan.seeds)
    grids = plan.grids
    if "seeds" not in given:
        grids = tuple(dataclasses.replace(g, seeds=min(seeds, g.seeds)) for g in grids)
    return dataclasses.replace(plan, grids=grids, **sizes)


def quick_line(plan: Plan) -> str:
    """Return what a study of these sizes cannot show, in one line.

    >>> from modicum.study.plan import Grid
    >>> quick_line(Plan((Grid(("organism",), ("word_sums",)),), test=60, samples=16, seeds=2))
    'quick look (60 test problems, 16 samples, 2 seeds): cannot show gains below 17 points, or absence'
    """
    can = detectable(plan.test, margin=plan.margin)
    misses = [f"gains below {100 * can.gain:.0f} points"] if can.gain < 1 else ["any gain"]
    misses += [] if can.can_show_absent else ["absence"]
    misses += ["how much the choice of shots matters"] if plan.seeds == 1 else []
    seeds = f"{plan.seeds} seed{'' if plan.seeds == 1 else 's'}"
    said = f"{', '.join(misses[:-1])}, or {misses[-1]}" if len(misses) > 1 else misses[0]
    sizes = f"{plan.test} test problems, {plan.samples} samples, {seeds}"
    return f"quick look ({sizes}): cannot show {said}"
