"""What is known of the model behind a verdict, from the notes of all its outcomes."""

from collections.abc import Mapping, Sequence
from typing import cast

from modicum.analysis.gather import Gathered
from modicum.store import Outcome

__all__ = ["notes_of", "nudged"]


def notes_of(found: Gathered) -> tuple[str, ...]:
    """What is known of the model, and which styles it could not be asked in."""
    card = _card(found.floor)
    known = (card.get("name"), card.get("weights"))
    cards = map(_card, (found.floor, found.default, found.samples, *nudged(found)))
    # what was learnt of a server in the middle of a study stands in later cards alone
    own = [c["notes"] for c in cards if (c.get("name"), c.get("weights")) == known and "notes" in c]
    said = list(dict.fromkeys(str(note) for notes in own for note in cast(Sequence[str], notes)))
    if card.get("licence"):
        said.append(f"weights under {card['licence']}")
    skipped = found.floor.notes.get("skipped_styles", [])
    if isinstance(skipped, list) and skipped:
        said.append(f"styles that it cannot be asked in: {', '.join(map(str, skipped))}")
    if found.text is not None and not found.text.text_loss:
        said.append("held-out text left out (cannot be encoded)")
    n, of = len(found.samples.answers), len(found.problems)
    if n < of:
        said.append(f"sampled and branched on the first {n} of {of} test problems")
    return tuple(map(str, said))


def _card(outcome: Outcome) -> Mapping[str, object]:
    """What was known of the model when an outcome was stored.

    Raises:
        TypeError: no table.
    """
    card = outcome.notes.get("model", {})
    if not isinstance(card, Mapping):
        raise TypeError(card)
    return card


def nudged(found: Gathered) -> list[Outcome]:
    """Every outcome behind the subject but the measures."""
    outcomes = [o for arm in found.arms for o in (*arm.outcomes, *arm.scrambled)]
    outcomes += [o for arm in found.arms for drawn in arm.own_controls.values() for o in drawn]
    outcomes += [o for arm in found.twin_arms for o in arm.outcomes]
    return outcomes + [o for o in (found.forced, found.reference) if o is not None]
