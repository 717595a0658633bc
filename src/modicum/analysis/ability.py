"""The rule of ability: from the outcomes of a study to one word and its share.

The words are tried in order and the first that applies is said: *shown*, *latent*, *sealed*,
*learned* (sealed or taught) or *taught*, *absent*, *undecided*. The rule is written to name a
wrong word in at most one draw of twenty: where the evidence cannot carry a word, it says
*undecided* and what would decide it.
"""

import numpy as np

from modicum.analysis.case import (
    LEARNING_RATIO,
    RULES,
    SHOWN,
    UNLOCKED,
    UNREAD_NEED,
    UNTRAINED,
    Ability,
    Case,
    Word,
    answered,
    labels_of,
    recovers,
    undecided,
)
from modicum.analysis.detect import detectable, problems_needed
from modicum.analysis.evidence import Evidence
from modicum.analysis.gap import GapTop, ceiling_figure, share_of_ceiling
from modicum.analysis.learned import learned
from modicum.analysis.pairing import over_problems, paired, shared
from modicum.analysis.readings import (
    MARGIN,
    STRICT_LEVEL,
    RungReading,
    find_ceiling,
    is_forced_above,
    majority_scores,
    read_rungs,
    with_gap,
)
from modicum.analysis.sampling import sampled
from modicum.stats import Figure, Resamples, resample
from modicum.stats.written import percent

__all__ = [
    "LEARNING_RATIO",
    "RULES",
    "SHOWN",
    "UNLOCKED",
    "Ability",
    "Word",
    "ability",
    "ability_from",
]


def ability(evidence: Evidence, rng: np.random.Generator, *, n_resamples: int = 2000) -> Ability:
    """Say which word of ability the evidence carries.

    Args:
        evidence: All outcomes of a study on one task and model.
        rng: Stream of the bootstrap.
        n_resamples: Resamples of the bootstrap.
    """
    problems, clusters = evidence.samples.gold.size, evidence.sampled_clusters
    draws = resample(rng, problems, clusters=clusters, n_resamples=n_resamples)
    return ability_from(evidence, draws)


def ability_from(evidence: Evidence, resamples: Resamples) -> Ability:
    """Say the word as `ability` does, on resamples that were drawn before.

    Args:
        evidence: All outcomes of a study on one task and model.
        resamples: Resamples of the sampled problems (and their clusters).
    """
    samples = sampled(evidence.samples, clusters=evidence.sampled_clusters)
    readings = read_rungs(evidence)
    ceiling = find_ceiling(evidence, samples, readings)
    rungs = tuple(with_gap(r, evidence, samples, ceiling, resamples) for r in readings)
    case = Case(evidence, samples, ceiling, rungs, resamples)
    for rule in (_untrained, _shown, _unread, _latent, learned, _absent):
        answer = rule(case)
        if answer is not None:
            return answer
    return undecided(case, *_missing(case))


def _untrained(case: Case) -> Ability | None:
    """Name no ability where a net learned from nothing; its least data and what to ship stand."""
    if not any(reading.rung.is_scratch for reading in case.rungs):
        return None
    return answered(case, "undecided", UNTRAINED)


def _shown(case: Case) -> Ability | None:
    """Say shown, or undecided where default / ceiling straddles the limit."""
    evidence, samples = case.evidence, case.sampled
    guess = float(samples.luck_1.mean())
    default, luck_1, near_1 = shared(evidence.default, samples.luck_1, samples.near_1)
    over_luck, over_near = (
        over_problems(default - null, clusters=evidence.clusters, level=STRICT_LEVEL)
        for null in (luck_1, near_1)
    )
    # Without this a lucky greedy score, equal to its own majority, would be its own ceiling.
    if over_luck.low <= MARGIN * (1 - guess) or over_near.low <= 0 or not _beats_habit(case):
        return None
    # No ceiling lies above 1, so where none was found 1 serves: it can only delay the word.
    top = case.ceiling or GapTop(
        "1", 1, np.ones_like(evidence.default), np.zeros_like(evidence.default)
    )
    share = share_of_ceiling(evidence.default, top, samples.luck_1, case.resamples)
    if share.low >= SHOWN:
        return answered(case, "shown", "shown: nothing to unlock", share=share)
    if case.ceiling is not None and share.high >= SHOWN:
        return undecided(case, "more test problems: as given it is close to the ceiling")
    return None


