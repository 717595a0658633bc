"""What is said of a method beside its accuracy: how long its answers are, what they are worth."""

from collections.abc import Mapping
from dataclasses import dataclass

from modicum.made import Budgeted
from modicum.stats import Figure

__all__ = ["FrontPoint", "Lengths", "Worth"]


@dataclass(frozen=True)
class Lengths:
    """What a rung that is to shorten answers did to them, on the test problems."""

    before: Figure
    """Tokens an answer of the plain model, greedy in the floor's style."""
    after: Figure
    saved: Figure
    """Share of the tokens that is gone."""
    difference: Figure
    """Accuracy after minus before, with the 90 % interval of the equivalence test."""
    margin: float
    """Difference within which accuracies count as equal."""
    is_equal: bool
    """Whether the whole interval lies within it."""
    seconds: tuple[float, float] | None
    """Measured seconds of answering all test problems, before and after (mean over seeds); None
    where some answers were drawn before."""
    controls: Mapping[str, Figure]
    """Tokens an answer of each control that the method draws itself."""
    plain: tuple[float, float]
    """Accuracy and tokens of the plain model on the first seed's shots."""
    frontier: tuple[Budgeted, ...]
    """What each budget bought there, in the chosen layer, the smallest first."""
    chosen: Budgeted


@dataclass(frozen=True)
class Worth:
    """How many samples of the plain model an accuracy is worth; infinite beyond the largest k."""

    votes: Figure
    """The k at which the majority of k samples is as accurate."""
    samples: Figure
    """The k at which one of k samples is right as often (pass@k)."""
    largest: int
    """Samples a problem that there are."""


@dataclass(frozen=True)
class FrontPoint:
    """One rung on the Pareto front of labels, elicitation and serving."""

    name: str
    labels: int
    elicitation_flops: float
    serving_flops: float
    score: float
    breakeven_queries: float | None
    """Queries at which it costs as many FLOPs in all as the pick; None for the pick itself."""
