"""Which printed intervals hold the truth of a world."""

from dataclasses import dataclass, replace

import numpy as np

from modicum.analysis.ability import Ability
from modicum.analysis.gap import GapTop, ceiling_figure, correct_guessing
from modicum.analysis.pairing import level_of
from modicum.analysis.sampling import sampled
from modicum.simulation.draw import SimulatedStudy, Size, Truth, draw
from modicum.simulation.world import World
from modicum.stats import Figure, Resamples
from modicum.types import PROMPT

__all__ = ["SampledTruth", "covered", "sampling_of"]

_PROBLEMS = 6000
"""Problems of the large study that stands for the truth of sampling."""


@dataclass(frozen=True)
class SampledTruth:
    """What sampling reaches in a world, and what luck would, by the number of tries."""

    passes: dict[int, float]
    lucks: dict[int, float]

    def ceiling(self, k: int) -> float:
        """Give pass@k corrected for guessing."""
        return float(correct_guessing(self.passes[k], self.lucks[k]))

    def corrected(self, score: float) -> float:
        """Give a single answer's score corrected for guessing."""
        return float(correct_guessing(score, self.lucks[1]))


def sampling_of(world: World, size: Size, rng: np.random.Generator) -> SampledTruth:
    """Give what sampling reaches, read off one study that is large.

    Args:
        world: What is true.
        size: Of the studies that are held against it: how many samples a problem.
        rng: Stream of the draws.
    """
    alone = replace(world, clusters=1)
    study = draw(alone, Size(_PROBLEMS, size.samples, 1), rng, is_even=True)
    found = sampled(study.evidence.samples)
    return SampledTruth(
        dict(zip(found.ks, found.pass_curve, strict=True)),
        dict(zip(found.ks, found.luck_curve, strict=True)),
    )


def covered(
    study: SimulatedStudy, answer: Ability, truth: Truth, sampling: SampledTruth, drawn: Resamples
) -> dict[str, bool]:
    """Say of each printed interval whether it holds the truth: by `floor`, `ceiling`, or rung.

    Args:
        study: That was drawn.
        answer: What the rules say of it.
        truth: Of the world.
        sampling: What sampling reaches there.
        drawn: Resamples of the problems.
    """
    clusters, scores = study.evidence.clusters, truth.scores
    found = {"floor": _holds(level_of(study.evidence.floor, clusters), truth.floor)}
    for rung in study.evidence.rungs:
        if rung.is_tuned:
            found[f"score {rung.name}"] = _holds(level_of(rung.scores, clusters), scores[rung.name])
    top = answer.ceiling
    if top is None:
        return found
    ceiling, floor = _true_ceiling(top, truth, sampling), sampling.corrected(truth.floor)
    if ceiling is None:
        return found
    found["ceiling"] = _holds(ceiling_figure(top, drawn), ceiling)
    for reading in answer.rungs:
        name = reading.rung.name
        if name in scores and name != PROMPT:
            found[f"gain {name}"] = _holds(reading.gain, scores[name] - truth.floor)
            if reading.gap is not None and not reading.is_ceiling and ceiling > floor:
                share = (sampling.corrected(scores[name]) - floor) / (ceiling - floor)
                found[f"gap {name}"] = _holds(reading.gap, share)
    return found


def _true_ceiling(top: GapTop, truth: Truth, sampling: SampledTruth) -> float | None:
    """Give what a ceiling really is: the best there is to choose; None of a vote."""
    if top.source == "sampling":
        return sampling.ceiling(top.k)
    if top.source == "majority":
        return None
    return sampling.corrected(max(truth.forced, *truth.scores.values()))


def _holds(figure: Figure, value: float) -> bool:
    return bool(figure.low <= value <= figure.high)
