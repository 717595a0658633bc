"""The rule of ability: from the outcomes of a study to one word and its share.

The words are tried in order and the first that applies is said: *shown*, *latent*, *sealed*,
*learned* (sealed or taught) or *taught*, *absent*, *undecided*. The rule is written to name a
wrong word in at most one draw of twenty: where the evidence cannot carry a word, it says
*undecided* and what would decide it.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from modicum.analysis.evidence import Evidence, Twin
from modicum.analysis.gap import Ceiling, ceiling_figure, share_of_ceiling
from modicum.analysis.pairing import over_problems, paired, shared
from modicum.analysis.readings import (
    MARGIN,
    STRICT_LEVEL,
    RungReading,
    find_ceiling,
    is_forced_above,
    read_rungs,
    twin_gap,
    with_gap,
)
from modicum.analysis.sampling import Sampled, sampled
from modicum.stats import Figure, Resamples, resample

__all__ = [
    "LEARNING_RATIO",
    "SHOWN",
    "UNLOCKED",
    "Ability",
    "Word",
    "ability",
    "ability_from",
]

SHOWN = 0.8
"""Share of the ceiling that the default must reach to be called shown."""
UNLOCKED = 0.5
"""Share of the gap that a rung must recover to be called unlocking it."""
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
    """Shown: default / ceiling. Latent, sealed, learned, taught: gap recovered by the rung (the
    corrected ceiling where none recovers it). Absent: gain over the veto control."""
    unlocked_by: str | None
    """Method that unlocks it, or None."""
    n_shots: int | None
    """Its budget; for absent the largest budget at which tuning is tied with its control."""
    labels: int | None
    """Labels that this took."""
    needs: tuple[str, ...]
    """What would decide it; empty unless undecided."""
    sampled: Sampled
    """What sampling says by itself."""
    ceiling: Ceiling | None
    """Top of the gap, or None where there is no gap to recover."""
    rungs: tuple[RungReading, ...]
    """All rungs, read, in the order given."""


@dataclass(frozen=True, eq=False)
class _Case:
    """The evidence with all that was read from it."""

    evidence: Evidence
    sampled: Sampled
    ceiling: Ceiling | None
    rungs: tuple[RungReading, ...]
    resamples: Resamples


def ability(evidence: Evidence, rng: np.random.Generator, *, n_resamples: int = 2000) -> Ability:
    """Says which word of ability the evidence carries.

    Args:
        evidence: All outcomes of a study on one task and model.
        rng: Stream of the bootstrap.
        n_resamples: Resamples of the bootstrap.
    """
    problems, clusters = evidence.samples.gold.size, evidence.sampled_clusters
    draws = resample(rng, problems, clusters=clusters, n_resamples=n_resamples)
    return ability_from(evidence, draws)


def ability_from(evidence: Evidence, resamples: Resamples) -> Ability:
    """Says the word as `ability` does, on resamples that were drawn before.

    Args:
        evidence: All outcomes of a study on one task and model.
        resamples: Resamples of the sampled problems (and their clusters).
    """
    samples = sampled(evidence.samples, clusters=evidence.sampled_clusters)
    readings = read_rungs(evidence)
    ceiling = find_ceiling(evidence, samples, readings)
    rungs = tuple(with_gap(r, evidence, samples, ceiling, resamples) for r in readings)
    case = _Case(evidence, samples, ceiling, rungs, resamples)
    for rule in (_shown, _latent, _learned, _absent):
        answer = rule(case)
        if answer is not None:
            return answer
    return _undecided(case, *_missing(case))


def _shown(case: _Case) -> Ability | None:
    """Says shown, or undecided where default / ceiling straddles the limit."""
    evidence, samples = case.evidence, case.sampled
    guess = float(samples.luck_1.mean())
    default, luck_1, near_1 = shared(evidence.default, samples.luck_1, samples.near_1)
    over_luck, over_near = (
        over_problems(default - null, clusters=evidence.clusters, level=STRICT_LEVEL)
        for null in (luck_1, near_1)
    )
    # Without this a lucky greedy score, equal to its own majority, would be its own ceiling.
    if over_luck.low <= MARGIN * (1 - guess) or over_near.low <= 0:
        return None
    # No ceiling lies above 1, so where none was found 1 serves: it can only delay the word.
    top = case.ceiling or Ceiling(
        "1", 1, np.ones_like(evidence.default), np.zeros_like(evidence.default)
    )
    share = share_of_ceiling(evidence.default, top, samples.luck_1, case.resamples)
    if share.low >= SHOWN:
        return _answer(case, "shown", "shown: nothing to unlock", share=share)
    if case.ceiling is not None and share.high >= SHOWN:
        return _undecided(case, "more test problems: the default is close to the ceiling")
    return None


def _latent(case: _Case) -> Ability | None:
    """Says latent where sampling or a label-free rung reaches it."""
    by_sampling = case.sampled.state == "above" and _is_above_default(case)
    able = [r for r in case.rungs if _can_unlock(r, case)]
    # Where sampling rules the ability out, a label-free rung that reaches a corner of it (a door
    # left ajar by one seed's training) does not make the whole latent.
    least = UNLOCKED if case.sampled.state == "ruled_out" else 0.0
    if not by_sampling and not any(r.rung.is_label_free and _recovers(r, least) for r in able):
        return None
    full = [r for r in able if _recovers(r, UNLOCKED)]
    if full:
        best = min(full, key=lambda r: r.rung.labels)
        sentence = f"latent, unlocked by {best.rung.method} with {_labels(best)}"
        return _answer(case, "latent", sentence, rung=best)
    part = [r for r in able if _recovers(r, 0.0)]
    if part:
        best = max(part, key=lambda r: r.gap.value if r.gap else 0.0)
        share = f"{100 * best.gap.value:.0f} %" if best.gap else ""
        sentence = f"latent, partly unlocked by {best.rung.method} ({share})"
        return _answer(case, "latent", sentence, rung=best)
    if not by_sampling or case.ceiling is None:
        return None
    sentence = "latent, reached by sampling, unlocked by nothing tried"
    return _answer(case, "latent", sentence, share=ceiling_figure(case.ceiling, case.resamples))


def _is_above_default(case: _Case) -> bool:
    """Says whether pass@k over its luck is above the default over its own."""
    samples, evidence = case.sampled, case.evidence
    hits, luck_k, default, luck_1 = shared(
        samples.hits, samples.luck_k, evidence.default, samples.luck_1
    )
    over = hits - luck_k - (default - luck_1)
    return over_problems(over, clusters=evidence.clusters).low > 0


def _can_unlock(reading: RungReading, case: _Case) -> bool:
    """Says whether a rung is above its base and all its controls, an equal twin included.

    Where guessing alone scores high a rung needs a veto control at all: there a better guess
    at the answer's prior looks like ability.
    """
    if case.sampled.state == "silent" and reading.n_vetoes == 0:
        return False
    is_over_twin = reading.over_twin is None or reading.over_twin.low > 0
    return reading.is_above and is_over_twin


def _recovers(reading: RungReading, share: float) -> bool:
    """Says whether the lower bound of the gap recovered reaches a share (0: exceeds it)."""
    if reading.gap is None:
        return False
    return reading.gap.low >= share if share > 0 else reading.gap.low > 0


def _learned(case: _Case) -> Ability | None:
    """Says sealed, taught or learned where only tuning reaches it."""
    unlocking = sorted(
        (
            r
            for r in case.rungs
            if r.rung.is_tuned
            and r.is_above
            and not (case.sampled.state == "silent" and r.n_vetoes == 0)
            and _recovers(r, UNLOCKED)
        ),
        key=lambda r: (r.rung.n_shots, r.rung.labels),
    )
    if not unlocking:
        return None
    if not _is_hidden(case):
        return _undecided(case, *_sampling_needs(case))
    for reading in unlocking:
        if _beats_learning_twin(reading, case):
            sentence = f"sealed: opened by {reading.rung.method} with {_labels(reading)}"
            return _answer(case, "sealed", sentence, rung=reading)
    first = unlocking[0]
    if _is_taught(first, case):
        sentence = f"taught by {first.rung.method} with {_labels(first)}"
        return _answer(case, "taught", sentence, rung=first)
    if any(_learning_twins(reading, case) for reading in unlocking):
        return _undecided(
            case, "more seeds of the tuned arms: the twin's are too noisy or too good"
        )
    sentence = f"learned from {_labels(first)}: sealed or taught"
    return _answer(case, "learned", sentence, rung=first)


def _is_hidden(case: _Case) -> bool:
    """Says whether neither sampling nor a label-free rung reaches the ability.

    Samples must be enough to exclude the smallest ability; where sampling is silent, a
    label-free rung must have been tried and must stay below half of the gap.
    """
    if case.sampled.state != "silent":
        return case.sampled.state == "ruled_out"
    free = [r for r in case.rungs if r.rung.is_label_free and r.gap is not None]
    return bool(free) and all(r.gap is not None and r.gap.high < UNLOCKED for r in free)


def _beats_learning_twin(reading: RungReading, case: _Case) -> bool:
    """Says whether a rung scores above a twin that was tuned on 16 times as many labels."""
    enough = _learning_twins(reading, case)
    if not enough:
        return False
    twin = min(enough, key=lambda t: t.n_shots)
    clusters = case.evidence.clusters
    return paired(reading.rung.scores, twin.scores, clusters=clusters).low > 0


def _learning_twins(reading: RungReading, case: _Case) -> list[Twin]:
    """Gives the twins tuned on at least 16 times as many labels as a rung."""
    enough = LEARNING_RATIO * reading.rung.n_shots
    return [t for t in _twins(case, reading.rung.method) if t.n_shots >= enough]


def _is_taught(reading: RungReading, case: _Case) -> bool:
    """Says whether a twin needs no more labels, or 16 times fewer had tied the control."""
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


def _twins(case: _Case, method: str) -> list[Twin]:
    """Gives the twins tuned by a method."""
    return [twin for twin in case.evidence.twins if twin.method == method]


def _absent(case: _Case) -> Ability | None:
    """Says absent where tuning does no more than its veto control."""
    tuned = [r for r in case.rungs if r.rung.is_tuned]
    tied = [r for r in tuned if r.is_tied]
    is_sampled = case.sampled.state == "above" or case.sampled.is_singled_out
    if not tied or is_sampled or is_forced_above(case.evidence):
        return None
    last = max(tied, key=lambda r: r.rung.n_shots)
    # A larger budget that may have worked, but is too noisy to say, keeps the question open.
    if any(r.is_above or _may_work(r) for r in tuned if r.rung.n_shots > last.rung.n_shots):
        return None
    share = next(iter(last.over.values()), last.over_twin)
    sentence = f"absent up to {_labels(last)}"
    return _answer(case, "absent", sentence, share=share, rung=last)


def _may_work(reading: RungReading) -> bool:
    """Says whether a rung's estimate is above its base and controls by more than the margin."""
    return all(f.value > MARGIN for f in (reading.gain, *reading.over.values()))


