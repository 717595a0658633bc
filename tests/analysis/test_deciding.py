"""The sizes that would decide: drawn again at them, studies that were undecided mostly get a right word."""

from dataclasses import replace

import pytest

from modicum.analysis.ability import Ability, ability_from
from modicum.analysis.deciding import DecidingSizes, deciding_sizes
from modicum.analysis.detect import detectable
from modicum.analysis.evidence import Evidence
from modicum.seeds import stream
from modicum.simulation.draw import Size, draw
from modicum.simulation.rates import is_right
from modicum.simulation.world import World
from modicum.simulation.worlds import WORLDS
from modicum.stats import resample

SMALL = (Size(50, 8, 1), Size(60, 16, 1), Size(100, 16))
NAMED = (
    "latent on 30 %, tuned only", "heavy tail", "absent", "Zipf over 1,000, absent", "shown",
    "sealed", "taught", "learned, no twin", "ten rungs that do nothing, absent",
    "latent, one shot is enough", "yes/no 70:30, absent", "six labels, absent",
)  # fmt: skip
"""Worlds that have a word at any size that suffices; others stay open however large a study is."""


def _read(world: World, size: Size, name: str) -> tuple[Evidence, Ability]:
    rng = stream("deciding", world.name, str(size), name)
    evidence = draw(world, size, rng).evidence
    clusters = evidence.sampled_clusters
    return evidence, ability_from(
        evidence, resample(rng, size.problems, clusters=clusters, n_resamples=200)
    )


def test_most_undecided_studies_are_decided_at_the_sizes_named_and_rightly() -> None:
    outcomes = []
    for world in (world for world in WORLDS if world.name in NAMED):
        for size in SMALL:
            evidence, answer = _read(world, size, "first")
            if answer.word != "undecided":
                continue
            sizes = deciding_sizes(evidence, answer, size.seeds)
            larger = Size(sizes.test, sizes.samples, sizes.seeds)
            _, again = _read(world, larger, "again")
            assert is_right(world, again)
            outcomes.append(again.word != "undecided")
    assert len(outcomes) >= 15
    assert sum(outcomes) >= 0.9 * len(outcomes)


@pytest.mark.parametrize("name", ["absent", "yes/no 70:30, absent", "six labels, absent"])
def test_the_size_is_within_the_rules_own_threshold_for_absent(name: str) -> None:
    world = next(world for world in WORLDS if world.name == name)
    evidence, answer = _read(world, Size(60, 16, 1), "first")
    sizes = deciding_sizes(evidence, answer, 1)
    guess = min(float(answer.sampled.luck_1.mean()), 0.5)
    assert detectable(sizes.test, guess=guess).can_show_absent
    assert not detectable(60, guess=guess).can_show_absent


def test_a_study_that_is_large_enough_and_open_is_doubled() -> None:
    world = next(world for world in WORLDS if world.name == "tiny gain, nothing latent")
    evidence, answer = _read(world, Size(400, 64), "first")
    answer = replace(answer, sampled=replace(answer.sampled, state="open"))
    assert deciding_sizes(evidence, answer, 3) == DecidingSizes(800, 128, 6)
    assert deciding_sizes(evidence, answer, 3, is_whole=False) == DecidingSizes(400, 64, 3)
