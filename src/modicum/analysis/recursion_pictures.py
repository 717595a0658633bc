"""What a recursive net gains by depth, by width and by who selects: parts of a section, each a picture."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from modicum.analysis.coverage_curve import CoveragePoint
from modicum.analysis.gather import correctness
from modicum.analysis.pairing import level_of, paired
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
from modicum.outcome import Outcome
from modicum.stats import Figure, Floats, Ints
from modicum.stats.written import MISSING, count, in_points, latency, percent, percents

__all__ = [
    "RECURSION",
    "NetWords",
    "ScoredTrial",
    "by_depth",
    "by_selector",
    "by_solutions",
    "covered",
    "width_name",
]

KNOWS = ("checker", "oracle")
"""Selectors that ask the task's exact checker."""


@dataclass(frozen=True)
class NetWords:
    """What a kind of net calls its answers, and how deep they are."""

    one: str
    """An answer of one trajectory."""
    many: str
    """What comes before the number of several."""
    depth: str
    """How many steps were taken: what comes before the number."""
    steps: str
    """The same as the title of an axis."""
    trajectories: tuple[str, str]
    """One of them, and several."""

    def answer(self, width: int) -> str:
        """Return what an answer of so many trajectories is called."""
        return self.one if width == 1 else f"{self.many} {width}"


RECURSION = NetWords(
    "one sample",
    "vote of",
    "depth",
    "depth (supervision steps in a row)",
    ("trajectory", "trajectories"),
)


@dataclass(frozen=True, eq=False)
class ScoredTrial:
    """What one trial scored, and how long it took."""

    scores: Floats
    """1 for each board whose answer is valid, else 0."""
    seconds: float
    """Measured seconds an answer; NaN where most answers were taken over from another trial."""
    trial: str
    """Its id."""

    @staticmethod
    def of(outcome: Outcome) -> "ScoredTrial":
        """Return what an outcome scored; answers that were drawn before took no time of its own."""
        n = len(outcome.answers)
        fresh = n - float(outcome.serving.get("completions_reused", 0))
        seconds = float(outcome.serving.get("seconds", math.nan))
        return ScoredTrial(
            correctness(outcome.answers),
            seconds / fresh if 2 * fresh > n else math.nan,
            str(outcome.trial.id),
        )


def width_name(width: int) -> str:
    """Return what an answer of so many trajectories is called.

    >>> width_name(1), width_name(20)
    ('one sample', 'vote of 20')
    """
    return RECURSION.answer(width)


def by_solutions(
    asked: Mapping[str, ScoredTrial], solutions: Ints, clusters: Ints | None
) -> SectionPart:
    """Return validity by the number of solutions of a board.

    Args:
        asked: Trials on the same boards, by what their answers are called.
        solutions: Right answers of each board.
        clusters: Cluster code of each board; None where each stands alone.
    """
    levels = np.ceil(np.log2(solutions)).astype(int)
    rows, values = [], dict[str, Value]()
    points: dict[str, list[Point]] = {name: [] for name in asked}
    for level in np.unique(levels).tolist():
        there = levels == level
        place, cells = _solutions_text(level), list[Figure]()
        for name, one in asked.items():
            figure = level_of(one.scores[there], None if clusters is None else clusters[there])
            cells.append(figure)
            points[name].append(_point(place, figure, f"{name}, {place} solutions"))
            values[f"{name}, {place} solutions"] = figure
        rows.append(SectionRow((place, float(there.sum()), *cells)))
    columns = (
        Column("solutions of a board"),
        Column("boards", "count"),
        *(Column(name, "share") for name in asked),
    )
    chart = Plot(
        "solutions",
        "Valid answers by the number of solutions that a board has, with 95 % intervals.",
        "The table holds every figure.",
        "solutions of a board",
        "boards answered validly",
        tuple(Series(name, tuple(own)) for name, own in points.items()),
        "line",
        are_shares=True,
    )
    all_of_them = ", ".join(
        f"{name} {percents(level_of(one.scores, clusters))}" for name, one in asked.items()
    )
    return SectionPart(
        (f"Valid on all {count(len(solutions), 'test board')}: {all_of_them}.",),
        (SectionTable("Solutions", columns, tuple(rows)),),
        (chart,),
        values=values,
    )


