"""Comparing two sides: the interval holds the truth, and few differences get the wrong sign."""

import math

import numpy as np
import pytest

from modicum.analysis.comparison import Comparison, Side, compare

PAIRS = 200


def _ids(n: int, head: str = "p") -> tuple[str, ...]:
    return tuple(f"{head}{i}" for i in range(n))


def _side(scores, problems=None, clusters=(), name="a") -> Side:
    scores = np.atleast_2d(np.asarray(scores, dtype=float))
    return Side(name, "m", "t", problems or _ids(scores.shape[1]), scores, clusters)


def test_pairs_are_matched_by_problem_and_not_by_place() -> None:
    one = _side([1, 0, 0, 1], ("a", "b", "c", "d"))
    other = _side([1, 0, 0, 1], ("d", "c", "b", "a"))
    found = compare(one, other)
    assert found.is_paired
    assert (found.gained, found.lost, found.difference.value) == ((), (), 0.0)


def test_changes_are_told_both_ways() -> None:
    found = compare(_side([1, 0, 0, 1]), _side([0, 1, 1, 1]))
    assert [c.problem for c in found.gained] == ["p1", "p2"]
    assert [c.problem for c in found.lost] == ["p0"]
    assert found.difference.value == pytest.approx(0.25)


def test_clearest_changes_come_first() -> None:
    found = compare(_side([[0, 0], [0, 0]]), _side([[1, 1], [0, 1]]))
    assert [(c.problem, c.second) for c in found.gained] == [("p1", 1.0), ("p0", 0.5)]


def test_only_common_problems_are_compared_and_the_rest_is_counted() -> None:
    found = compare(_side([1] * 30, _ids(30)), _side([0] * 20, _ids(20)))
    assert found.difference.n == 20
    assert found.left_out == (10, 0)
    assert found.accuracies[0].n == 20


def test_disjoint_problems_are_compared_unpaired() -> None:
    found = compare(_side([1] * 30, _ids(30)), _side([0] * 30, _ids(30, "q")))
    assert not found.is_paired
    assert (found.gained, found.lost) == ((), ())
    assert found.difference.value == -1


@pytest.mark.parametrize("right", [0, 1])
@pytest.mark.parametrize("n", [2, 10, 400])
def test_no_interval_is_without_width(right: int, n: int) -> None:
    for other in (_ids(n), _ids(n, "q")):
        found = compare(_side([right] * n), _side([right] * n, other))
        assert found.difference.low < found.difference.value < found.difference.high or n == 1
        assert all(a.low < a.high for a in found.accuracies)


def test_side_without_problems_is_refused() -> None:
    with pytest.raises(ValueError, match="without problems"):
        compare(_side(np.zeros((1, 0)), ()), _side([1]))


WORLDS = [
    # accuracy of the first, difference, problems, agreement of the two, seeds, problems a cluster
    (0.5, 0.0, 60, 0.8, 1, 1),
    (0.5, 0.1, 200, 0.8, 1, 1),
    (0.02, 0.0, 60, 0.5, 1, 1),
    (0.0, 0.05, 100, 0.0, 1, 1),
    (0.97, -0.02, 400, 0.9, 1, 1),
    (0.3, 0.2, 20, 0.5, 1, 1),
    (0.5, 0.05, 100, 0.7, 3, 1),
    (0.2, 0.1, 200, 0.5, 3, 1),
    (0.6, 0.05, 200, 0.7, 1, 5),
    (0.6, 0.0, 400, 0.9, 1, 10),
]


def _pair(world, rng) -> tuple[Side, Side]:
    """Draw two systems whose accuracies differ by what the world says, for problems of all kinds."""
    accuracy, gain, n, agreement, seeds, size = world
    groups = n // size
    # of each group's problems all are shared by what decides: hard for both, or for neither
    group = np.repeat(rng.random(groups), size)
    alone = rng.random(n)
    shared = np.where(rng.random(n) < (0.5 if size > 1 else 0.0), group, alone)
    rows = []
    for level in (accuracy, accuracy + gain):
        own = np.where(rng.random((seeds, n)) < agreement, shared, rng.random((seeds, n)))
        rows.append((own < level).astype(float))
    clusters = tuple(f"g{i // size}" for i in range(n)) if size > 1 else ()
    return _side(rows[0], _ids(n), clusters), _side(rows[1], _ids(n), clusters, "b")


def _drawn(world, pairs: int, key: int) -> tuple[list[Comparison], float]:
    rng = np.random.default_rng([key, *map(ord, str(world))])
    return [compare(*_pair(world, rng)) for _ in range(pairs)], world[1]


@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_intervals_of_200_simulated_pairs_hold_the_difference(world) -> None:
    found, truth = _drawn(world, PAIRS, 1)
    held = np.mean([c.difference.low <= truth <= c.difference.high for c in found])
    wrong = np.mean(
        [
            c.is_told_apart
            and (truth == 0 or math.copysign(1, c.difference.value) != np.sign(truth))
            for c in found
        ]
    )
    assert held >= 0.91
    # where the truth is no difference, either sign is wrong: half of the 5 % each
    assert wrong <= (0.05 if truth == 0 else 0.025)
