"""How often the rules say what is right of a world: words, intervals and what is shipped."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from modicum.analysis.ability import Ability, ability_from
from modicum.analysis.ship import SHIP_MARGIN, ship
from modicum.seeds import stream
from modicum.simulation.coverage import covered, sampling_of
from modicum.simulation.draw import SimulatedStudy, Size, draw, truth_of
from modicum.simulation.world import World
from modicum.stats import resample
from modicum.types import PROMPT

__all__ = ["SIZES", "Rates", "is_right", "rates"]

SIZES = (Size(50, 8), Size(100, 16), Size(200, 64), Size(400, 64))
"""Problems and samples of the studies that are drawn."""
_RESAMPLES = 400


@dataclass(frozen=True)
class Rates:
    """Shares of the draws of one world at one size."""

    world: str
    size: Size
    draws: int
    wrong: float
    """A word that is not right of the world, `undecided` aside."""
    right: float
    """The word that is to be named, or any right one where none is asked."""
    words: dict[str, float]
    covers: dict[str, float]
    """Intervals that hold the truth, by figure: `floor`, `ceiling sampling`, `gap fine_tune n=4`."""
    read: dict[str, int]
    """Draws in which that figure was printed."""
    ships_wrong: float
    """A rung without a gain, or one that a cheaper one beats by more than the margin."""
    ships_right: float
    """A rung that is right to ship; NaN where none is asked."""
    ships: dict[str, float]


def rates(world: World, size: Size, draws: int) -> Rates:
    """Draw studies of a world and count what is said of them.

    Args:
        world: What is true.
        size: Of each study.
        draws: How many.
    """
    truth = truth_of(world, stream("simulation", "truth", world.name))
    sampling = sampling_of(world, size, stream("simulation", "sampling", world.name, str(size)))
    words: Counter[str] = Counter()
    shipped: Counter[str] = Counter()
    covers: dict[str, list[bool]] = {}
    wrong = right = bad = 0
    for number in range(draws):
        rng = stream("simulation", world.name, str(size), number)
        study = draw(world, size, rng)
        clusters = study.evidence.sampled_clusters
        drawn = resample(rng, size.problems, clusters=clusters, n_resamples=_RESAMPLES)
        answer = ability_from(study.evidence, drawn)
        words[answer.word] += 1
        wrong += not is_right(world, answer)
        right += answer.word == world.named if world.named else answer.word in world.words
        name = _shipped(study, answer)
        shipped[name] += 1
        bad += _is_bad(name, truth.scores)
        for figure, holds in covered(study, answer, truth, sampling, drawn).items():
            covers.setdefault(figure, []).append(holds)
    is_asked = bool(world.ships)
    return Rates(
        world=world.name,
        size=size,
        draws=draws,
        wrong=wrong / draws,
        right=right / draws,
        words={word: n / draws for word, n in words.most_common()},
        covers={figure: float(np.mean(held)) for figure, held in covers.items()},
        read={figure: len(held) for figure, held in covers.items()},
        ships_wrong=bad / draws,
        ships_right=sum(shipped[n] for n in world.ships) / draws if is_asked else float("nan"),
        ships={name: n / draws for name, n in shipped.most_common()},
    )


def is_right(world: World, answer: Ability) -> bool:
    """Say whether a word may be said of a world: `undecided` may, and `learned` of what it names."""
    if answer.word == "undecided" or answer.word in world.words:
        return True
    return answer.word == "learned" and bool(set(answer.candidates) & world.words)


def _shipped(study: SimulatedStudy, answer: Ability) -> str:
    picked = ship(
        study.candidates, clusters=study.evidence.clusters, is_shown=answer.word == "shown"
    )
    return picked.pick.name if picked.pick is not None else "nothing"


def _is_bad(name: str, scores: dict[str, float]) -> bool:
    """Say whether a rung gains nothing, or a cheaper one is better by more than the margin."""
    if name in (PROMPT, "nothing"):
        return False
    own = scores.get(name, scores[PROMPT])
    order = [n for n in scores if n != "free"]  # which costs more to serve than any other
    cheaper = [scores[n] for n in order[: order.index(name)]] if name in order else []
    return own <= scores[PROMPT] + 1e-3 or any(c > own + SHIP_MARGIN for c in cheaper)