def _unread(case: Case) -> Ability | None:
    """Say undecided where the default may be at the ceiling in all but the form of its answers.

    Of its unreadable answers as many may be right as of the others.
    """
    evidence, unread = case.evidence, case.evidence.default_unread
    if unread is None or case.ceiling is None or unread.mean() <= MARGIN or unread.mean() == 1:
        return None
    among = float(evidence.default.sum() / (1 - unread).sum())
    readable = np.asarray(evidence.default + unread * among)
    share = share_of_ceiling(readable, case.ceiling, case.sampled.luck_1, case.resamples)
    if share.high < SHOWN:
        return None
    lost = percent(float(unread.mean()))
    return undecided(case, f"{UNREAD_NEED}: {lost} of those as given cannot")


def _beats_habit(case: Case) -> bool:
    """Say whether the default is above what knowing the frequent answers alone would give it.

    That is its own score against the scrambled twin's golds, by more than the margin, and the score
    of always giving the commonest gold.
    """
    evidence = case.evidence
    nulls = [(evidence.modal, 0.0)]
    if evidence.default_moved is not None:
        nulls.append((evidence.default_moved, MARGIN))
    return all(
        paired(evidence.default, null, clusters=evidence.clusters, level=STRICT_LEVEL).low > least
        for null, least in nulls
    )


def _latent(case: Case) -> Ability | None:
    """Say latent where sampling or a label-free rung reaches it."""
    by_votes = _is_voted(case)
    by_sampling = by_votes or (case.sampled.state == "above" and _is_above_default(case))
    able = [r for r in case.rungs if _can_unlock(r, case)]
    # Where sampling rules the ability out, a label-free rung that reaches a corner of it (a door
    # left ajar by one seed's training) does not make the whole latent.
    least = UNLOCKED if case.sampled.state == "ruled_out" else 0.0
    if not by_sampling and not any(r.rung.is_label_free and recovers(r, least) for r in able):
        return None
    full = [r for r in able if recovers(r, UNLOCKED)]
    if full:
        best = min(full, key=lambda r: (r.rung.labels, r.rung.unlabelled))
        sentence = f"latent, unlocked by {best.rung.method} with {labels_of(best)}"
        return answered(case, "latent", sentence, rung=best)
    part = [r for r in able if recovers(r, 0.0)]
    if part:
        best = max(part, key=lambda r: r.gap.value if r.gap else 0.0)
        sentence = f"latent, partly unlocked by {best.rung.method} ({_percent(best.gap)})"
        return answered(case, "latent", sentence, rung=best)
    if not by_sampling or case.ceiling is None:
        return None
    how = "the majority of samples" if by_votes else "sampling"
    sentence = f"latent, reached by {how}, unlocked by nothing tried"
    return answered(case, "latent", sentence, share=ceiling_figure(case.ceiling, case.resamples))


def _percent(share: Figure | None) -> str:
    """Write a share of the gap with its interval: the best of many rungs is too high by chance."""
    if share is None:
        return "share not known"
    return f"{100 * share.value:.0f} % [{100 * share.low:.0f}, {100 * share.high:.0f}]"


def _is_voted(case: Case) -> bool:
    """Say whether samples are right beyond guessing where pass@k is silent.

    Then their majority is above the floor and above the commonest gold, and a single sample is right
    more often than luck has it, each at 99 %.
    """
    evidence, samples = case.evidence, case.sampled
    if samples.state != "silent":
        return False
    votes, single = majority_scores(evidence), evidence.samples.correct.mean(axis=1)
    pairs = [(votes, evidence.floor), (votes, evidence.modal), (single, samples.luck_1)]
    return all(
        over_problems(np.asarray(one - other), clusters=evidence.clusters, level=STRICT_LEVEL).low
        > 0
        for one, other in (shared(*pair) for pair in pairs)
    )


