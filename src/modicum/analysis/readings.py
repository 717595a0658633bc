"""Each rung read against its base, its controls and the gap."""

from dataclasses import dataclass, replace

import numpy as np

from modicum.analysis.evidence import ControlScores, Evidence, RungEvidence, Twin
from modicum.analysis.gap import GapTop, gap_recovered
from modicum.analysis.pairing import over_problems, paired, shared
from modicum.analysis.sampling import SampledEvidence
from modicum.stats import Figure, Floats, Ints, Resamples, is_within

__all__ = [
    "LEVEL",
    "MARGIN",
    "STRICT_LEVEL",
    "RungReading",
    "find_ceiling",
    "is_forced_above",
    "majority_scores",
    "read_rungs",
    "twin_gap",
    "with_gap",
]

MARGIN = 0.05
"""Five points: a difference within this counts as none (equivalence test, 90 % interval)."""
LEVEL = 0.95
"""Level of every printed interval."""
STRICT_LEVEL = 0.99
"""Level at which a single comparison may carry a word by itself."""
FOLDS = 10
"""Parts of the problems, each scored by what the others choose as the best rung."""


@dataclass(frozen=True, eq=False, kw_only=True)
class RungReading:
    """One rung with its gain, its controls and the share of the gap it recovers."""

    rung: RungEvidence
    """The rung that was read."""
    gain: Figure
    """Score minus floor (minus default for a prompt style)."""
    over: dict[str, Figure]
    """Gain over each veto control, by name."""
    over_twin: Figure | None
    """Score over a twin tuned on equally many shots; None where none was run."""
    is_above: bool
    """Above its base and above every veto control, at a level shared by its family of rungs,
    and by more than the margin's equivalence test would call none."""
    format_gain: Figure | None
    """How much of its answers can be read that could not before; None where that is not known."""
    is_format: bool
    """Whether its gain is within what more readable answers explain: then it unlocks nothing."""
    is_tied: bool
    """Within the margin of every veto control and twin, of which there is at least one."""
    gap: Figure | None = None
    """Share of the gap recovered; None where the gap is undefined."""
    is_ceiling: bool = False
    """Whether it is the top of the gap itself: then a share of that is no finding."""

    @property
    def n_vetoes(self) -> int:
        """Count of veto controls that were run."""
        return len(self.over)


def read_rungs(evidence: Evidence) -> tuple[RungReading, ...]:
    """Read every rung against its base and controls, without the gap.

    A label-free rung can make an ability latent by itself, so that it must be above its base
    and its controls at 99 %, shared by all label-free rungs (Bonferroni): a long ladder does
    not find luck. Other rungs are read at 95 %.

    Args:
        evidence: All outcomes.
    """
    readings = []
    for rung in evidence.rungs:
        family = sum(other.is_label_free for other in evidence.rungs)
        level = 1 - (1 - STRICT_LEVEL) / family if rung.is_label_free else LEVEL
        readings.append(_read(evidence, rung, level=level))
    return tuple(readings)


def _read(evidence: Evidence, rung: RungEvidence, *, level: float) -> RungReading:
    """Read one rung at the level of its family."""
    base = evidence.default if rung.is_prompt else evidence.floor
    clusters = evidence.clusters
    own = _mean(rung.scores)
    twins = [t for t in evidence.twins if t.method == rung.method and t.n_shots == rung.n_shots]
    over_twin = None
    differences = [_minus(own, base)]
    parts: list[tuple[Floats, ...]] = [(rung.scores,)]
    for control in rung.vetoes:
        differences.append(_over(own, base, control, evidence.clusters))
        parts.append((rung.scores, control.scores))
    figures = [
        over_problems(d, parts=p, clusters=clusters, level=LEVEL)
        for d, p in zip(differences, parts, strict=True)
    ]
    fall, beyond = _format(evidence, rung, differences[0])
    is_format = fall is not None and fall.low > 0 and beyond is not None and beyond.low <= 0
    # A gain that the equivalence test could call none must not be the top of its own gap.
    is_above = all(figure.low > 0 for figure in figures) and figures[0].value > MARGIN
    is_above = is_above and not is_format
    if is_above and level > LEVEL:
        strict = zip(differences, parts, strict=True)
        is_above = all(
            over_problems(d, parts=p, clusters=clusters, level=level).low > 0 for d, p in strict
        )
    if twins:
        twin = twins[0]
        differences.append(_minus(own, _mean(twin.scores)))
        parts.append((rung.scores, twin.scores))
        over_twin = over_problems(differences[-1], parts=parts[-1], clusters=clusters, level=LEVEL)
    within = [
        is_within(over_problems(d, parts=p, clusters=clusters, level=2 * LEVEL - 1), MARGIN)
        for d, p in zip(differences, parts, strict=True)
    ]
    return RungReading(
        rung=rung,
        gain=figures[0],
        over={c.name: f for c, f in zip(rung.vetoes, figures[1:], strict=True)},
        over_twin=over_twin,
        is_above=is_above and not any(within[: len(figures)]),
        format_gain=fall,
        is_format=is_format,
        is_tied=len(within) > 1 and all(within[1:]),
    )


