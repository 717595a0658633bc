"""What a verdict says of the measures, without any nudge, and what all behind it took."""

from dataclasses import dataclass

from modicum.analysis.gather import Gathered, correctness
from modicum.analysis.known import nudged
from modicum.analysis.pairing import level_of
from modicum.analysis.readings import majority_scores
from modicum.analysis.verdict import Aside
from modicum.stats import Figure
from modicum.store.database import Outcome

__all__ = ["Levels", "asides_of", "forced_of", "levels_of", "measure_ids", "taken"]


@dataclass(frozen=True)
class Levels:
    """The figures that need no nudge."""

    default: Figure
    default_strict: Figure
    floor: Figure
    floor_strict: Figure
    majority: Figure


def levels_of(found: Gathered) -> Levels:
    """Return the accuracies of the measures."""
    clusters = found.evidence.clusters
    return Levels(
        default=level_of(correctness(found.default.answers), clusters),
        default_strict=level_of(correctness(found.default.answers, strict=True), clusters),
        floor=level_of(correctness(found.floor.answers), clusters),
        floor_strict=level_of(correctness(found.floor.answers, strict=True), clusters),
        majority=level_of(majority_scores(found.evidence), clusters),
    )


def forced_of(found: Gathered) -> Figure | None:
    """Return the accuracy in the forced worked form; None where the task knows none."""
    forced = found.evidence.forced
    return None if forced is None else level_of(forced, found.evidence.clusters)


def measure_ids(found: Gathered) -> dict[str, str]:
    """Return the ids of the measures by name."""
    named = {
        "floor": found.floor,
        "default": found.default,
        "samples": found.samples,
        "forced": found.forced,
    }
    return {name: outcome.trial.id for name, outcome in named.items() if outcome is not None}


def taken(found: Gathered, *names: str) -> float:
    """Return what all outcomes behind a verdict took, added over entries of their ledgers."""
    outcomes = [found.floor, found.default, found.samples, *nudged(found)]
    outcomes += [found.completed] if found.completed is not None else []
    return sum(_cost(outcome, name) for outcome in outcomes for name in names)


def asides_of(found: Gathered) -> tuple[Aside, ...]:
    """Return the figures that stand beside the verdict."""
    clusters = found.evidence.clusters
    return tuple(
        Aside(setting, level_of(correctness(outcome.answers), clusters), outcome.trial.id)
        for setting, outcome in found.asides.items()
    )


def _cost(outcome: Outcome, name: str) -> float:
    measured = (each.costs for each in (outcome.sampled, outcome.selected) if each is not None)
    ledgers = (outcome.elicitation, outcome.serving, *measured)
    return sum(float(each.get(name, 0)) for each in ledgers)
