"""A list of studies for the terminal: a line a folder, and one below it for each model on each task."""

from collections.abc import Sequence
from datetime import datetime

from modicum.cli.columns import columns
from modicum.cli.terminal import Paint
from modicum.report.untrusted import visible
from modicum.running.listing import ListedStudy, ListedSubject
from modicum.stats.written import percent

__all__ = ["runs_text"]

_NONE = "–"
"""Stands where there is nothing."""


def runs_text(studies: Sequence[ListedStudy], width: int, paint: Paint) -> str:
    """Return the list, each line within the width.

    Args:
        studies: In the order in which they are told.
        width: Most columns.
        paint: Colours the words of ability.
    """
    head = ("", "ability", "task on model", "accuracy", "labels")
    rows = [head, *(_row(subject) for study in studies for subject in study.subjects)]
    lines = columns(rows, right=(4,), elastic=(2,), width=width)
    found, left = [lines[0]], iter(lines[1:])
    for study in studies:
        found += _heading(study, width)
        for subject in study.subjects:
            line, word = next(left), subject.ability.upper()
            found.append(line.replace(word, paint.ability(subject.ability, word), 1))
    return "\n".join(found)


def _heading(study: ListedStudy, width: int) -> list[str]:
    """Return the folder, and when it ended or what is missing; on two lines where one is too narrow."""
    place = visible(str(study.folder))
    facts = _state(study)
    if len(place) + 2 + len(facts) <= width:
        return [f"{place}  {facts}"]
    return [place, f"  {facts}"[:width]]


def _state(study: ListedStudy) -> str:
    if study.error:
        return f"cannot be read: {visible(study.error)}"
    when = datetime.fromisoformat(study.ended).astimezone().strftime("%Y-%m-%d %H:%M")
    parts = [when]
    if not study.missing:
        parts.append("complete" if study.trials else "nothing counted yet")
    else:
        parts.append(f"{study.trials - study.missing} of {study.trials} trials")
    if study.failed:
        parts.append(f"{study.failed} failed")
    return " · ".join(parts)


def _row(subject: ListedSubject) -> tuple[str, ...]:
    title = f"{subject.task} on {subject.model}"
    title += f" ({subject.variant})" if subject.variant else ""
    accuracy = _NONE
    if subject.floor is not None:
        accuracy = percent(subject.floor)
        if subject.best is not None and subject.best > subject.floor:
            accuracy += f" → {percent(subject.best)}"
    word = subject.ability.upper() or "no verdict"
    labels = _NONE if subject.labels is None else f"{subject.labels:,}"
    return "", word, visible(title), accuracy, labels