def _format(
    evidence: Evidence, rung: RungEvidence, gain: Floats
) -> tuple[Figure | None, Figure | None]:
    """Return how far unreadable answers fell, and the gain beyond that fall."""
    before = evidence.default_unread if rung.is_prompt else evidence.floor_unread
    if before is None or rung.unread is None:
        return None, None
    fall, (gain,) = _minus(before, _mean(rung.unread)), shared(gain)
    gain, fall = shared(gain, fall)
    clusters = evidence.clusters
    beyond = over_problems(
        np.asarray(gain - fall), parts=(rung.scores, rung.unread), clusters=clusters, level=LEVEL
    )
    return over_problems(fall, parts=(rung.unread,), clusters=clusters, level=LEVEL), beyond


def _over(own: Floats, base: Floats, control: ControlScores, clusters: Ints | None) -> Floats:
    """Return the rung's gain minus the control's where their floors differ, else its score.

    Gains carry the noise of two more greedy runs, so that levels are compared as long as the
    two floors cannot be told apart.
    """
    difference = _minus(own, _mean(control.scores))
    if control.before is None:
        return difference
    head_start = _minus(base, control.before)
    figure = over_problems(head_start, clusters=clusters)
    has_start = figure.low > 0 or figure.high < 0
    return _minus(difference, head_start) if has_start else difference


def _minus(one: Floats, other: Floats) -> Floats:
    """Subtract scores on the problems that both cover."""
    one, other = shared(one, other)
    return np.asarray(one - other)


def _mean(scores: Floats) -> Floats:
    """Averages seeds."""
    return scores if scores.ndim == 1 else np.asarray(scores.mean(axis=0))


def find_ceiling(
    evidence: Evidence, sampled: SampledEvidence, readings: tuple[RungReading, ...]
) -> GapTop | None:
    """Return the top of the gap, or None where there is no gap to recover.

    Corrected pass@k where sampling is above both nulls. Where sampling is silent (guess@1 above
    the limit) the best of the majority of all samples, the forced form and the best rung.
    Otherwise the better of forced form and best rung, if above the floor and their controls.
    What is chosen is scored on problems that did not choose it.

    Args:
        evidence: All outcomes.
        sampled: What sampling says.
        readings: The rungs, read.
    """
    if sampled.state == "above":
        return GapTop("sampling", sampled.k, sampled.hits, sampled.luck_k)
    is_silent = sampled.state == "silent"
    found = [(r.rung.name, r.rung.scores) for r in readings if is_silent or r.is_above]
    if evidence.forced is not None and (is_silent or is_forced_above(evidence)):
        found.insert(0, ("forced", evidence.forced))
    if is_silent:
        found.insert(0, ("majority", majority_scores(evidence)))
    if not found:
        return None
    return _chosen(found, sampled.luck_1, evidence.clusters)


def _chosen(found: list[tuple[str, Floats]], luck: Floats, clusters: Ints | None) -> GapTop:
    """Name the best of several, and score it on problems that did not choose it.

    The best of many is too high by what chance gave it. So each tenth of the problems (of the clusters)
    is scored by what is best on the other nine; where all choose the same, that is its own score.
    """
    common = np.stack([_mean(scores) for scores in shared(*(scores for _, scores in found))])
    best = int(np.argmax(common.mean(axis=1)))
    units = np.arange(common.shape[1]) if clusters is None else clusters[: common.shape[1]]
    fold = units % FOLDS
    picks = np.full(common.shape[1], best)
    for one in range(FOLDS):
        if (fold == one).any() and (fold != one).any():
            picks[fold == one] = np.argmax(common[:, fold != one].mean(axis=1))
    source, own = found[best]
    if (picks == best).all():
        return GapTop(source, 1, own, luck)
    return GapTop(source, 1, np.take_along_axis(common, picks[None], axis=0)[0], luck, own)


def majority_scores(evidence: Evidence) -> Floats:
    """Return the majority of all samples, 0 to 1 a problem."""
    return evidence.samples.voted(0, evidence.samples.n_samples)


def is_forced_above(evidence: Evidence) -> bool:
    """Say whether the forced form is above the floor and above the control's forced form."""
    if evidence.forced is None:
        return False
    below = [evidence.floor]
    if evidence.forced_control is not None:
        below.append(evidence.forced_control)
    gains = [paired(evidence.forced, b, clusters=evidence.clusters) for b in below]
    return all(gain.low > 0 for gain in gains)


def with_gap(
    reading: RungReading,
    evidence: Evidence,
    sampled: SampledEvidence,
    ceiling: GapTop | None,
    resamples: Resamples,
) -> RungReading:
    """Return a reading completed by the share of the gap it recovers.

    Args:
        reading: The rung, read.
        evidence: All outcomes.
        sampled: What sampling says (for the luck null).
        ceiling: Top of the gap, or None.
        resamples: Shared resamples of the problems.
    """
    if ceiling is None:
        return reading
    base = evidence.default if reading.rung.is_prompt else evidence.floor
    gap = gap_recovered(reading.rung.scores, base, ceiling, sampled.luck_1, resamples)
    return replace(reading, gap=gap, is_ceiling=reading.rung.name == ceiling.source)


def twin_gap(
    twin: Twin,
    evidence: Evidence,
    sampled: SampledEvidence,
    ceiling: GapTop,
    resamples: Resamples,
) -> Figure | None:
    """Return a twin's share of the gap, on the studied model's floor and ceiling."""
    return gap_recovered(twin.scores, evidence.floor, ceiling, sampled.luck_1, resamples)
