"""Whether test questions are known by heart: how well they are completed from their first words."""

from dataclasses import dataclass
from typing import final

from modicum.analysis.contamination import told, warning
from modicum.analysis.section import Column, Listing, Section, SectionRow, SectionTable
from modicum.analysis.verdict import Contamination, Verdict
from modicum.reading import Material, Reading
from modicum.stats import Figure
from modicum.stats.written import percent, percents

__all__ = ["Completed", "contamination_section"]

COLUMNS = (Column("completed from"), Column("word for word", "share"), Column("overlap", "share"))
NOTE = (
    "The first words of a test question are given alone, without template or instruction, and the model "
    "goes on greedily for as long as the rest is. Overlap is ROUGE-L with the true rest. The control is the "
    "same question with other numbers, or another question's rest where that agrees more: templated "
    "questions are completed there too. A question whose wording is known, whatever its numbers, counts for "
    "the control as well, so that the difference is a lower bound. What follows from the first words can be "
    "answered from them without any memory."
)


@final
@dataclass(frozen=True)
class Completed(Reading):
    """A sentence, a table of the questions and their control, and what is known by heart."""

    def read(self, found: Material) -> Section | None:
        """Return how well test questions are completed; None where that was not measured."""
        return contamination_section(found.verdict)


def contamination_section(verdict: Verdict) -> Section | None:
    """Return what a verdict says of contamination; None where it was not measured."""
    found = verdict.contamination
    if found is None:
        return None
    said = told(found)
    answered = _answered(found)
    sentences = (
        f"{_capital(warning(found) or said)}.",
        *([f"{_capital(answered)}."] if answered else []),
    )
    rows = (
        _row("the question's first words", found.exact, found.overlap),
        _row("control", found.exact_control, found.overlap_control, is_below=True),
        _row("difference", found.exact_over_control, found.overlap_over_control, is_below=True),
    )
    title = "Completed word for word, and its control not"
    return Section(
        "Contamination",
        sentences,
        (found.trial,),
        (Listing(title, found.known, is_folded=True),) if found.known else (),
        (SectionTable("Contamination", COLUMNS, rows),),
        note=NOTE,
        brief="; ".join(filter(None, (said, answered))),
        is_core=True,
    )


def _answered(found: Contamination) -> str:
    """Say how many are answered without their rest; empty where that was not asked."""
    if found.answered is None or found.answered_whole is None:
        return ""
    whole = percent(found.answered_whole.value)
    return f"answered from these words alone {percents(found.answered)}, asked whole {whole}"


def _row(name: str, exact: Figure, overlap: Figure | None, *, is_below: bool = False) -> SectionRow:
    """Return a row of the report's table; the terminal has all of it in one line."""
    return SectionRow((name, exact, overlap), is_below=is_below, only="report")


def _capital(said: str) -> str:
    return f"{said[:1].upper()}{said[1:]}"
