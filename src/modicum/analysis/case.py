"""One study's evidence with all that was read from it, and the answer that a rule gives."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from modicum.analysis.evidence import Evidence
from modicum.analysis.gap import GapTop
from modicum.analysis.printed import data_text
from modicum.analysis.readings import RungReading
from modicum.analysis.sampling import SampledEvidence
from modicum.stats import Figure, Resamples

__all__ = [
    "HIDDEN",
    "LEARNING_RATIO",
    "RULES",
    "SHOWN",
    "UNLOCKED",
    "UNREAD_NEED",
    "UNTRAINED",
    "Ability",
    "Case",
    "Word",
    "answered",
    "labels_of",
    "recovers",
    "undecided",
]

RULES = 2
"""Version of these rules and of what to ship; verdicts of other versions say so."""
SHOWN = 0.8
"""Share of the ceiling that the default must reach to be called shown."""
UNLOCKED = 0.5
"""Share of the gap that a rung must recover to be called unlocking it."""
HIDDEN = 0.25
"""Share of what a rung opens that sampling may reach where it is to be called hidden from it."""
UNTRAINED = "undecided: a net that had learned nothing has no ability to unlock, and none is named"
"""The sentence of a study in which a net learns from nothing."""
UNREAD_NEED = "answers that can be read"
"""How the need begins where too many answers could not be read."""
LEARNING_RATIO = 16
"""How many times more labels a twin of equal learnability gets in the test for sealed."""

Word: TypeAlias = Literal["shown", "latent", "sealed", "learned", "taught", "absent", "undecided"]
"""The JSON words of ability."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Ability:
    """One word on an ability with its share, and everything it was read from."""

    word: Word
    """The JSON word."""
    sentence: str
    """The word as a sentence's head, such as `latent, unlocked by fine_tune with 4 labels`."""
    share: Figure | None
    """Shown: default / ceiling. Latent, sealed, learned, taught: gap recovered by the rung; its gain
    over the floor where it is the ceiling itself; the corrected ceiling where none recovers it. Absent:
    gain over the veto control."""
    unlocked_by: str | None
    """Method that unlocks it, or None."""
    n_shots: int | None
    """Its budget; for absent the largest budget at which tuning is tied with its control."""
    labels: int | None
    """Labels that this took."""
    unlabelled: int
    """Questions without labels that it took."""
    needs: tuple[str, ...]
    """What would decide it; empty unless undecided."""
    sampled: SampledEvidence
    """What sampling says by itself."""
    ceiling: GapTop | None
    """Top of the gap, or None where there is no gap to recover."""
    rungs: tuple[RungReading, ...]
    """All rungs, read, in the order given."""
    candidates: tuple[Word, ...] = ()
    """Of learned: the words that it may stand for."""


@dataclass(frozen=True, eq=False)
class Case:
    """The evidence with all that was read from it."""

    evidence: Evidence
    sampled: SampledEvidence
    ceiling: GapTop | None
    rungs: tuple[RungReading, ...]
    resamples: Resamples


def recovers(reading: RungReading, share: float) -> bool:
    """Say whether the lower bound of the gap recovered reaches a share (0: exceeds it).

    The rung that is the ceiling reaches every share of it, as far as it is above the floor.
    """
    if reading.gap is None:
        return False
    if reading.is_ceiling:
        return reading.gain.low > 0
    return reading.gap.low >= share if share > 0 else reading.gap.low > 0


def labels_of(reading: RungReading) -> str:
    """Write a count of labels, with that of questions without any."""
    return data_text(reading.rung.labels, reading.rung.unlabelled)


def undecided(case: Case, *needs: str) -> Ability:
    """Return undecided with what would decide it."""
    return answered(case, "undecided", "undecided: needs " + "; ".join(needs), needs=needs)


def answered(
    case: Case,
    word: Word,
    sentence: str,
    *,
    share: Figure | None = None,
    rung: RungReading | None = None,
    needs: tuple[str, ...] = (),
) -> Ability:
    """Put an answer together."""
    is_unlocked = rung is not None and word != "absent"
    if share is None and rung is not None:
        share = rung.gain if rung.is_ceiling else rung.gap
    return Ability(
        word=word,
        sentence=sentence,
        share=share,
        unlocked_by=rung.rung.method if rung is not None and is_unlocked else None,
        n_shots=rung.rung.n_shots if rung is not None else None,
        labels=rung.rung.labels if rung is not None else None,
        unlabelled=rung.rung.unlabelled if rung is not None else 0,
        needs=needs,
        sampled=case.sampled,
        ceiling=case.ceiling,
        rungs=case.rungs,
    )
