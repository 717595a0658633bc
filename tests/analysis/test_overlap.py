"""Which problems two methods newly solve: counts, what chance would share, and two seeds of one method."""

from collections.abc import Iterable

import numpy as np
import pytest

from modicum.analysis.evidence import RungEvidence
from modicum.analysis.readings import RungReading
from modicum.readings.overlap import overlap_section, overlaps
from modicum.seeds import stream
from modicum.stats import Figure, Floats


def rung(method: str, scores: Floats, *, n_shots: int = 0, is_above: bool = True) -> RungReading:
    """Return a rung of these scores, above its floor or not."""
    own = RungEvidence(
        method=method, n_shots=n_shots, labels=n_shots, scores=scores, is_tuned=False
    )
    return RungReading(
        rung=own, gain=Figure(0.5, 0.4, 0.6, scores.shape[-1]), over={}, over_twin=None,
        is_above=is_above, format_gain=None, is_format=False, is_tied=False,
    )  # fmt: skip


def solved(n: int, *problems: Iterable[int]) -> Floats:
    """Return 1 at the named problems of n."""
    scores = np.zeros(n)
    for some in problems:
        scores[list(some)] = 1
    return scores


def test_counts_are_of_problems_that_the_floor_leaves_open() -> None:
    floor = solved(100, range(20))
    one, other = solved(100, range(50)), solved(100, range(10, 60))
    (found,) = overlaps(floor, [rung("one", one), rung("other", other)])
    assert (found.of, found.first, found.second, found.both) == (80, 30, 40, 30)
    assert found.chance == pytest.approx(15)
    assert found.low < 15 < found.high < 30


def test_independent_sides_share_what_chance_says_and_its_range_holds_95_of_100() -> None:
    rng, floor, held = stream("overlap"), np.zeros(80), 0
    for _ in range(400):
        sides = [solved(80, rng.permutation(80)[:30]) for _ in range(2)]
        (found,) = overlaps(floor, [rung("a", sides[0]), rung("b", sides[1])])
        held += found.low <= found.both <= found.high
    assert 0.93 * 400 <= held <= 0.995 * 400


def test_two_seeds_of_a_method_stand_beside_its_pairs_and_measures_may_cover_fewer_problems() -> (
    None
):
    seeds = np.stack([solved(60, range(30)), solved(60, range(10, 40))])
    first_only = solved(40, range(20))
    found = overlaps(np.zeros(60), [rung("tuned", seeds), rung("decoded", first_only)])
    assert [(one.name, one.both, one.of) for one in found] == [
        ("tuned, decoded", 20, 40),
        ("tuned, two seeds", 20, 60),
    ]


def test_what_did_not_rise_is_left_out_and_of_a_method_the_largest_budget_stands() -> None:
    rungs = [
        rung("a", solved(50, range(10)), n_shots=1),
        rung("a", solved(50, range(20)), n_shots=4),
        rung("b", solved(50, range(20)), is_above=False),
        rung("c", solved(50, range(4))),
        rung("d", solved(50, range(20, 40))),
    ]
    (found,) = overlaps(np.zeros(50), rungs)
    assert (found.name, found.first, found.both) == ("a n=4, d", 20, 0)


def test_two_sides_that_solve_everything_cannot_share_more_than_chance_and_are_left_out() -> None:
    sides = [rung(name, solved(40, range(40))) for name in ("a", "b")]
    assert not overlaps(np.zeros(40), sides)


def test_its_section_says_how_many_pairs_share_more_than_chance() -> None:
    sides = [rung(name, solved(90, range(30))) for name in ("a", "b")]
    section = overlap_section(overlaps(np.zeros(90), sides))
    assert section is not None
    assert section.sentences == (
        "Of 90 problems that the floor does not solve: 1 of 1 pairs share more than chance.",
    )
    assert section.tables[0].rows[0].cells == ("a, b", 30.0, 30.0, 30.0, "10 [6, 14]")
    assert overlap_section([]) is None
