"""The second model: its score, and the problems on which it and sampling disagree."""

from modicum.report import words
from modicum.report.evidence import cited
from modicum.report.markup import Markup, element, join
from modicum.verdict import Verdict

__all__ = ["reference"]


def reference(verdict: Verdict) -> Markup:
    """Gives the section on the second model, every disagreeing problem named; else nothing."""
    known = verdict.reference
    if known is None:
        return Markup("")
    said = words.reference(verdict, most=0)
    lists = (
        (f"Solved by the reference and by none of {known.samples} samples", known.beyond_samples),
        ("Solved by some sample and not by the reference", known.samples_beyond),
    )
    return join(
        [
            element("h3", "A second model as yardstick"),
            element("p", f"{said[:1].upper()}{said[1:]}. ", cited([known.trial], "trial")),
            *(_listed(title, ids) for title, ids in lists if ids),
            element("p", "A sample among many may be right by luck.", class_="note"),
        ]
    )


def _listed(title: str, ids: tuple[str, ...]) -> Markup:
    summary = element("summary", f"{title}: {len(ids)}")
    return element("details", summary, element("p", ", ".join(ids)), class_="small")
