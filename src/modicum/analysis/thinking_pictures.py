"""What an energy net gains by thinking on, in and out of distribution, and how its energy falls: pictures."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modicum.analysis.pairing import level_of, paired
from modicum.analysis.recursion_pictures import NetWords, ScoredTrial
from modicum.analysis.section import (
    Column,
    Plot,
    Point,
    SectionRow,
    SectionTable,
    Series,
    Value,
)
from modicum.analysis.section_part import SectionPart
from modicum.plain import JsonValue, thawed
from modicum.stats import Figure, Ints
from modicum.stats.written import amount, in_points, percents

__all__ = ["THINKING", "WatchedBoard", "by_shift", "energies_part", "watched_of"]

THINKING = NetWords(
    "one candidate",
    "least energy of",
    "step",
    "steps of thinking",
    ("candidate", "candidates"),
)


@dataclass(frozen=True)
class WatchedBoard:
    """How candidates of one board thought, as a net's folder keeps it."""

    energies: tuple[tuple[float, ...], ...]
    """Before the first step and after each, once a candidate."""
    valid: tuple[tuple[bool, ...], ...]
    """Whether the answer after each step is right."""


def watched_of(kept: JsonValue) -> tuple[WatchedBoard, ...]:
    """Return the boards that a training watched; none where something else stands there.

    Args:
        kept: What a folder says; a stranger may have written it.
    """
    found = []
    try:
        for one in thawed(list[dict[str, JsonValue]], kept, "thinking"):
            energies = thawed(list[list[float]], one.get("energies"), "energies")
            valid = thawed(list[list[bool]], one.get("valid"), "valid")
            lengths = {len(row) for row in energies} | {len(row) + 1 for row in valid}
            finite = all(math.isfinite(number) for row in energies for number in row)
            if len(energies) != len(valid) or len(lengths) != 1 or min(lengths) < 2 or not finite:
                return ()
            found.append(WatchedBoard(tuple(map(tuple, energies)), tuple(map(tuple, valid))))
    except TypeError:
        return ()
    return tuple(found)


def by_shift(
    asked: Mapping[str, Mapping[tuple[int, int], ScoredTrial]], clusters: Ints | None
) -> SectionPart:
    """Return validity by steps and candidates on each task, and what the last steps gain over the first.

    Args:
        asked: Trials by task, then by candidates and steps; the first task is the one that was learned.
        clusters: Cluster code of each board of the first task; boards of others stand alone.
    """
    rows, values, curves = [], dict[str, Value](), []
    said = []
    for number, (task, trials) in enumerate(asked.items()):
        own = clusters if number == 0 else None
        for width in sorted({width for width, _ in trials}):
            steps = sorted(deep for wide, deep in trials if wide == width)
            first, last = trials[width, steps[0]], trials[width, steps[-1]]
            gain = paired(last.scores, first.scores, clusters=own)
            name = THINKING.answer(width)
            ends = [level_of(one.scores, own) for one in (first, last)]
            values[f"{task}: {name}, step {steps[-1]} over step {steps[0]}"] = gain
            rows.append(SectionRow((task, name, *ends, gain, (first.trial, last.trial))))
            points = []
            for deep in steps:
                figure = level_of(trials[width, deep].scores, own)
                values[f"{task}: {name} at step {deep}"] = figure
                points.append(_point(deep, figure, f"{task}, {name}, step {deep}"))
            dash = () if width == 1 else (6, 3)
            curves.append(Series(f"{task}, {name}", tuple(points), shift=number, dash=dash))
            if width == 1:
                said.append(f"{task} {in_points(gain)}")
    deepest = max(deep for trials in asked.values() for _, deep in trials)
    columns = (
        Column("task"),
        Column("answer"),
        Column("valid at first", "share"),
        Column("valid at last", "share"),
        Column("gain", "points"),
        Column("trials", "trials"),
    )
    chart = Plot(
        "shift",
        "Valid answers by steps of thinking, on the boards that were learned and on others, with 95 % "
        "intervals; dashed, the candidate of least energy of several.",
        "The table holds first and last steps.",
        THINKING.steps,
        "boards answered validly",
        tuple(curves),
        "line",
        are_shares=True,
    )
    return SectionPart(
        (f"What thinking up to step {deepest} gains over one: {'; '.join(said)}.",),
        (SectionTable("Thinking by task", columns, tuple(rows)),),
        (chart,),
        values=values,
    )


def _point(steps: int, figure: Figure, said: str) -> Point:
    return Point(str(steps), figure.value, figure.low, figure.high, f"{said}\n{percents(figure)}")


def energies_part(boards: Sequence[WatchedBoard]) -> SectionPart:
    """Return how the energies of single candidates fell, and whether they ended right.

    Args:
        boards: That training watched; nothing is said where there is none.
    """
    curves, rows, values = [], [], dict[str, Value]()
    for number, board in enumerate(boards, 1):
        for i, (energies, valid) in enumerate(zip(board.energies, board.valid, strict=True), 1):
            right = next((n for n, ok in enumerate(valid, 1) if ok), None)
            ends = "ends right" if valid[-1] else "ends wrong"
            name = f"board {number}, candidate {i}, {ends}"
            points = tuple(
                Point(float(n), energy, said=f"{name}\nstep {n}: {amount(energy)}")
                for n, energy in enumerate(energies)
            )
            curves.append(Series(name, points, shift=number, dash=() if valid[-1] else (2, 2)))
            values[f"{name}: last energy"] = energies[-1]
            first = "never" if right is None else str(right)
            rows.append(SectionRow((name, energies[0], energies[-1], first)))
    if not rows:
        return SectionPart()
    columns = (
        Column("candidate"),
        Column("energy at first", "amount"),
        Column("energy at last", "amount"),
        Column("right from step"),
    )
    chart = Plot(
        "energies",
        "Energy of single candidates over steps of thinking, on held-out boards; dotted where the answer "
        "ends wrong. Energies of one board can be compared, those of different boards cannot.",
        "The table holds the first and the last energy of each.",
        THINKING.steps,
        "energy",
        tuple(curves),
        "line",
    )
    table = SectionTable("Energies", columns, tuple(rows))
    return SectionPart((), (table,), (chart,), values=values)
