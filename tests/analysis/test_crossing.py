"""Where two curves cross: against a scan by hand, planted crossings, and none where nothing is clear."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modicum.analysis.crossing import Crossing, crossings, differences, first_reached
from modicum.seeds import stream
from modicum.stats import Floats, Resamples, resample

BUDGETS = (16, 64, 256, 1024)


def drawn(name: str, shares: Sequence[float], n: int) -> list[Floats]:
    """Return scores with these chances at each budget; a problem is as hard at each of them."""
    hard = stream("tests", "crossing", "hard", n).random(n)
    noise = stream("tests", "crossing", name).random((len(shares), n))
    mixed = [
        np.where(row < 0.5, hard, other) for row, other in zip(noise, noise[::-1], strict=True)
    ]
    return [(row < share).astype(np.float64) for row, share in zip(mixed, shares, strict=True)]


def resamples_of(n: int, many: int = 200) -> Resamples:
    return resample(stream("tests", "crossing", "resamples"), n, n_resamples=many)


def place(budgets: Sequence[float], rising: Sequence[float]) -> float:
    """Walk along a broken line until it reaches 0 from below; give the budget there."""
    if rising[0] >= 0:
        return float(budgets[0])
    for k in range(1, len(budgets)):
        if rising[k] >= 0:
            low, high = math.log(budgets[k - 1]), math.log(budgets[k])
            share = -rising[k - 1] / (rising[k] - rising[k - 1])
            return math.exp(low + share * (high - low))
    return float(budgets[-1])


def scanned(
    budgets: Sequence[float], one: list[Floats], other: list[Floats], weights: Floats
) -> list[tuple[int, int, bool, float, float, float]]:
    """Find all changes of order by looking at every two budgets and at every resample."""
    figures = differences(one, other)
    side = [1 if f.low > 0 else -1 if f.high < 0 else 0 for f in figures]
    sign = [1 if f.value > 0 else -1 if f.value < 0 else 0 for f in figures]
    cells = [(i, j) for j in range(len(budgets)) for i in range(j)]

    def changes(sides: list[int]) -> list[tuple[int, int]]:
        return [(i, j) for i, j in cells if sides[i] * sides[j] == -1 and not any(sides[i + 1 : j])]

    shown, found = changes(side), []
    for i, j in sorted([*shown, *changes(sign)]):
        is_shown = (i, j) in shown
        if not is_shown and any(a <= i and j <= b for a, b in shown):
            continue
        means = [sign[j] * float((a - b).mean()) for a, b in zip(one, other, strict=True)]
        low, high = -math.inf, math.inf
        if is_shown:
            places = []
            for row in weights:
                line = [sign[j] * float(row @ (one[k] - other[k])) for k in range(i, j + 1)]
                places.append(place(budgets[i : j + 1], line))
            places.sort()
            ends = [math.ceil(len(places) * share) - 1 for share in (0.025, 0.975)]
            low, high = places[ends[0]], places[ends[1]]
        entry = (i, j, is_shown, place(budgets[i : j + 1], means[i : j + 1]), low, high)
        if entry not in found:
            found.append(entry)
    return found


def told(found: Sequence[Crossing]) -> list[tuple[int, int, bool, float, float, float]]:
    return [(c.last, c.next, c.is_shown, c.at.value, c.at.low, c.at.high) for c in found]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.sampled_from([0.0, 0.3, 0.5, 1.0])),
        min_size=1,
        max_size=5,
    ),
    st.integers(0, 1000),
)
def test_crossings_are_those_of_a_scan_by_hand(
    shares: list[tuple[float, float]], number: int
) -> None:
    n, budgets = 24, [4**k for k in range(1, len(shares) + 1)]
    one = drawn(f"one {number}", [share for share, _ in shares], n)
    other = drawn(f"other {number}", [share for _, share in shares], n)
    resamples = resamples_of(n, 41)
    wanted = scanned(budgets, one, other, resamples.weights)
    found = told(crossings(budgets, one, other, resamples))
    assert [entry[:3] for entry in found] == [entry[:3] for entry in wanted]
    for own, by_hand in zip(found, wanted, strict=True):
        assert own[3:] == pytest.approx(by_hand[3:])


def test_a_planted_crossing_is_found_where_it_was_planted() -> None:
    # the chances are straight over the logarithm of the budget and meet at 128
    rising, falling = (0.1, 0.3, 0.5, 0.7), (0.7, 0.5, 0.3, 0.1)
    one, other = drawn("rising", rising, 2000), drawn("falling", falling, 2000)
    (found,) = crossings(BUDGETS, one, other, resamples_of(2000))
    assert found.is_shown
    assert (found.last, found.next) == (1, 2)
    assert found.at.low < 128 < found.at.high
    assert 64 < found.at.low < found.at.value < found.at.high < 256
    assert found.before.high < 0 < found.after.low


def test_seeds_that_disagree_widen_the_place_of_a_crossing() -> None:
    rising, falling = (0.1, 0.3, 0.5, 0.7), (0.7, 0.5, 0.3, 0.1)
    apart = [
        np.stack([level - 0.12, level, level + 0.12])
        for level in (np.full(400, share) for share in rising)
    ]
    alike = [np.stack([np.full(400, share)] * 3) for share in rising]
    other = [np.stack([np.full(400, share)] * 3) for share in falling]
    wide, narrow = (
        crossings((16, 64, 256, 1024), one, other, resamples_of(400))[0].at
        for one in (apart, alike)
    )
    assert narrow.high - narrow.low < 1e-6
    assert wide.high - wide.low > 50


def test_no_crossing_is_shown_of_curves_that_differ_by_chance_alone() -> None:
    shown = 0
    for number in range(60):
        one = drawn(f"a {number}", [0.5] * 4, 200)
        other = drawn(f"b {number}", [0.5] * 4, 200)
        shown += any(c.is_shown for c in crossings(BUDGETS, one, other, resamples_of(200, 20)))
    assert shown <= 3


def test_a_change_of_order_without_a_clear_difference_on_both_sides_is_not_shown() -> None:
    ahead = [np.repeat([1.0, 0.0], [55, 45]), np.repeat([1.0, 0.0], [20, 80])]
    level = [np.repeat([1.0, 0.0], [53, 47]), np.repeat([1.0, 0.0], [80, 20])]
    (found,) = crossings((16, 64), ahead, level, resamples_of(100))
    assert found.before.low < 0 < found.before.value
    assert not found.is_shown
    assert (found.at.low, found.at.high) == (-math.inf, math.inf)


def test_a_line_that_begins_above_is_reached_at_its_beginning_and_one_below_at_its_end() -> None:
    lines = np.array([[0.0, -1.0], [-2.0, -1.0], [-1.0, 0.0], [-1.0, 3.0]])
    assert first_reached(np.array([2.0, 4.0]), lines).tolist() == [2.0, 4.0, 4.0, 2.5]
