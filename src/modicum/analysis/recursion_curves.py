"""How training a recursive net went: what it is told by the answer, and what it can do without."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

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
from modicum.stats.written import amount, percent

__all__ = ["RecursionRun", "averaged", "run_of", "trained_part"]

NOTE = (
    "Divergence is that of the posterior, which sees the answer, from the prior, which does not: over "
    "all transitions of a whole computation, summed. To say which of n equally likely solutions is "
    "meant takes log n nats; far less, and the noise says little; far more, and the posterior tells "
    "what the prior cannot know. Posterior accuracy is measured with the answer in sight and equality "
    "with it, prior validity without and by the rules (by equality where a net learns from few "
    "labels). The table holds the last point of each; each is a mean over neighbouring updates."
)


@dataclass(frozen=True)
class RecursionRun:
    """The kept curves of one training."""

    name: str
    every: int
    """Updates of a point, at least 1."""
    curves: tuple[Mapping[str, float], ...]
    """Figures of each point, such as `kl`, `exact` and `prior_valid`."""
    log_solutions: float | None = None
    """Mean log of the number of solutions of a training board, in nats; None where not known."""

    def points(self, figure: str) -> tuple[tuple[float, float], ...]:
        """Return the last update of each point that has a figure, and the figure."""
        return tuple(
            (float((i + 1) * self.every), point[figure])
            for i, point in enumerate(self.curves)
            if math.isfinite(point.get(figure, math.nan))
        )

    def last(self, figure: str) -> float | None:
        """Return the figure of the last point that has it."""
        return next((value for _, value in reversed(self.points(figure))), None)


def run_of(name: str, kept: JsonValue) -> RecursionRun | None:
    """Return the curves that a training kept; None where something else stands there.

    Args:
        name: What it is called.
        kept: Its `every`, `curves` and `log_solutions`, as a folder or a trial holds them; a stranger
            may have written them.
    """
    try:
        table = thawed(dict[str, JsonValue], kept, "recursion")
        every = thawed(int, table.get("every"), "every")
        curves = thawed(list[dict[str, float]], table.get("curves"), "curves")
        log = table.get("log_solutions")
        known = None if log is None else float(thawed(float, log, "log_solutions"))
    except TypeError:
        return None
    if every < 1 or not curves or (known is not None and not 0 <= known < math.inf):
        return None
    return RecursionRun(name, every, tuple(curves), known)


def averaged(runs: Sequence[RecursionRun]) -> RecursionRun:
    """Return the mean over the seeds of one training, figure by figure, over those that have it.

    Args:
        runs: Of the same name and length; at least one.
    """
    first = runs[0]
    curves = []
    for i in range(max(len(run.curves) for run in runs)):
        there = [run.curves[i] for run in runs if i < len(run.curves)]
        names = dict.fromkeys(name for point in there for name in point)
        curves.append({n: float(np.mean([p[n] for p in there if n in p])) for n in names})
    logs = [run.log_solutions for run in runs if run.log_solutions is not None]
    known = float(np.mean(logs)) if logs else None
    return RecursionRun(first.name, first.every, tuple(curves), known)


def trained_part(runs: Sequence[RecursionRun]) -> SectionPart:
    """Return what posterior and prior did in training; empty where no run kept either.

    A net without a prior, such as a deterministic twin, has no divergence and is drawn without.
    """
    runs = [run for run in runs if run.points("kl") or run.points("prior_valid")]
    if not runs:
        return SectionPart()
    charts = [_accuracy(runs)]
    guided = [run for run in runs if run.points("kl")]
    if guided:
        charts.insert(0, _divergence(guided))
    values: dict[str, Value] = {}
    rows = []
    for run in runs:
        kl, exact, valid = (run.last(name) for name in ("kl", "exact", "prior_valid"))
        exact = None if kl is None else exact  # no posterior without a divergence
        distinct, updates = run.last("distinct"), len(run.curves) * run.every
        values[f"{run.name}, divergence in nats"] = kl
        values[f"{run.name}, log of the number of solutions"] = run.log_solutions
        values[f"{run.name}, posterior accuracy"] = exact
        values[f"{run.name}, prior validity"] = valid
        cells = (run.name, float(updates), kl, run.log_solutions, exact, valid, distinct)
        rows.append(SectionRow(cells))
    columns = (
        Column("training"),
        Column("updates", "count"),
        Column("nats", "amount"),
        Column("log of solutions", "amount"),
        Column("posterior right", "share"),
        Column("prior valid", "share"),
        Column("distinct", "share"),
    )
    table = SectionTable("Training", columns, tuple(rows), note=NOTE)
    return SectionPart(
        tuple(filter(None, map(_said, runs))), (table,), tuple(charts), values=values
    )


def _said(run: RecursionRun) -> str:
    """Say how far posterior and prior lie apart at the end; empty of a net that has only one."""
    kl, exact, valid = (run.last(name) for name in ("kl", "exact", "prior_valid"))
    if kl is None or exact is None or valid is None:
        return ""
    against = ""
    if run.log_solutions is not None:
        against = f" (log of the number of solutions: {amount(run.log_solutions)})"
    return (
        f"At the end of training ({run.name}) the answer adds {amount(kl)} nats an example{against}; with "
        f"it {percent(exact)} of answers equal it, without it {percent(valid)} are valid."
    )


def _divergence(runs: Sequence[RecursionRun]) -> Plot:
    series = [Series(run.name, _points(run, "kl", "nats an example")) for run in runs]
    longest = max(len(run.curves) * run.every for run in runs)
    known = sorted(run.log_solutions for run in runs if run.log_solutions is not None)
    if known:
        ends = tuple(dict.fromkeys(map(amount, (known[0], known[-1]))))
        name = f"log of the number of solutions, {' to '.join(ends)}"
        middle = sum(known) / len(known)
        points = tuple(Point(float(x), middle, said=name) for x in (0, longest))
        series.append(Series(name, points, dash=(6, 3), is_bound=True))
    return Plot(
        "divergence",
        "What the answer adds in training: divergence of the posterior from the prior, summed over all "
        "transitions; beside it the log of the number of solutions.",
        "The table holds what stood at the end.",
        "update",
        "nats an example",
        tuple(series),
        "curve",
    )


def _accuracy(runs: Sequence[RecursionRun]) -> Plot:
    series = []
    for run in runs:
        is_guided = bool(run.points("kl"))
        for figure, name, dash in (
            ("exact", "posterior accuracy", (6, 3)),
            ("prior_valid", "prior validity" if is_guided else "validity", ()),
        ):
            if run.points(figure) and (is_guided or figure != "exact"):
                whole = name if len(runs) == 1 else f"{run.name}, {name}"
                series.append(Series(whole, _points(run, figure, name, is_share=True), dash=dash))
    return Plot(
        "posterior-and-prior",
        "With the answer in sight (posterior accuracy) and without it (prior validity), while the net "
        "is trained.",
        "The table holds what stood at the end.",
        "update",
        "answers",
        tuple(series),
        "curve",
        are_shares=True,
    )


def _points(
    run: RecursionRun, figure: str, name: str, *, is_share: bool = False
) -> tuple[Point, ...]:
    write = percent if is_share else amount
    return tuple(
        Point(x, y, said=f"{run.name}, update {x:.0f}\n{name} {write(y)}")
        for x, y in run.points(figure)
    )
