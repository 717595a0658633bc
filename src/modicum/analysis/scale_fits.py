"""What trainings of several sizes say of scale: power laws along each axis, and losses at equal costs."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

import numpy as np

from modicum.analysis.scale_groups import Group, grouped
from modicum.seeds import stream
from modicum.stats import (
    Figure,
    Floats,
    LossDraws,
    PowerLaw,
    drawn_losses,
    exponent_ratio,
    frontier,
    interpolated,
    percentile_figure,
    power_law,
)
from modicum.study.scale_cells import MeasuredCell

__all__ = [
    "Axis",
    "AxisFit",
    "EqualCost",
    "EqualUpdates",
    "Ratio",
    "ScaleFits",
    "scale_fits",
]

Axis: TypeAlias = Literal["data", "parameters", "depth", "training FLOPs", "inner steps"]
_AXES: Sequence[Axis] = get_args(Axis)
_COSTS = 3
"""Costs at which kinds are compared, evenly between the least and the most that all of them have."""


@dataclass(frozen=True)
class AxisFit:
    """A power law along an axis."""

    axis: Axis
    of: str
    """What is held fixed, in words: the net, or the kind and the amount of text."""
    kind: str
    """Kind of net, with its recipe."""
    x: tuple[float, ...]
    losses: tuple[Figure, ...]
    exponent: Figure | None
    """None where it was not fitted: too few places, or losses below the offset."""
    offset: float
    scale: float
    law: PowerLaw | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Ratio:
    """How much faster one kind falls than another along an axis."""

    axis: Axis
    first: str
    second: str
    ratio: Figure


@dataclass(frozen=True)
class EqualCost:
    """Losses of two kinds at equal FLOPs of training, each between its best trainings."""

    flops: float
    first: str
    second: str
    losses: tuple[Figure, Figure]
    difference: Figure
    """First minus second, on the same windows."""


@dataclass(frozen=True)
class EqualUpdates:
    """Losses of two kinds as large as each other, after as many updates on the same windows."""

    tokens: int
    """Characters that were learned from."""
    first: str
    second: str
    losses: tuple[Figure, Figure]
    difference: Figure
    """First minus second, on the same windows."""


@dataclass(frozen=True)
class ScaleFits:
    """All of it."""

    groups: tuple[Group, ...] = field(repr=False)
    losses: tuple[Mapping[int, Figure], ...]
    """Of each group the loss by distance."""
    fits: tuple[AxisFit, ...]
    ratios: tuple[Ratio, ...]
    equal: tuple[EqualCost, ...]
    equal_updates: tuple[EqualUpdates, ...]


@dataclass(frozen=True)
class _Point:
    """A place on an axis."""

    group: int
    """Place among the groups."""
    x: float


def scale_fits(
    cells: Sequence[MeasuredCell],
    offsets: Mapping[int, float | None],
    part: Literal["whole", "asked"] = "whole",
    n_resamples: int = 2000,
) -> ScaleFits:
    """Read finished trainings.

    Fits are of the test split in distribution; which trainings stand for a kind at a cost is chosen on the
    selection split.

    Args:
        cells: Finished trainings, all on the same windows.
        offsets: By distance what losses fall to; None fits it.
        part: `whole` or `asked` characters.
        n_resamples: Resamples behind each interval.
    """
    groups = grouped(cells)
    distances = sorted({one.distance for cell in cells for one in cell.measures})
    by_distance = {d: _draws(groups, part, d, (0, 1), n_resamples) for d in distances}
    losses = tuple(
        {d: draws.figure(at[i]) for d, (draws, at) in by_distance.items() if i in at}
        for i in range(len(groups))
    )
    if 0 not in by_distance or not by_distance[0][1]:
        return ScaleFits(groups, losses, (), (), (), ())
    draws, at = by_distance[0]
    offset = offsets.get(0, 0.0)
    fits = [
        _fit(axis, of, groups, points, (draws, at), offset)
        for axis, of, points in _axes(groups)
        if all(point.group in at for point in points)
    ]
    fits += _by_steps(groups, part, offset, n_resamples)
    return ScaleFits(
        groups,
        losses,
        tuple(fits),
        tuple(_ratios(fits, groups)),
        tuple(_equal(groups, draws, at)),
        tuple(_equal_updates(groups, draws, at)),
    )


def _draws(
    groups: Sequence[Group], part: str, distance: int, thinking: tuple[int, int], n: int
) -> tuple[LossDraws, dict[int, int]]:
    """Return the losses of all groups that were asked so, and where each one stands among them."""
    found = [(i, group.losses(part, distance, thinking)) for i, group in enumerate(groups)]
    known = [(i, losses) for i, losses in found if losses is not None]
    if not known:
        return LossDraws(np.zeros(0), np.zeros((0, n)), 0), {}
    draws = drawn_losses([losses for _, losses in known], stream("scale", distance), n_resamples=n)
    return draws, {i: place for place, (i, _) in enumerate(known)}


def _axes(groups: Sequence[Group]) -> list[tuple[Axis, str, list[_Point]]]:
    """Return the axes along which at least two places lie, with what is held fixed."""
    most = max(group.first.cell.tokens for group in groups)
    found: dict[tuple[Axis, str], list[_Point]] = {}
    for i, group in enumerate(groups):
        cell, kind = group.first.cell, group.first.cell.family
        found.setdefault(("data", group.net), []).append(_Point(i, cell.tokens))
        fixed = f"{kind} on {cell.tokens:,} characters"
        found.setdefault(("training FLOPs", kind), []).append(_Point(i, group.first.training_flops))
        if cell.tokens == most:
            found.setdefault(("parameters", fixed), []).append(_Point(i, group.first.parameters))
            others = {name: size for name, size in cell.sizes.items() if name != "layers"}
            depth = cell.sizes.get("layers")
            if isinstance(depth, int):
                same = f"{kind} {json.dumps(others, sort_keys=True)}"
                found.setdefault(("depth", same), []).append(_Point(i, depth))
    axes = []
    for (axis, of), given in found.items():
        points = sorted(given, key=lambda point: point.x)
        if axis == "training FLOPs":
            points = _best(groups, points)
        if len({point.x for point in points}) > 1:
            shared = re.sub(r" layers \S+", "", groups[points[0].group].net)
            axes.append((axis, shared if axis == "depth" else of, points))
    return sorted(axes, key=lambda one: _AXES.index(one[0]))


def _best(groups: Sequence[Group], points: Sequence[_Point]) -> list[_Point]:
    """Return the trainings that lose less than all cheaper ones of their kind, on the selection split."""
    chosen = [groups[point.group].losses("whole", 0, split="selection") for point in points]
    if any(one is None for one in chosen):
        return list(points)
    means = np.array([one.mean() for one in chosen if one is not None])
    return [points[i] for i in frontier(np.array([point.x for point in points]), means)]


def _fit(
    axis: Axis,
    of: str,
    groups: Sequence[Group],
    points: Sequence[_Point],
    known: tuple[LossDraws, Mapping[int, int]],
    offset: float | None,
) -> AxisFit:
    draws, at = known
    own = draws.taken([at[point.group] for point in points])
    x = np.array([point.x for point in points])
    kind = groups[points[0].group].first.cell.family
    return _fitted(axis, (of, kind), x, own, offset)


def _fitted(
    axis: Axis, named: tuple[str, str], x: Floats, own: LossDraws, offset: float | None
) -> AxisFit:
    law = power_law(x, own, offset)
    losses = tuple(own.figure(i) for i in range(len(x)))
    given = (axis, *named, tuple(x.tolist()), losses)
    if law is None:
        return AxisFit(*given, None, offset or 0.0, float("nan"))
    return AxisFit(*given, law.exponent, law.offset, law.scale, law)


def _by_steps(groups: Sequence[Group], part: str, offset: float | None, n: int) -> list[AxisFit]:
    """Return the laws along inner steps of nets that have them, on the most text, with one candidate."""
    most = max(group.first.cell.tokens for group in groups)
    fits = []
    for group in groups:
        if not group.first.thinks or group.first.cell.tokens != most:
            continue
        keys = {one.key for one in group.first.measures}
        steps = sorted(s for split, d, s, c in keys if (split, d, c) == ("test", 0, 1) and s > 0)
        found = [group.losses(part, 0, (s, 1)) for s in steps]
        losses = [one for one in found if one is not None]
        if len(losses) > 1 and len(losses) == len(steps):
            draws = drawn_losses(losses, stream("scale", "steps"), n_resamples=n)
            named = (group.net, group.first.cell.family)
            fits.append(_fitted("inner steps", named, np.array(steps, float), draws, offset))
    return fits


def _ratios(fits: Sequence[AxisFit], groups: Sequence[Group]) -> list[Ratio]:
    """Return the ratios of exponents of fits along an axis whose kinds differ, later ones to the first.

    Of single nets those of equal size alone are held against each other.
    """
    nets = {group.net: group.first.cell for group in groups}
    found = []
    for i, first in enumerate(fits):
        for second in fits[i + 1 :]:
            pair = (first.law, second.law)
            if first.axis != second.axis or first.kind == second.kind or None in pair:
                continue
            if first.of in nets and not nets[first.of].is_as_large(nets[second.of]):
                continue
            if first.law is not None and second.law is not None:
                ratio = exponent_ratio(second.law, first.law)
                found.append(Ratio(first.axis, second.of, first.of, ratio))
    return found


def _equal(groups: Sequence[Group], draws: LossDraws, at: Mapping[int, int]) -> list[EqualCost]:
    """Return losses of each two kinds at equal FLOPs of training, where their costs overlap."""
    kinds = list(dict.fromkeys(group.first.cell.family for group in groups))
    best = {}
    for kind in kinds:
        points = [
            _Point(i, group.first.training_flops)
            for i, group in enumerate(groups)
            if group.first.cell.family == kind and i in at
        ]
        if points:
            best[kind] = _best(groups, sorted(points, key=lambda point: point.x))
    found = []
    for i, second in enumerate(best):
        for first in list(best)[i + 1 :]:
            ends = [[point.x for point in best[kind]] for kind in (first, second)]
            low, high = max(min(one) for one in ends), min(max(one) for one in ends)
            if low > high:
                continue
            costs = dict.fromkeys(np.geomspace(low, high, _COSTS).clip(low, high).tolist())
            found += [_compared(flops, (first, second), best, draws, at) for flops in costs]
    return found


def _equal_updates(
    groups: Sequence[Group], draws: LossDraws, at: Mapping[int, int]
) -> list[EqualUpdates]:
    """Return losses of each two kinds of equal size on equal text, the later kind first."""
    found = []
    for i, second in enumerate(groups):
        for j in range(i + 1, len(groups)):
            first, cells = groups[j], (groups[j].first.cell, second.first.cell)
            if (
                not {i, j} <= at.keys()
                or cells[0].family == cells[1].family
                or (cells[0].tokens, cells[0].steps) != (cells[1].tokens, cells[1].steps)
                or not cells[0].is_as_large(cells[1])
            ):
                continue
            pair = draws.taken([at[j], at[i]])
            apart = percentile_figure(
                float(pair.found[0] - pair.found[1]), pair.drawn[0] - pair.drawn[1], pair.n
            )
            losses = (pair.figure(0), pair.figure(1))
            found.append(EqualUpdates(cells[0].tokens, first.net, second.net, losses, apart))
    return found


def _compared(
    flops: float,
    kinds: tuple[str, str],
    best: Mapping[str, Sequence[_Point]],
    draws: LossDraws,
    at: Mapping[int, int],
) -> EqualCost:
    values, drawn = [], []
    for kind in kinds:
        costs = np.array([point.x for point in best[kind]])
        own = draws.taken([at[point.group] for point in best[kind]])
        values.append(float(interpolated(costs, own.found[:, None], flops)[0]))
        drawn.append(interpolated(costs, own.drawn, flops))
    first, second = (
        percentile_figure(value, one, draws.n) for value, one in zip(values, drawn, strict=True)
    )
    apart = percentile_figure(values[0] - values[1], drawn[0] - drawn[1], draws.n)
    return EqualCost(flops, *kinds, (first, second), apart)
