"""A list of studies for the terminal: a line a folder, and one below it for each model on each task."""

from collections.abc import Sequence
from datetime import datetime

from modicum.cli.columns import columns
from modicum.cli.terminal import Paint
from modicum.report.untrusted import visible
from modicum.running.listing import ListedStudy, ListedSubject
from modicum.stats import Figure
from modicum.stats.written import percent, percents

__all__ = ["runs_text"]

_NONE = "–"
"""Stands where there is nothing."""


def runs_text(studies: Sequence[ListedStudy], width: int, paint: Paint) -> str:
    """Return the list, each line within the width.

    What sets a verdict apart stands on a line below it; so does the accuracy
    where the names leave no room.

    Args:
        studies: In the order in which they are told.
        width: Most columns.
        paint: Colours the words of ability.
    """
    head = ("", "ability", "task on model", "accuracy [95 %]", "labels")
    rows = [head, *(_row(subject) for study in studies for subject in study.subjects)]
    is_wide = sum(max(map(len, cells)) + 2 for cells in zip(*rows, strict=True)) - 2 <= width
    shown = rows if is_wide else [(*row[:3], *row[4:]) for row in rows]
    lines = columns(shown, right=(len(shown[0]) - 1,), elastic=(2,), width=width)
    found, left = [lines[0]], iter(zip(lines[1:], rows[1:], strict=True))
    for study in studies:
        found += _heading(study, width)
        for subject in study.subjects:
            (line, row), word = next(left), subject.ability.upper()
            found.append(line.replace(word, paint.ability(subject.ability, word), 1))
            below = [visible(subject.variant), "" if is_wide else row[3].replace(_NONE, "")]
            found += [_cut(f"    {text}", width) for text in below if text]
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
    accuracy = _NONE
    if subject.floor is not None:
        accuracy = _accuracy(subject.floor, subject.floor_interval)
        if subject.best is not None and subject.best > subject.floor:
            accuracy += f" → {_accuracy(subject.best, subject.best_interval)}"
    word = subject.ability.upper() or "no verdict"
    labels = _NONE if subject.labels is None else f"{subject.labels:,}"
    return "", word, visible(title), accuracy, labels


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _accuracy(value: float, interval: tuple[float, float] | None) -> str:
    """Write an accuracy with its interval."""
    if interval is None:
        return percent(value)
    return percents(Figure(value, *interval, 0))
