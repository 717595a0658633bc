"""Which trajectory stands: each selector against its rule read literally."""

import numpy as np
import pytest

from modicum.sampling.selectors import SELECTORS, Selector, Trajectory, chosen


def drawn_trajectories(rng: np.random.Generator, n: int) -> list[Trajectory]:
    return [
        Trajectory(
            "abc"[rng.integers(3)],
            float(rng.integers(3)),
            float(rng.integers(3)),
            float(rng.integers(3)),
            bool(rng.random() < 0.3),
        )
        for _ in range(n)
    ]


def naive(selector: Selector, drawn: list[Trajectory]) -> Trajectory:
    """The rule of each selector, one by one."""
    if selector == "first":
        return drawn[0]
    if selector == "checker":
        return ([one for one in drawn if one.is_valid] + drawn[:1])[0]
    if selector in ("majority", "oracle"):
        voters = drawn if selector == "majority" else [one for one in drawn if one.is_valid]
        texts = [one.text for one in voters]
        best = drawn[0]
        for one in voters:
            is_new = best not in voters or texts.count(one.text) > texts.count(best.text)
            best = one if is_new else best
        return best
    figure = {"halt": "halt", "value": "value", "residual": "residual"}[selector]
    sign = -1 if selector == "residual" else 1
    best = drawn[0]
    for one in drawn[1:]:
        if sign * getattr(one, figure) > sign * getattr(best, figure):
            best = one
    return best


@pytest.mark.parametrize("selector", SELECTORS)
def test_a_selector_picks_what_its_rule_says(selector: Selector) -> None:
    rng = np.random.default_rng(7)
    for _ in range(200):
        drawn = drawn_trajectories(rng, int(rng.integers(1, 9)))
        assert drawn[chosen(selector, drawn)] is naive(selector, drawn)