def _is_above_default(case: Case) -> bool:
    """Say whether pass@k over its luck is above the default over its own."""
    samples, evidence = case.sampled, case.evidence
    hits, luck_k, default, luck_1 = shared(
        samples.hits, samples.luck_k, evidence.default, samples.luck_1
    )
    over = hits - luck_k - (default - luck_1)
    return over_problems(over, clusters=evidence.clusters).low > 0


def _can_unlock(reading: RungReading, case: Case) -> bool:
    """Say whether a rung is above its base and all its controls, an equal twin included.

    Where guessing alone scores high a rung needs a veto control at all: there a better guess
    at the answer's prior looks like ability.
    """
    if case.sampled.state == "silent" and reading.n_vetoes == 0:
        return False
    is_over_twin = reading.over_twin is None or reading.over_twin.low > 0
    return reading.is_above and is_over_twin


def _absent(case: Case) -> Ability | None:
    """Say absent where tuning does no more than its veto control."""
    tuned = [r for r in case.rungs if r.rung.is_tuned]
    tied = [r for r in tuned if r.is_tied]
    is_sampled = case.sampled.state == "above" or case.sampled.is_singled_out
    if not tied or is_sampled or is_forced_above(case.evidence):
        return None
    evidence = case.evidence
    units = (
        evidence.default.size if evidence.clusters is None else np.unique(evidence.clusters).size
    )
    if not detectable(units, guess=float(case.sampled.luck_1.mean())).can_show_absent:
        guess = min(float(case.sampled.luck_1.mean()), 0.99)
        more = problems_needed(MARGIN, guess=guess)
        return undecided(case, f"about {more:,} test problems to show that it is absent")
    last = max(tied, key=lambda r: r.rung.n_shots)
    # A larger budget that may have worked, but is too noisy to say, keeps the question open; so does
    # a single seed that works, of any budget: tuning that works in one of three may miss all three.
    if any(r.is_above or _may_work(r) for r in tuned if r.rung.n_shots > last.rung.n_shots):
        return None
    if any(_has_seed_that_works(r, case) for r in tuned):
        return undecided(case, "more seeds: tuning worked in some of them")
    share = next(iter(last.over.values()), last.over_twin)
    sentence = f"absent up to {labels_of(last)}"
    return answered(case, "absent", sentence, share=share, rung=last)


def _may_work(reading: RungReading) -> bool:
    """Say whether a rung's estimate is above its base and controls by more than the margin."""
    return all(f.value > MARGIN for f in (reading.gain, *reading.over.values()))


def _has_seed_that_works(reading: RungReading, case: Case) -> bool:
    """Say whether one seed alone is above the floor and every control by more than the margin."""
    evidence, own = case.evidence, np.atleast_2d(reading.rung.scores)
    below = [evidence.floor, *(np.atleast_2d(c.scores).mean(axis=0) for c in reading.rung.vetoes)]
    level = 1 - (1 - STRICT_LEVEL) / own.shape[0]
    return any(
        all(paired(seed, b, clusters=evidence.clusters, level=level).low > MARGIN for b in below)
        for seed in own
    )


def _missing(case: Case) -> tuple[str, ...]:
    """Name what would decide an undecided ability."""
    tuned = [r for r in case.rungs if r.rung.is_tuned]
    if not tuned:
        return ("a method that tunes, beside its control (answers permuted)",)
    if not any(r.over or r.over_twin for r in tuned):
        return ("a control (answers permuted) beside the method that tunes",)
    needs = [
        "more test problems or seeds: the data cannot tell yet whether tuning beats its control"
    ]
    if is_forced_above(case.evidence):
        needs = ["more examples: the worked form given answers, but tuning did not unlock it"]
    if case.sampled.state in ("contested", "open"):
        needs.append("more samples for each problem")
    return tuple(needs)
