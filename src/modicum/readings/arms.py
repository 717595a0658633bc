"""Every method beside itself with other settings: accuracy, effect, effect elsewhere, what was trained."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from modicum.analysis.printed import method_name
from modicum.analysis.section import Cell, Column, Section, SectionRow, SectionTable
from modicum.analysis.verdict import ArmRow, RungRow, Verdict
from modicum.reading import Material, Reading
from modicum.stats import disagree
from modicum.stats.written import of_seeds

__all__ = ["Arms", "arms_of"]

NOTE = (
    "Each variant is the same method on the same shots with other settings. It helps or harms where "
    "the interval of its gain leaves out 0, by one sample where that was drawn, else greedily; "
    "it holds where the whole interval lies within 5 points. Gains and effects elsewhere are in points."
)
COLUMNS = (
    Column("method and its variants"),
    Column("labels", "count"),
    Column("numbers trained", "count"),
    Column("greedy", "share"),
    Column("over the floor", "points"),
    Column("one sample", "share"),
    Column("over plain sampling", "points"),
    Column("effect", "effect"),
    Column("effect elsewhere", "points"),
    Column("seeds", "count"),
    Column("trials", "trials"),
)
BRIEF = {
    "method and its variants": Column("method"),
    "labels": Column("labels", "count"),
    "numbers trained": Column("trained", "count"),
    "effect elsewhere": Column("elsewhere", "point"),
    "greedy": Column("greedy", "share"),
    "one sample": Column("sampled", "share"),
    "effect": Column("effect", "effect"),
}


@final
@dataclass(frozen=True)
class Arms(Reading):
    """One table, the arms of a rung below it."""

    def read(self, found: Material) -> Section | None:
        """Return the table of arms; None where no rung has any, was sampled, or counts what it trains."""
        return arms_of(found.verdict)


def arms_of(verdict: Verdict) -> Section | None:
    """Return the rungs of a verdict that have arms, each above them.

    The terminal names those that were sampled, or count what they train, as well.
    """
    rows = tuple(line for row in verdict.rungs for line in _lines(row))
    if not rows:
        return None
    table = SectionTable("Variants", COLUMNS, rows, note=NOTE, brief=BRIEF)
    return Section("Methods with other settings", tables=(table,), is_core=True)


def _lines(row: RungRow) -> Iterator[SectionRow]:
    for arm in row.arms:
        # a reward's own name says what it is, and the figures leave names little room
        brief = arm.name.replace("with reward=", "with ", 1)
        yield SectionRow(
            (arm.name or method_name(row.name), *_cells(arm)), is_below=bool(arm.name), brief=brief
        )
    if not row.arms and not (row.sampled is None and row.scalars is None):
        score = of_seeds(row.score.value, row.seed_scores) if disagree(row.seed_scores) else None
        cells = (method_name(row.name), row.labels, row.scalars, score or row.score)
        more = (None, row.sampled, None, "", row.damage, row.seeds, row.trials)
        yield SectionRow((*cells, *more), only="terminal")


def _cells(arm: ArmRow) -> tuple[Cell, ...]:
    return (
        arm.labels,
        arm.scalars,
        arm.score,
        arm.gain,
        arm.sampled,
        arm.sampled_gain,
        arm.gain if arm.sampled_gain is None else arm.sampled_gain,
        arm.damage,
        arm.seeds,
        arm.trials,
    )
