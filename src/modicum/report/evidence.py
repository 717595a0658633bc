"""Links from statements to the trials behind them, and the table of trials they lead to."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from modicum.analysis.printed import control_name
from modicum.analysis.verdict import RungRow, Verdict
from modicum.report import words
from modicum.report.markup import Markup, element, join
from modicum.store.database import Outcome

__all__ = ["anchor", "behind", "cited", "trials_of", "trials_table"]


def anchor(name: str) -> str:
    """Return a text as the name of an anchor."""
    return re.sub(r"[^0-9A-Za-z_-]+", "-", name) or "-"


def cited(ids: Iterable[str], label: str = "") -> Markup:
    """Return links to trials, each by the head of its id; the label goes before them."""
    links = [
        element("a", trial[:4], href=f"#trial-{anchor(trial)}", title=f"trial {trial}")
        for trial in dict.fromkeys(ids)
    ]
    if not links:
        return Markup("")
    return element("span", f"{label} " if label else "", join(links, " "), class_="cited")


def behind(verdict: Verdict, name: str) -> tuple[str, ...]:
    """Return the trials behind a rung of that name, or behind every budget of that method."""
    return tuple(t for r in verdict.rungs if name in (r.name, r.method) for t in r.trials)


def trials_of(verdicts: Sequence[Verdict]) -> list[str]:
    """Return every trial that some verdict rests on, once, in order."""
    found: dict[str, None] = {}
    for verdict in verdicts:
        found.update(dict.fromkeys(verdict.trials.values()))
        for row in verdict.rungs:
            found.update(dict.fromkeys(_row_trials(row)))
    return list(found)


def trials_table(
    verdicts: Sequence[Verdict], stored: Mapping[str, Outcome], folder: Path, path: Path
) -> Markup:
    """Return the table of all trials: those that verdicts rest on, then the rest of the store.

    Args:
        verdicts: What the report says.
        stored: Outcomes by id, without their answers.
        folder: Folder of the study.
        path: Where the report will lie; links to artefacts are relative to it.
    """
    ids = list(dict.fromkeys([*trials_of(verdicts), *stored]))
    heads = ("trial", "task", "model", "method", "shots", "seed", "control", "status", "nudge")
    head = element("thead", element("tr", *(element("th", h, scope="col") for h in heads)))
    rows = [_row(trial, stored.get(trial), folder, path) for trial in ids]
    return element("table", head, element("tbody", *rows), class_="trials")


def _row(trial: str, outcome: Outcome | None, folder: Path, path: Path) -> Markup:
    name = element("th", trial, scope="row", class_="id")
    here = f"trial-{anchor(trial)}"
    if outcome is None:
        return element("tr", name, element("td", "not in the store", colspan=8), id=here)
    known = outcome.trial
    cells = (
        element("td", known.task),
        element("td", known.model),
        element("td", known.method, class_="id"),
        element("td", str(known.n_shots), class_="figure"),
        element("td", str(known.seed), class_="figure"),
        element("td", control_name(known.control)),
        _status(outcome),
        element("td", _artefact(outcome, folder, path)),
    )
    return element("tr", name, *cells, id=here)


def _status(outcome: Outcome) -> Markup:
    if not outcome.error:
        spent = [d.get("seconds", 0.0) for d in (outcome.elicitation, outcome.serving)]
        return element("td", f"done, {words.duration(sum(spent))}")
    first = outcome.error.splitlines()[0]
    return element("td", element("strong", "failed"), f": {first}", class_="failed")


def _artefact(outcome: Outcome, folder: Path, path: Path) -> Markup | str:
    """Return a link to the nudge's folder, only where it lies inside of the study's."""
    if not outcome.artefact:
        return ""
    place = Path(os.path.normpath(folder / outcome.artefact))
    if not place.is_relative_to(os.path.normpath(folder)):
        return ""
    relative = Path(os.path.relpath(place, path.parent)).as_posix()
    return element("a", "folder", href=f"{quote(relative)}/")


def _row_trials(row: RungRow) -> list[str]:
    return [*row.trials, *(t for ids in row.control_trials.values() for t in ids)]
