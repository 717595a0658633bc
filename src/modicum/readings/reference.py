"""A second model as yardstick: its score, and the problems on which it and sampling disagree."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from modicum.analysis.section import Listing, Section
from modicum.analysis.verdict import Reference, Verdict
from modicum.reading import Material, Reading
from modicum.stats.written import percents

__all__ = ["Yardstick", "reference_section"]

NAMED = 3
"""Problems that the terminal names of each kind."""


@final
@dataclass(frozen=True)
class Yardstick(Reading):
    """A sentence, and every problem on which the two disagree."""

    def read(self, found: Material) -> Section | None:
        """Return what the second model scores; None where none was asked for, or it failed."""
        return reference_section(found.verdict)


def reference_section(verdict: Verdict) -> Section | None:
    """Return what a verdict says of its second model; None where it has none."""
    known = verdict.reference
    if known is None:
        return None
    said = _said(verdict, known, most=0)
    lists = (
        (f"Solved by the reference and by none of {known.samples} samples", known.beyond_samples),
        ("Solved by some sample and not by the reference", known.samples_beyond),
    )
    return Section(
        "A second model as yardstick",
        (f"{said[:1].upper()}{said[1:]}.",),
        (known.trial,),
        tuple(Listing(title, ids, is_folded=True) for title, ids in lists if ids),
        note="A sample among many may be right by chance.",
        brief=_said(verdict, known, most=NAMED),
        is_core=True,
    )


def _said(verdict: Verdict, known: Reference, *, most: int) -> str:
    """Say what the second model scores and on how many problems it and sampling disagree.

    Args:
        verdict: What to say it of.
        known: Its second model.
        most: Ids that each count brings along; 0 for none.
    """
    said = [f'reference {known.model} {percents(known.score)} (style "{known.style}")']
    if known.beyond_samples:
        said.append(
            f"it solves {_problems(known.beyond_samples, most)} that none of {known.samples} "
            "samples solves"
        )
    if known.samples_beyond:
        said.append(f"some sample solves {_problems(known.samples_beyond, most)} that it does not")
    if len(said) == 1:
        said.append("it and sampling solve the same problems")
    if verdict.rungs and all(row.gap_against_reference is None for row in verdict.rungs):
        said.append("it is not above the floor, so that there is no gap to it")
    return "; ".join(said)


def _problems(ids: Sequence[str], most: int) -> str:
    """Counts problems and names the first few."""
    named = ", ".join(ids[:most]) + (", …" if len(ids) > most else "")
    return f"{len(ids)} problem{'s' * (len(ids) != 1)}" + (f" ({named})" if most else "")