def _solutions_text(level: int) -> str:
    """Return the numbers of solutions whose logarithm to base 2 rounds up to a level.

    >>> _solutions_text(0), _solutions_text(1), _solutions_text(3)
    ('1', '2', '5–8')
    """
    low, high = 2**level // 2 + 1, 2**level
    return f"{low}–{high}" if low < high else str(high)


def by_depth(
    asked: Mapping[tuple[int, int], ScoredTrial],
    vote: tuple[str, ScoredTrial] | None,
    clusters: Ints | None,
    words: NetWords = RECURSION,
) -> SectionPart:
    """Return validity by serial depth, one curve a width, with the time that an answer took.

    Args:
        asked: Trials on the same boards, by width and depth.
        vote: What the widest vote is called, and its trial at the net's own depth; None where all
            answers are single samples.
        clusters: Cluster code of each board; None where each stands alone.
        words: What the net's answers are called.
    """
    deepest = max((depth for width, depth in asked if width == 1), default=0)
    base, at, last = asked.get((1, deepest)), words.depth, f"{words.one} at {words.depth} {deepest}"
    rows, values = [], dict[str, Value]()
    points: dict[int, list[Point]] = {}
    for (width, depth), one in asked.items():
        name, figure = words.answer(width), level_of(one.scores, clusters)
        gain = None
        if base is not None and one is not base:
            gain = paired(one.scores, base.scores, clusters=clusters)
            values[f"{name} at {at} {depth} over {last}"] = gain
        values[f"{name} at {at} {depth}"] = figure
        values[f"{name} at {at} {depth}, seconds an answer"] = one.seconds
        said = f"{name}, {at} {depth}, {_time(one)} an answer"
        points.setdefault(width, []).append(_point(str(depth), figure, said))
        cells = (name, float(depth), figure, gain, _time(one), (one.trial,))
        rows.append(SectionRow(cells))
    columns = (
        Column("answer"),
        Column(at, "count"),
        Column("valid", "share"),
        Column(f"over {last}", "points"),
        Column("time an answer"),
        Column("trials", "trials"),
    )
    chart = Plot(
        "depth",
        f"Valid answers by {words.steps}, one curve for each number of {words.trajectories[1]}, with "
        "95 % intervals; beside each name the measured time of an answer, from the least to the greatest.",
        "The table holds every figure.",
        words.steps,
        "boards answered validly",
        tuple(Series(_timed(width, asked, words), tuple(own)) for width, own in points.items()),
        "line",
        are_shares=True,
    )
    table = SectionTable("Depth and width", columns, tuple(rows), note=TIMES)
    return SectionPart(
        _width_against_depth(asked, vote, clusters, words), (table,), (chart,), values=values
    )


def _timed(width: int, asked: Mapping[tuple[int, int], ScoredTrial], words: NetWords) -> str:
    """Name a width with the time of its answers at the least and the greatest depth."""
    own = [asked[cell] for cell in sorted(asked) if cell[0] == width]
    return f"{words.answer(width)}, {_time(own[0])} to {_time(own[-1])}"


TIMES = (
    "Time an answer: measured on this machine, all boards of a trial together and marking included, "
    "divided by the boards; a dash where the answers were taken over from another trial. Differences are "
    "in points, on the same boards."
)


def _width_against_depth(
    asked: Mapping[tuple[int, int], ScoredTrial],
    vote: tuple[str, ScoredTrial] | None,
    clusters: Ints | None,
    words: NetWords,
) -> tuple[str, ...]:
    """Say what the widest vote gains at the net's own depth over one sample at the greatest."""
    deepest = max((depth for width, depth in asked if width == 1), default=0)
    deep = asked.get((1, deepest))
    if deep is None or vote is None:
        return ()
    name, wide = vote
    gain = paired(wide.scores, deep.scores, clusters=clusters)
    return (
        f"Width against depth: the {name} at the net's own {words.depth} less {words.one} at "
        f"{words.depth} {deepest}: "
        f"{in_points(gain)}; {_time(wide)} and {_time(deep)} an answer.",
    )


