"""What a rung that is to shorten answers did: tokens, accuracy by an equivalence test, seconds."""

from collections.abc import Sequence

import numpy as np

from modicum.analysis.gather import Arm, Gathered, correctness, shortens, stack
from modicum.analysis.verdict import Lengths
from modicum.made import frontier_of
from modicum.seeds import stream
from modicum.stats import Figure, Floats, bootstrap, equivalence, resample
from modicum.store.database import Answer, Outcome

__all__ = ["EQUAL", "lengths_of"]

EQUAL = 0.02
"""Two points: accuracies within this count as equal."""


def lengths_of(found: Gathered, arm: Arm) -> Lengths | None:
    """Return what an arm did to the length of answers, or None where that is not what it is for.

    The plain model's answers are the floor's, on the same problems and in the same style.
    """
    if not shortens(arm.method):
        return None
    clusters = found.evidence.clusters
    before = _tokens(found.floor.answers)
    after = np.stack([_tokens(o.answers) for o in arm.outcomes])
    rng = stream("lengths", found.subject.model, found.subject.task)
    resamples = resample(rng, before.size, clusters=clusters)

    def mean(tokens: Floats) -> Figure:
        return bootstrap((tokens,), lambda means: means, resamples)

    equal = equivalence(
        stack(arm.outcomes), correctness(found.floor.answers), margin=EQUAL, clusters=clusters
    )
    plain, chosen, tried = frontier_of(arm.outcomes[0].made)
    return Lengths(
        before=mean(before),
        after=mean(after),
        saved=bootstrap((after, before), lambda new, old: 1 - new / old, resamples),
        difference=equal.difference,
        margin=EQUAL,
        is_equal=equal.is_equivalent,
        seconds=_seconds(found.floor, arm.outcomes),
        controls={
            name: mean(np.stack([_tokens(o.answers) for o in outcomes]))
            for name, outcomes in arm.own_controls.items()
        },
        plain=(float(plain.accuracy), float(plain.tokens)),
        frontier=tuple(sorted(tried, key=lambda step: step.budget)),
        chosen=chosen,
    )


def _tokens(answers: Sequence[Answer]) -> Floats:
    """Return the tokens of the answers that stand."""
    return np.array([answer.tokens[answer.chosen] for answer in answers], dtype=np.float64)


def _seconds(floor: Outcome, outcomes: Sequence[Outcome]) -> tuple[float, float] | None:
    """Return the seconds of answering before and after, where every answer was drawn for it."""
    served = [floor.serving, *(o.serving for o in outcomes)]
    if any(spent.get("completions_reused") or not spent.get("seconds") for spent in served):
        return None
    after = float(np.mean([spent["seconds"] for spent in served[1:]]))
    return float(served[0]["seconds"]), after
