"""What to ship: the front over labels and compute, the pick on it, and where the next one pays."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from modicum.analysis.pairing import paired, shared
from modicum.stats import Figure, Floats, Ints

__all__ = [
    "SHIP_MARGIN",
    "BreakEven",
    "Candidate",
    "Preference",
    "ShipChoice",
    "break_even",
    "pareto",
    "ship",
]

Preference: TypeAlias = Literal["labels", "serve", "train"]
"""What must be cheap first: labels, FLOPs a query, or FLOPs of elicitation."""

SHIP_MARGIN = 0.05
"""Points (as a share) by which a rung may be worse than the best and still be picked."""


GRACE = 1.5
"""How many margins one nudge must be ahead of a cheaper one to be bought in its place."""
AHEAD = 0.8
"""Level at which one nudge must be above another to be bought in its place. The margin is what guards
the labels: at 95 % a nudge ten points ahead would be passed over in every third study of fifty problems."""
SAME_COST = 1.05
"""Ratio within which two costs count as the same."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Candidate:
    """One elicited system with its score and its costs."""

    name: str
    """Name for sentences, such as `fine_tune n=4`."""
    scores: Floats
    """Lenient scores on the test problems, `[seeds, problems]` or `[problems]`."""
    labels: int
    """Labels used to elicit it, selection included."""
    elicitation_flops: float
    """FLOPs spent once to elicit it."""
    serving_flops: float
    """FLOPs a query."""
    is_plain: bool = False
    """Whether it is the plain prompt: nothing is elicited."""
    is_shorter: bool = False
    """Whether it was shown to be as right in fewer tokens: then it needs no gain to be shipped."""

    @property
    def costs(self) -> tuple[float, float, float]:
        """Labels, elicitation FLOPs and serving FLOPs a query."""
        return (float(self.labels), self.elicitation_flops, self.serving_flops)


@dataclass(frozen=True)
class BreakEven:
    """The number of queries at which another system of the front costs as much as the pick."""

    name: str
    """The other system."""
    queries: float
    """Queries at which elicitation plus serving cost the same; `inf` where they never do."""
    pays: Literal["below", "above", "never", "always"]
    """On which side of that number the other one is cheaper in FLOPs."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ShipChoice:
    """The pick, the front it stands on, and where the others pay."""

    pick: Candidate | None
    """The cheapest good one; None where no candidate is within the labels allowed."""
    best: Candidate | None
    """The highest score among those allowed."""
    front: tuple[Candidate, ...]
    """Good candidates that no other good one beats or equals on all three costs."""
    behind_best: dict[str, Figure]
    """Score minus the best one's, for every allowed candidate, by name."""
    break_even: tuple[BreakEven, ...]
    """Break-even queries of the pick with each other one on the front."""
    margin: float
    """The margin that was used, in score units."""


def ship(
    candidates: tuple[Candidate, ...],
    *,
    prefer: Preference = "serve",
    max_labels: int | None = None,
    margin: float = SHIP_MARGIN,
    clusters: Ints | None = None,
    is_shown: bool = False,
) -> ShipChoice:
    """Pick what to ship: the cheapest that no other one is shown to beat by more than a margin.

    Doing nothing, the first candidate that takes no labels and no making, is one of them; every
    other one must be above it, with the lower end of its gain's 95 % interval above 0. One candidate
    beats another where it is better by more than the margin, and shown to be better. Ties in the
    preferred cost (within 5 %) go to the fewer labels, then serving, then elicitation FLOPs, then to
    the order given.

    Args:
        candidates: Elicited systems on the same problems, in ladder order, doing nothing among
            them if it is to be considered.
        prefer: Which cost comes first.
        max_labels: Labels that may be used at most; None for no limit.
        margin: Loss that is accepted, in score units (0.05 = 5 points).
        clusters: Cluster code of each problem; None where each problem stands alone.
        is_shown: Whether the plain prompt shows the ability: then nothing else is shipped.
    """
    allowed = [c for c in candidates if max_labels is None or c.labels <= max_labels]
    if not allowed:
        return ShipChoice(
            pick=None, best=None, front=(), behind_best={}, break_even=(), margin=margin
        )
    # the best is looked for where all of them answered; each is then compared where both did
    common = shared(*(c.scores for c in allowed))
    best = allowed[max(range(len(allowed)), key=lambda i: float(common[i].mean()))]
    behind = {c.name: paired(c.scores, best.scores, clusters=clusters) for c in allowed}
    plain = next((c for c in allowed if c.is_plain), None)
    rivals = [
        c
        for c in allowed
        if plain is None or c is plain or c.is_shorter or _is_ahead(c, plain, clusters, margin)
    ]
    if plain is not None and is_shown:
        rivals = [c for c in allowed if c is plain or c.is_shorter]
    good = [c for c in rivals if not any(_beats(o, c, margin, clusters) for o in rivals)]
    front = pareto(tuple(good))
    pick = _pick(front, prefer)
    return ShipChoice(
        pick=pick,
        best=best,
        front=front,
        behind_best=behind,
        break_even=tuple(break_even(pick, other) for other in front if other is not pick),
        margin=margin,
    )


