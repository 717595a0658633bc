"""What became of the length of answers where a method is to shorten them, over budgets of divergence."""

from dataclasses import dataclass
from typing import final

from modicum.analysis.printed import control_name
from modicum.analysis.section import Column, Section, SectionRow, SectionTable
from modicum.analysis.verdict import Lengths, RungRow, Verdict
from modicum.made import Budgeted
from modicum.reading import Material, Reading
from modicum.stats.written import duration, figure, multiple, percent, percents, points

__all__ = ["Shortened", "lengths_section"]

COLUMNS = (
    Column("nats a token"),
    Column("measured"),
    Column("bound"),
    Column("accuracy", "share"),
    Column("tokens"),
)
NOTE = (
    "On the shots of the first seed, in the layer that was chosen: budgets of divergence from "
    "the plain model, what was measured, what the closed form allows at most at that dose, "
    "and what it bought. The chosen budget is marked."
)


@final
@dataclass(frozen=True)
class Shortened(Reading):
    """A sentence and a table a rung that is to shorten answers."""

    def read(self, found: Material) -> Section | None:
        """Return what each such rung did; None where there is none."""
        return lengths_section(found.verdict)


def lengths_section(verdict: Verdict) -> Section | None:
    """Return what the rungs of a verdict that are to shorten answers did; None where there is none."""
    rows = [(row, row.lengths) for row in verdict.rungs if row.lengths is not None]
    if not rows:
        return None
    return Section(
        "Length of answers",
        tables=tuple(_table(row, read) for row, read in rows),
        brief="; ".join(_said(row, read) for row, read in rows),
        is_core=True,
    )


def _said(row: RungRow, read: Lengths) -> str:
    parts = [
        f"{read.before.value:.0f} → {read.after.value:.0f} tokens an answer, "
        f"{percents(read.saved)} saved",
        f"accuracy changed by {figure(read.difference, points)} points, "
        + ("equal" if read.is_equal else "not shown to be equal")
        + f" within ±{points(read.margin)} (equivalence test)",
        f"{read.chosen.kl:.2g} nats a token measured, bound {read.chosen.bound:.2g}",
    ]
    if read.seconds is not None:
        before, after = read.seconds
        parts.append(
            f"answered in {duration(before)} → {duration(after)}, "
            f"{multiple(before / after)} as fast (measured)"
        )
    parts += [
        f"control {control_name(name)} {of.value:.0f} tokens" for name, of in read.controls.items()
    ]
    return f"{row.name}: {', '.join(parts)}"


def _table(row: RungRow, read: Lengths) -> SectionTable:
    """Return what each budget bought on the shots, the plain model first."""
    plain = ("0", "0", "0", percent(read.plain[0]), f"{read.plain[1]:.1f}")
    rows = [plain, *(_cells(step, read.chosen) for step in read.frontier)]
    lines = tuple(SectionRow(cells, only="report") for cells in rows)
    return SectionTable("Budgets of divergence", COLUMNS, lines, f"{_said(row, read)}.", NOTE)


def _cells(step: Budgeted, chosen: Budgeted) -> tuple[str, ...]:
    mark = " ◂" if step == chosen else ""
    return (
        f"{step.budget:g}{mark}",
        f"{step.kl:.2g}",
        f"{step.bound:.2g}",
        percent(step.accuracy),
        f"{step.tokens:.1f}",
    )