def _sampling_needs(case: _Case) -> tuple[str, ...]:
    """Names what would tell latent from sealed."""
    if case.sampled.state == "silent":
        return ("a label-free rung (cot_decoding): guessing hides what sampling reaches",)
    if case.sampled.state == "contested":
        return (
            "a label-free rung (cot_decoding) or more samples: luck is beaten, near misses not",
        )
    return ("more samples a problem: too few to rule a sampled ability out",)


def _missing(case: _Case) -> tuple[str, ...]:
    """Names what would decide an undecided ability."""
    tuned = [r for r in case.rungs if r.rung.is_tuned]
    if not tuned:
        return ("a tuning rung (fine_tune) with its veto control (scrambled twin)",)
    if not any(r.over or r.over_twin for r in tuned):
        return ("a veto control (scrambled twin) beside the tuning rung",)
    needs = ["more test problems or seeds: tuning is neither above its control nor tied with it"]
    if is_forced_above(case.evidence):
        needs = ["more shots: the forced form answers, but tuning did not unlock it"]
    if case.sampled.state in ("contested", "open"):
        needs.append("more samples a problem")
    return tuple(needs)


def _labels(reading: RungReading) -> str:
    """Writes a count of labels."""
    labels = reading.rung.labels
    return f"{labels} label" if labels == 1 else f"{labels} labels"


def _undecided(case: _Case, *needs: str) -> Ability:
    """Gives undecided with what would decide it."""
    return _answer(case, "undecided", "undecided: needs " + "; ".join(needs), needs=needs)


def _answer(
    case: _Case,
    word: Word,
    sentence: str,
    *,
    share: Figure | None = None,
    rung: RungReading | None = None,
    needs: tuple[str, ...] = (),
) -> Ability:
    """Puts an answer together."""
    is_unlocked = rung is not None and word != "absent"
    return Ability(
        word=word,
        sentence=sentence,
        share=share if share is not None or rung is None else rung.gap,
        unlocked_by=rung.rung.method if rung is not None and is_unlocked else None,
        n_shots=rung.rung.n_shots if rung is not None else None,
        labels=rung.rung.labels if rung is not None else None,
        needs=needs,
        sampled=case.sampled,
        ceiling=case.ceiling,
        rungs=case.rungs,
    )
