"""What each method gained beyond its format and its reward, and what it is worth in plain samples."""

from dataclasses import dataclass
from typing import final

from modicum.analysis.printed import method_name
from modicum.analysis.section import Column, Section, SectionRow, SectionTable
from modicum.analysis.verdict import RungRow, Verdict
from modicum.reading import Material, Reading
from modicum.stats.written import worth

__all__ = ["SampleWorth", "worth_of"]

NOTE = (
    "Beyond format: accuracy minus that of the same training on correctly formatted but wrong "
    "answers, in points; above 0, more than the format was learned. From its reward: accuracy minus "
    "that of the same training with random rewards, in points. Majority of N and best of N: how many "
    "samples of the plain model are as accurate when they vote, or when one of them is right "
    "(pass@k); neither is corrected for guessing. One sample: accuracy at temperature 1. Brackets "
    "are 95 % intervals."
)
COLUMNS = (
    Column("method"),
    Column("beyond format", "points"),
    Column("from its reward", "points"),
    Column("majority of N"),
    Column("best of N"),
    Column("one sample", "share"),
    Column("numbers trained", "count"),
)


@final
@dataclass(frozen=True)
class SampleWorth(Reading):
    """One table, a row a rung."""

    def read(self, found: Material) -> Section | None:
        """Return the table of all rungs; None where none was scored."""
        return worth_of(found.verdict)


def worth_of(verdict: Verdict) -> Section | None:
    """Return what the rungs of a verdict are worth; None where none was scored."""
    rows = tuple(map(_row, (row for row in verdict.rungs if row.worth is not None)))
    if not rows:
        return None
    brief = {column.title: column for column in COLUMNS[:5]}
    table = SectionTable("SampleWorth", COLUMNS, rows, note=NOTE, brief=brief)
    return Section("What it is worth in plain samples", tables=(table,), is_core=True)


def _row(row: RungRow) -> SectionRow:
    known = row.worth
    worths = (known.votes, known.samples) if known is not None else ()
    said = [worth(figure, known.largest) for figure in worths if known is not None]
    trained = None if row.scalars is None else float(row.scalars)
    return SectionRow(
        (
            method_name(row.name),
            row.beyond_format,
            row.reward_attributable,
            *said,
            row.sampled,
            trained,
        )
    )
