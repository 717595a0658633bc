"""All of an outcome but its identity, answers and error, as one table of plain values, and back.

The names are those that every version has written: what a folder holds is read by all of them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TypeVar

from modicum.model import ModelCard
from modicum.outcome import (
    CompletedQuestion,
    Lost,
    MarkedAgain,
    Outcome,
    Sampled,
    Selected,
    Styles,
    ThinkingEnds,
)
from modicum.plain import JsonObject, JsonValue, plain, thawed
from modicum.types import Style, Trial

__all__ = ["outcome_of", "summary_of"]

T = TypeVar("T")

_Table = JsonObject
"""A table as JSON gave it."""


@dataclass(frozen=True)
class _Summary:
    """The stored table; studies of before the held-out text have no losses."""

    elicitation: Mapping[str, float]
    serving: Mapping[str, float]
    retention: Mapping[str, tuple[bool, ...]]
    notes: _Table
    artefact: str
    text_loss: tuple[float, ...] = field(default=())


def summary_of(outcome: Outcome) -> dict[str, JsonValue]:
    """Return an outcome's table."""
    return {
        "elicitation": plain(outcome.elicitation),
        "serving": plain(outcome.serving),
        "retention": plain(outcome.retention),
        "text_loss": plain(outcome.text_loss),
        "notes": _notes_of(outcome),
        "artefact": outcome.artefact,
    }


def outcome_of(trial: Trial, values: _Table, error: str = "") -> Outcome:
    """Return the outcome of a table, without its answers.

    Raises:
        TypeError: something that is no such table.
    """
    kept = thawed(_Summary, values, "summary")
    notes, listed = kept.notes, _found(kept.notes, "styles", tuple[str, ...])
    skipped = _found(notes, "skipped_styles", tuple[str, ...])
    return Outcome(
        trial=trial,
        elicitation=kept.elicitation,
        serving=kept.serving,
        retention=kept.retention,
        text_loss=kept.text_loss,
        completed=_completed(notes["completed"]) if "completed" in notes else (),
        card=_card(notes["model"]) if "model" in notes else None,
        asked_in=_found(notes, "style", Style),
        styles=None if listed is None else Styles(listed, skipped or ()),
        sampled=_found(notes, "sampled", Sampled),
        selected=_found(notes, "selected", Selected),
        thinking=_found(notes, "thinking", ThinkingEnds),
        lost=_found(notes, "unmarked", Lost),
        marked_again=_marked_again(notes["renewed"]) if "renewed" in notes else None,
        sources=_found(notes, "sources", dict[str, str]) or {},
        made=_found(notes, "nudge", dict[str, JsonValue]) or {},
        artefact=kept.artefact,
        error=error,
    )


def _notes_of(outcome: Outcome) -> dict[str, JsonValue]:
    """Return what is known of a trial beside its figures; nothing of what is not known."""
    styles, again = outcome.styles, outcome.marked_again
    notes = {
        "styles": None if styles is None else styles.asked,
        "skipped_styles": None if styles is None else styles.skipped,
        "thinking": outcome.thinking,
        "completed": outcome.completed or None,
        "sampled": outcome.sampled,
        "selected": outcome.selected,
        "unmarked": outcome.lost,
        "style": outcome.asked_in,
        "sources": outcome.sources or None,
        "model": outcome.card,
        "nudge": outcome.made or None,
        "renewed": None
        if again is None
        else {
            "from": again.earlier,
            "right": (again.before, again.now),
            "retain": again.is_damage_old,
        },
    }
    return {name: plain(value) for name, value in notes.items() if value is not None}


def _found(notes: _Table, name: str, kind: type[T]) -> T | None:
    return thawed(kind, notes[name], name) if name in notes else None


def _card(value: object) -> ModelCard:
    """Return a model's card; one of another version may lack entries, and hold others.

    Raises:
        TypeError: no card, or a number that is none.
    """
    known = {each.name for each in fields(ModelCard)}
    least = {"weights": "", "parameters": 0, "flops_per_token": 0.0}
    said = {**least, **thawed(dict[str, JsonValue], value, "model")}
    card = thawed(ModelCard, {name: one for name, one in said.items() if name in known}, "model")
    if not all(map(math.isfinite, (card.parameters, card.flops_per_token, card.rows))):
        raise TypeError("a number of a model's card that is none")
    return card


def _completed(value: object) -> tuple[CompletedQuestion, ...]:
    """Return how questions were completed.

    Raises:
        TypeError: something else, or an overlap that is no share.
    """
    found = thawed(tuple[CompletedQuestion, ...], value, "completed")
    seen = [each for one in found for each in (one.own, one.other, one.altered) if each is not None]
    if not all(0 <= each.overlap <= 1 for each in seen):
        raise TypeError("completed: an overlap outside of 0 to 1")
    return found


def _marked_again(value: object) -> MarkedAgain:
    """Return what moved when texts were marked again.

    Raises:
        TypeError: something else.
    """
    values = thawed(dict[str, JsonValue], value, "renewed")
    before, now = thawed(tuple[int, int], values.get("right"), "renewed.right")
    earlier = thawed(str, values.get("from", ""), "renewed.from")
    return MarkedAgain(earlier, before, now, bool(values.get("retain")))