def covered(points: Sequence[CoveragePoint], boards: int) -> SectionPart:
    """Return coverage by the number of samples, between its two ceilings.

    Args:
        points: At each number of samples; nothing is said where there is none.
        boards: Boards with several solutions.
    """
    if not points:
        return SectionPart()
    rows = tuple(SectionRow((str(one.draws), one.found, one.fixed, one.even)) for one in points)
    columns = (
        Column("samples"),
        Column("solutions found", "share"),
        Column("one fixed answer", "share"),
        Column("even draws", "share"),
    )
    found = Series(
        "samples",
        tuple(_point(float(p.draws), p.found, f"{count(p.draws, 'sample')}") for p in points),
    )
    bounds = (
        _bound("one fixed answer", [(p.draws, p.fixed) for p in points], (2, 2)),
        _bound("even draws", [(p.draws, p.even) for p in points], (6, 3)),
    )
    chart = Plot(
        "coverage",
        "Share of a board's solutions that samples find, with 95 % intervals; above, what even draws "
        "would find, below, one fixed answer.",
        "The table holds every figure.",
        "samples of a board (width)",
        "solutions found",
        (found, *bounds),
        "line",
        are_shares=True,
    )
    last = points[-1]
    values: dict[str, Value] = {}
    for one in points:
        values[f"coverage at {one.draws}"] = one.found
        values[f"one fixed answer at {one.draws}"] = one.fixed
        values[f"even draws at {one.draws}"] = one.even
    said = (
        f"{count(last.draws, 'sample')} find {percents(last.found)} of the solutions of "
        f"{count(boards, 'board')} with several; one fixed answer would find {percent(last.fixed)} at "
        f"most, even draws {percent(last.even)}."
    )
    return SectionPart((said,), (SectionTable("Coverage", columns, rows),), (chart,), values=values)


def by_selector(
    asked: Mapping[str, ScoredTrial],
    width: int,
    clusters: Ints | None,
    words: NetWords = RECURSION,
) -> SectionPart:
    """Return what each selector makes of the same trajectories, and which of them know the rules.

    Args:
        asked: Trials on the same boards, by selector.
        width: Trajectories that each chooses from.
        clusters: Cluster code of each board; None where each stands alone.
        words: What the net's answers are called.
    """
    vote = asked.get("majority")
    rows, values = [], dict[str, Value]()
    points: dict[bool, list[Point]] = {False: [], True: []}
    for name, one in asked.items():
        figure, knows = level_of(one.scores, clusters), name in KNOWS
        gain = None
        if vote is not None and one is not vote:
            gain = paired(one.scores, vote.scores, clusters=clusters)
            values[f"{name} over majority"] = gain
        values[f"selector {name}"] = figure
        values[f"selector {name}, seconds an answer"] = one.seconds
        points[knows].append(_point(name, figure, name))
        cells = (name, "yes" if knows else "no", figure, gain, _time(one), (one.trial,))
        rows.append(SectionRow(cells))
    columns = (
        Column("selector"),
        Column("knows the rules"),
        Column("valid", "share"),
        Column("over majority", "points"),
        Column("time an answer"),
        Column("trials", "trials"),
    )
    names = {False: "chooses by what the net says", True: "asks the exact checker"}
    chart = Plot(
        "selectors",
        f"Valid answers by who selects among the same {count(width, *words.trajectories)}, with "
        "95 % intervals. The checker knows the rules: it is an upper bound, no ability of the net.",
        "The table holds every figure.",
        "selector",
        "boards answered validly",
        tuple(Series(names[knows], tuple(own)) for knows, own in points.items() if own),
        "bars",
        are_shares=True,
    )
    return SectionPart(
        tables=(SectionTable("Selectors", columns, tuple(rows)),), charts=(chart,), values=values
    )


def _time(one: ScoredTrial) -> str:
    return latency(one.seconds) if math.isfinite(one.seconds) else MISSING


def _point(x: str | float, figure: Figure, said: str) -> Point:
    return Point(x, figure.value, figure.low, figure.high, f"{said}\n{percents(figure)}")


def _bound(name: str, places: Sequence[tuple[float, float]], dash: tuple[int, ...]) -> Series:
    points = tuple(Point(float(x), y, said=f"{name}\n{percent(y)}") for x, y in places)
    return Series(name, points, dash=dash, is_bound=True)