def _is_ahead(
    one: Candidate, other: Candidate, clusters: Ints | None, margin: float, level: float = 0.95
) -> bool:
    """Say whether one is shown to be better: over clusters, or within several and against none.

    A handful of clusters never shows a mean above 0, be the gain in some of them as large as it may.
    Where problems alone show it, at least two clusters gain more than the margin, and none loses as
    much, the gain is real wherever else it is found.
    """
    if paired(one.scores, other.scores, clusters=clusters, level=level).low > 0:
        return True
    if clusters is None or paired(one.scores, other.scores, level=level).low <= 0:
        return False
    own, base = shared(one.scores, other.scores)
    difference = np.atleast_2d(own).mean(axis=0) - np.atleast_2d(base).mean(axis=0)
    codes = np.unique(clusters[: difference.size], return_inverse=True)[1]
    means = np.bincount(codes, weights=difference) / np.bincount(codes)
    return int((means > margin).sum()) > 1 and bool(means.min() > -margin)


def _beats(other: Candidate, candidate: Candidate, margin: float, clusters: Ints | None) -> bool:
    """Say whether another one is better by more than the margin, and shown to be better.

    Between two nudges the margin counts one and a half times: one that is a little over it by chance
    would else be bought with its labels in every other study.
    """
    if other is candidate:
        return False
    ahead = paired(other.scores, candidate.scores, clusters=clusters)
    level, least = (0.95, margin) if candidate.is_plain else (AHEAD, GRACE * margin)
    return ahead.value > least and _is_ahead(other, candidate, clusters, margin, level)


def pareto(candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    """Return the candidates that no other one undercuts on labels and both kinds of FLOPs.

    Of several with the same three costs the highest score stays, then the first.

    Args:
        candidates: Systems that are all good enough.
    """
    ranked = sorted(candidates, key=lambda c: -float(c.scores.mean()))
    kept: list[Candidate] = []
    for candidate in ranked:
        twins = [c for c in kept if c.costs == candidate.costs]
        beaten = any(
            other.costs != candidate.costs
            and all(o <= c for o, c in zip(other.costs, candidate.costs, strict=True))
            for other in candidates
        )
        if not beaten and not twins:
            kept.append(candidate)
    return tuple(c for c in candidates if c in kept)


def break_even(pick: Candidate, other: Candidate) -> BreakEven:
    """Return the number of queries at which two systems cost the same FLOPs in all.

    Solves E + q S = E' + q S' for q, with E for elicitation and S for serving a query.

    Args:
        pick: The system picked.
        other: The system it is compared with.
    """
    ahead = pick.elicitation_flops - other.elicitation_flops
    saved = other.serving_flops - pick.serving_flops
    if saved == 0:
        return BreakEven(other.name, math.inf, "always" if ahead > 0 else "never")
    queries = ahead / saved
    if queries <= 0:
        return BreakEven(other.name, math.inf, "never" if saved > 0 else "always")
    return BreakEven(other.name, queries, "below" if saved > 0 else "above")


def _pick(front: tuple[Candidate, ...], prefer: Preference) -> Candidate:
    """Return the cheapest of the front in the preferred cost.

    Costs within `SAME_COST` of the cheapest count as the same: answers that are a token shorter
    are no reason to buy sixteen times the labels.
    """
    cheapest = min(_cost(c, prefer) for c in front)
    near = [c for c in front if _cost(c, prefer) <= SAME_COST * cheapest]
    return min(near, key=lambda c: (c.labels, c.serving_flops, c.elicitation_flops))


def _cost(candidate: Candidate, prefer: Preference) -> float:
    """Return the preferred cost."""
    return {
        "labels": float(candidate.labels),
        "serve": candidate.serving_flops,
        "train": candidate.elicitation_flops,
    }[prefer]
