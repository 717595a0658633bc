"""Several nudges as one: tables that rows of a pass choose from."""

import pytest
import torch

from modicum.nudge.attach import attached, steered
from modicum.nudge.steering import Direction, Steering, by_place, stacked
from tests.nudge.test_steering import IDS, direction, small

ONES = (
    Steering((direction(0),), "all"),
    Steering((direction(1, "mlp"), direction(2)), "all"),
    None,
)


@pytest.mark.parametrize("name", ["llama", "gemma3", "gpt2"])
@pytest.mark.parametrize("columns", [slice(None), -1, "mask"])
def test_each_row_of_a_pass_is_steered_by_its_own_nudge(name: str, columns) -> None:
    module, ids = small(name), torch.cat([IDS, IDS])[:3]
    acts = torch.tensor([[0.0, 1, 0, 0, 1, 1]]).expand(3, 6) if columns == "mask" else columns
    which = torch.tensor([1, 2, 0])
    with torch.inference_mode():
        with attached(module, stacked(ONES)) as on_it, on_it.steering_one(acts, which):
            together = module(ids, use_cache=False).logits
        for row, number in enumerate(which.tolist()):
            with steered(module, ONES[number], acts[:1] if columns == "mask" else acts):
                alone = module(ids[row : row + 1], use_cache=False).logits[0]
            torch.testing.assert_close(together[row], alone)


def test_a_stack_adds_directions_of_one_place_and_keeps_the_others_apart() -> None:
    twice = Steering((direction(1), direction(1)), "all")
    stack = stacked([ONES[0], twice, None])
    tables = {one.layer: one.values for one in stack.directions}
    assert stack.is_stack
    assert not twice.is_stack
    assert torch.equal(tables[1][1], direction(1).values + direction(1).values)
    assert torch.equal(tables[0][0], direction(0).values)
    assert not tables[0][1:].any()
    assert not tables[1][[0, 2]].any()


def test_nudges_of_several_places_are_no_stack() -> None:
    first = Steering((direction(0),), "first")
    later = Steering((direction(0),), "first", 2)
    with pytest.raises(ValueError, match="same positions"):
        stacked([first, later])
    with pytest.raises(ValueError, match="at least one"):
        stacked([None, None])
    assert by_place([None, later, first, later]) == [[0, 1, 3], [2]]
    assert by_place([None, None]) == []


def test_a_stack_carries_no_gradient() -> None:
    values = torch.nn.Parameter(torch.ones(4))
    stack = stacked([Steering((Direction(0, values),)), None])
    assert not stack.directions[0].values.requires_grad
