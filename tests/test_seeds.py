"""Random streams are named, not numbered."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modicum.seeds import key, stream, uniforms

names = st.lists(st.text(max_size=8), min_size=1, max_size=4)


def _splitmix(seed: int, step: int) -> float:
    """SplitMix64's finaliser with Python's whole numbers, as published."""
    mask = 2**64 - 1
    state = (seed + (step + 1) * 0x9E3779B97F4A7C15) & mask
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
    state ^= state >> 31
    return (state >> 11) * 2.0**-53


@given(names, names)
def test_keys_are_equal_only_for_equal_paths(one, other) -> None:
    assert (key(*one) == key(*other)) == (one == other)


def test_key_is_the_same_on_every_machine() -> None:
    # blake2b over length-prefixed parts; a change here would move every stored figure
    assert key("task", "train", 7) == 103462063096971235


def test_boundary_between_names_matters() -> None:
    assert key("a", "bc") != key("ab", "c")


def test_equal_names_give_equal_streams() -> None:
    assert stream("x", 1).random(5).tolist() == stream("x", 1).random(5).tolist()


def test_neighbouring_seeds_give_unrelated_streams() -> None:
    one, other = stream("x", 42).random(2000), stream("x", 43).random(2000)
    # |r| of independent draws stays under 5 / sqrt(n)
    assert abs(np.corrcoef(one, other)[0, 1]) < 5 / np.sqrt(2000)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**20))
def test_uniforms_equal_the_scalar_definition(seed: int, step: int) -> None:
    drawn = uniforms(np.array([seed], np.uint64), np.array([step], np.uint64))
    assert drawn[0] == _splitmix(seed, step)


def test_uniforms_lie_in_the_half_open_interval() -> None:
    drawn = uniforms(np.arange(10_000, dtype=np.uint64), np.zeros(10_000, np.uint64))
    assert ((drawn >= 0) & (drawn < 1)).all()


@pytest.mark.parametrize("axis", ["keys", "steps"])
def test_uniforms_are_uniform_along_each_axis(axis: str) -> None:
    n = 20_000
    counted, fixed = np.arange(n, dtype=np.uint64), np.full(n, 7, np.uint64)
    drawn = uniforms(counted, fixed) if axis == "keys" else uniforms(fixed, counted)
    # Kolmogorov's distance of n uniforms stays under 2 / sqrt(n) but once in 1,500 tables
    gap = np.abs(np.sort(drawn) - (np.arange(n) + 0.5) / n).max()
    assert gap < 2 / np.sqrt(n)


def test_key_takes_lone_surrogates() -> None:
    assert key("a\ud800") != key("a")
