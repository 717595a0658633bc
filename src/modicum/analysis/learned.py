"""The rule of what only tuning reaches: sealed, taught, or learned and what that may stand for."""

from dataclasses import replace

from modicum.analysis.case import (
    HIDDEN,
    LEARNING_RATIO,
    UNLOCKED,
    Ability,
    Case,
    Word,
    answered,
    labels_of,
    recovers,
    undecided,
)
from modicum.analysis.evidence import Twin
from modicum.analysis.pairing import over_problems, paired
from modicum.analysis.readings import RungReading, twin_gap
from modicum.analysis.sampling import SMALLEST_ABILITY

__all__ = ["learned"]


def learned(case: Case) -> Ability | None:
    """Say sealed, taught or learned where only tuning reaches it."""
    unlocking = sorted(
        (
            r
            for r in case.rungs
            if r.rung.is_tuned
            and r.is_above
            and not (case.sampled.state == "silent" and r.n_vetoes == 0)
            and recovers(r, UNLOCKED)
        ),
        key=lambda r: (r.rung.n_shots, r.rung.labels),
    )
    if not unlocking:
        return None
    first = unlocking[0]
    if case.sampled.state == "silent":
        # guessing hides what sampling reaches: what was tuned in may have been there
        return _taught(first, case) or _learned_from(first, case, ("latent", "sealed", "taught"))
    if not _is_hidden(case, first):
        return undecided(case, *_sampling_needs(case))
    return _sealed(unlocking, case) or _taught(first, case) or _unparted(unlocking, case)


def _sealed(unlocking: list[RungReading], case: Case) -> Ability | None:
    """Say sealed where a rung beats a twin that was tuned on sixteen times its labels."""
    for reading in unlocking:
        if _beats_learning_twin(reading, case):
            sentence = f"sealed: opened by {reading.rung.method} with {labels_of(reading)}"
            return answered(case, "sealed", sentence, rung=reading)
    return None


def _unparted(unlocking: list[RungReading], case: Case) -> Ability:
    """Say learned, or undecided where twins that could have told are too noisy to."""
    if any(_learning_twins(reading, case) for reading in unlocking):
        return undecided(
            case, "more seeds of tuning: the model without the ability is too noisy or too good"
        )
    return _learned_from(unlocking[0], case, ("sealed", "taught"))


def _taught(reading: RungReading, case: Case) -> Ability | None:
    if not _is_taught(reading, case):
        return None
    sentence = f"taught by {reading.rung.method} with {labels_of(reading)}"
    return answered(case, "taught", sentence, rung=reading)


def _learned_from(reading: RungReading, case: Case, candidates: tuple[Word, ...]) -> Ability:
    """Say learned, and which words it may stand for."""
    *others, last = candidates
    sentence = f"learned from {labels_of(reading)}: {', '.join(others)} or {last}"
    return replace(answered(case, "learned", sentence, rung=reading), candidates=candidates)


def _is_hidden(case: Case, reading: RungReading) -> bool:
    """Say whether sampling does not reach what a rung opens.

    Samples must be enough to exclude the smallest ability on half of the problems; and what they
    reach above luck must be a small part of what the rung opens, be that little: an ability on a
    share of the problems is sampled on that share.
    """
    samples = case.sampled
    if samples.state != "ruled_out":
        return False
    over_luck = over_problems(
        samples.hits - samples.luck_k, clusters=case.evidence.sampled_clusters
    )
    smallest = 0.5 * (1 - (1 - SMALLEST_ABILITY) ** samples.k)
    return over_luck.high < max(smallest, HIDDEN) * max(reading.gain.value, 0.0)


def _beats_learning_twin(reading: RungReading, case: Case) -> bool:
    """Say whether a rung scores above a twin that was tuned on 16 times as many labels."""
    enough = _learning_twins(reading, case)
    if not enough:
        return False
    twin = min(enough, key=lambda t: t.n_shots)
    clusters = case.evidence.clusters
    return paired(reading.rung.scores, twin.scores, clusters=clusters).low > 0


def _learning_twins(reading: RungReading, case: Case) -> list[Twin]:
    """Return the twins tuned on at least 16 times as many labels as a rung."""
    enough = LEARNING_RATIO * reading.rung.n_shots
    return [t for t in _twins(case, reading.rung.method) if t.n_shots >= enough]


def _is_taught(reading: RungReading, case: Case) -> bool:
    """Say whether a twin needs no more labels, or 16 times fewer had tied the control."""
    rung = reading.rung
    fewer = [
        r
        for r in case.rungs
        if r.rung.method == rung.method and LEARNING_RATIO * r.rung.n_shots <= rung.n_shots
    ]
    if any(r.rung.n_shots > 0 and r.is_tied for r in fewer):
        return True
    if case.ceiling is None:
        return False
    for twin in _twins(case, rung.method):
        if twin.n_shots <= rung.n_shots:
            gap = twin_gap(twin, case.evidence, case.sampled, case.ceiling, case.resamples)
            # Its lower bound need only exceed 0: a twin that learns nothing never gets here.
            if gap is not None and gap.low > 0 and gap.value >= UNLOCKED:
                return True
    return False


def _twins(case: Case, method: str) -> list[Twin]:
    """Return the twins tuned by a method."""
    return [twin for twin in case.evidence.twins if twin.method == method]


def _sampling_needs(case: Case) -> tuple[str, ...]:
    """Name what would tell latent from sealed."""
    if case.sampled.state == "silent":
        return ("a method without labels (cot_decoding): guessing hides what sampling reaches",)
    if case.sampled.state == "contested":
        return (
            "a method without labels (cot_decoding) or more samples: above chance, but not above "
            "the wrong-answer prior",
        )
    return ("more samples a problem: too few to rule a sampled ability out",)
