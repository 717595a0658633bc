"""What each method gained beyond its format and its reward, and what it is worth in plain samples."""

from dataclasses import dataclass
from typing import final

from modicum.analysis.section import Column, Section, SectionRow, SectionTable
from modicum.analysis.verdict import RungRow, Verdict
from modicum.reading import Material, Reading
from modicum.stats.written import worth

__all__ = ["SampleWorth", "worth_of"]

NOTE = (
    "Beyond format is the score minus that of the best arm whose reward, or data, has the right "
    "form and no content. From its reward is the score minus that of the arm whose reward is "
    "random. Worth is the number of samples of the plain model at which their majority, or the "
    "best of them (pass@k), is as accurate; neither is corrected for guessing. One sample is the "
    "accuracy of the nudged model at temperature 1. Brackets are 95 % intervals."
)
COLUMNS = (
    Column("method"),
    Column("beyond format", "share"),
    Column("from its reward", "share"),
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
    return Section("What it is worth", tables=(table,), is_core=True)


def _row(row: RungRow) -> SectionRow:
    known = row.worth
    worths = (known.votes, known.samples) if known is not None else ()
    said = [worth(figure, known.largest) for figure in worths if known is not None]
    trained = None if row.scalars is None else float(row.scalars)
    return SectionRow(
        (row.name, row.beyond_format, row.reward_attributable, *said, row.sampled, trained)
    )
