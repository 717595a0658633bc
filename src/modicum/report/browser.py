"""The searchable browser of answers: its frame in the page, and what it says of itself."""

import html
from importlib import resources
from pathlib import Path
from string import Template

from modicum.report import words
from modicum.report.markup import Markup, element
from modicum.report.rows import Rows
from modicum.report.untrusted import visible

__all__ = ["browser"]


def browser(rows: Rows, folder: Path) -> Markup:
    """Return the frame that a script fills, or says that no answer is stored.

    Args:
        rows: What the page holds.
        folder: The study's folder, for the command that shows what the page leaves out.
    """
    if not rows.stored:
        none = element("p", "No trial of this study has stored answers.", class_="note")
        return element(
            "section", element("h2", "Every answer"), none, id="answers", class_="browser"
        )
    frame = resources.files("modicum.report").joinpath("browser.html").read_text(encoding="utf-8")
    name = html.escape(visible(str(folder)))
    return Markup(Template(frame).substitute(folder=name, said=html.escape(_said(rows))))


def _said(rows: Rows) -> str:
    """Say how many answers the page holds, what it leaves out, and where the rest is."""
    trials = words.count(len(rows.arms))
    if rows.kept >= rows.stored:
        whole = f"All {words.count(rows.stored)} answers of {trials} trials."
        return f"{whole} Texts above {rows.cap.text:,} characters show their head and tail."
    if not rows.kept:
        stored = words.count(rows.stored)
        return f"None of the {stored} answers fit beside the rest; `modicum show` prints them."
    parts = []
    if rows.cap.samples is not None:
        most = rows.cap.samples
        parts.append(f"the first {most} samples of a problem" if most > 1 else "the final answer")
    if rows.cap.problems is not None:
        parts.append(f"the first {rows.cap.problems} problems of a task")
    kept = ", of ".join(parts) or "the first answers"
    return (
        f"{words.count(rows.kept)} of {words.count(rows.stored)} answers of {trials} trials: {kept}, "
        f"so that the page stays small; texts above {rows.cap.text:,} characters show their head "
        "and tail. The command under each answer shows the rest."
    )
