"""Coverage and its two ceilings."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modicum.puzzles.coverage import coverage, n_found


def test_an_oracle_that_gives_every_solution_covers_all() -> None:
    done = coverage([1, 2, 5], [1, 2, 5], draws=5)
    assert done.everywhere.found == done.several.found == 1.0


def test_one_right_answer_each_is_the_deterministic_ceiling() -> None:
    done = coverage([1, 1, 1], [1, 2, 4], draws=20)
    for part in (done.everywhere, done.several):
        assert part.found == part.deterministic
    assert (done.everywhere.inputs, done.several.inputs) == (3, 2)


def test_the_even_ceiling_is_what_even_draws_find() -> None:
    rng = np.random.default_rng(0)
    drawn = [len(set(rng.integers(6, size=8).tolist())) / 6 for _ in range(4000)]
    assert coverage([0], [6], draws=8).everywhere.uniform == pytest.approx(np.mean(drawn), abs=0.01)


def test_without_several_solutions_that_part_is_nan() -> None:
    done = coverage([1], [1], draws=3)
    assert math.isnan(done.several.found)
    assert done.several.inputs == 0


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1), st.integers(1, 9))
def test_coverage_lies_between_0_and_1(pairs: list[tuple[int, int]], draws: int) -> None:
    solutions = [n for n, _ in pairs]
    found = [min(n, hits, draws) for n, hits in pairs]
    assert 0 <= coverage(found, solutions, draws).everywhere.found <= 1


@pytest.mark.parametrize(
    ("found", "solutions"), [([3], [2]), ([2], [3]), ([0], [0]), ([1, 1], [1])]
)
def test_more_than_can_be_found_is_refused(found: list[int], solutions: list[int]) -> None:
    with pytest.raises(ValueError, match="found"):
        coverage(found, solutions, draws=1)


def test_repeats_and_wrong_answers_do_not_count() -> None:
    assert n_found(["a", "a", "b", "x"], ["a", "b", "c"]) == 2
