"""What a study of given sizes would say of truths that it might meet, before anything is spent."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from modicum.analysis.ability import ability_from
from modicum.seeds import stream
from modicum.simulation.draw import Size, draw
from modicum.simulation.rates import is_right
from modicum.simulation.world import Part, World
from modicum.stats import resample

__all__ = ["TRUTHS", "Outlook", "outlook", "outlook_text", "prior_of"]

TRUTHS: tuple[World, ...] = (
    World(
        "latent",
        (Part(0.5, 0.05, 0.0, 0.85, (0.5, 0.9, 0.95)), Part(0.5)),
        frozenset({"latent"}),
    ),
    World(
        "sealed or taught",
        (Part(0.5, 0.0, 0.0, 0.0, (0.5, 0.9, 0.95)), Part(0.5)),
        frozenset({"sealed", "taught", "learned"}),
    ),
    World("absent", (Part(1.0),), frozenset({"absent"})),
    World(
        "shown",
        (Part(1.0, 0.88, 0.9, 0.9, (0.9, 0.9, 0.9)),),
        frozenset({"shown"}),
    ),
)
"""Truths that are told: on half of the problems where that can be said, tuned at 1, 4 and 8 labels."""
_MOST_DRAWS, _LEAST_DRAWS = 40, 10
_WIDE = 0.5
"""Share of golds that differ from which on answers count as wide: a thousand equal ones."""


@dataclass(frozen=True)
class Outlook:
    """How often each truth comes out right."""

    size: Size
    draws: int
    right: Mapping[str, float]
    """Share of the studies of each truth that name it."""
    wrong: float
    """Share of all studies that name something else; the rest is undecided."""


def prior_of(golds: Sequence[str]) -> tuple[float, ...]:
    """Return the chances of golds where they are few; empty where most of them differ.

    >>> prior_of(["yes", "no", "yes", "yes"]), prior_of(["1", "2", "3"])
    ((0.75, 0.25), ())
    """
    counts = Counter(golds)
    if not golds or len(counts) > _WIDE * len(golds):
        return ()
    return tuple(n / len(golds) for _, n in counts.most_common())


def outlook(size: Size, golds: Sequence[float] = (), *, seconds: float = 2.5) -> Outlook:
    """Draw studies of each truth within a time, and count what is said of them.

    Args:
        size: Of the study.
        golds: Chances of the golds; wide answers where empty.
        seconds: Within which it ends, at least ten draws a truth in any case.
    """
    right: Counter[str] = Counter()
    wrong = draws = 0
    began = time.monotonic()
    worlds = [replace(world, golds=tuple(golds), has_mode=bool(golds)) for world in TRUTHS]
    while draws < _MOST_DRAWS and (draws < _LEAST_DRAWS or time.monotonic() - began < seconds):
        for world in worlds:
            rng = stream("outlook", world.name, str(size), draws)
            study = draw(world, size, rng)
            answer = ability_from(study.evidence, resample(rng, size.problems, n_resamples=300))
            named = answer.word != "undecided" and is_right(world, answer)
            right[world.name] += named
            wrong += not named and answer.word != "undecided"
        draws += 1
    shares = {world.name: right[world.name] / draws for world in worlds}
    return Outlook(size, draws, shares, wrong / (draws * len(worlds)))


def outlook_text(found: Outlook) -> str:
    """Say it in one line."""
    shares = ", ".join(f"{name} {_share(share)}" for name, share in found.right.items())
    size = (
        f"{found.size.problems:,} problems, {found.size.samples} samples, {found.size.seeds} seeds"
    )
    wrong = f"{_share(found.wrong)} wrong, the rest undecided"
    return f"with your sizes ({size}): {shares} come out right, {wrong} ({found.draws} draws each)"


def _share(number: float) -> str:
    return f"{number:.2f}".removeprefix("0")
