"""What is known of the model behind a verdict, from the notes of all its outcomes."""

from collections.abc import Iterable

from modicum.analysis.gather import Gathered
from modicum.analysis.measured import FixedPrompt
from modicum.model import ModelCard
from modicum.store.database import Outcome
from modicum.study.plan import Subject

__all__ = ["fixed_prompt", "notes_of", "nudged"]


def fixed_prompt(subjects: Iterable[Subject]) -> FixedPrompt | None:
    """Return that the user's prompt is fixed, with what was left out for it; None where it is not."""
    fixed = [subject for subject in subjects if subject.plan.styles == "own"]
    names = dict.fromkeys(name for subject in fixed for name in subject.replaced())
    return FixedPrompt(tuple(names)) if fixed else None


def notes_of(found: Gathered) -> tuple[str, ...]:
    """What is known of the model, and which styles it could not be asked in."""
    card = found.floor.card
    outcomes = (found.floor, found.default, found.samples, *nudged(found))
    # what was learnt of a server in the middle of a study stands in later cards alone
    cards = [o.card for o in outcomes if o.card is not None and _is_of(o.card, card)]
    said = list(dict.fromkeys(note for one in cards for note in one.notes))
    if card is not None and card.licence:
        said.append(f"weights under {card.licence}")
    if found.floor.styles is not None and found.floor.styles.skipped:
        said.append(f"styles that it cannot be asked in: {', '.join(found.floor.styles.skipped)}")
    if found.text is not None and not found.text.text_loss:
        said.append("held-out text left out (cannot be encoded)")
    said += _not_completed(found)
    n, of = len(found.samples.answers), len(found.problems)
    if n < of:
        said.append(f"sampled and branched on the first {n} of {of} test problems")
    return tuple(said)


def _not_completed(found: Gathered) -> list[str]:
    """Say why nothing is known of contamination where a pre-trained model is studied."""
    if found.subject.completed() is None or (found.completed and found.completed.completed):
        return []
    if found.completed is None:
        return ["contamination not measured so far"]
    return [
        "contamination not measured: no question is long enough, or only chat messages are taken"
    ]


def _is_of(card: ModelCard, other: ModelCard | None) -> bool:
    """Whether two cards are of one model; later ones may know more of it."""
    return other is not None and (card.name, card.weights) == (other.name, other.weights)


def nudged(found: Gathered) -> list[Outcome]:
    """Every outcome behind the subject but the measures."""
    outcomes = [o for arm in found.arms for o in (*arm.outcomes, *arm.scrambled)]
    outcomes += [o for arm in found.arms for drawn in arm.own_controls.values() for o in drawn]
    outcomes += [o for arm in found.twin_arms for o in arm.outcomes]
    return outcomes + [o for o in (found.forced, found.reference) if o is not None]
