"""Shapes of recursive nets: presets, refusals, and FLOPs as torch counts them."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from modicum.errors import ConfigError, UnknownNameError
from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_shape import PRESETS, miniature, preset
from modicum.seeds import stream


@pytest.mark.parametrize(
    ("name", "stacks", "calls", "guided"),
    [("gram", 2, 21, True), ("trm", 1, 21, False), ("hrm", 2, 6, False), ("looped", 1, 16, False)],
)
def test_presets_differ_as_the_papers_do(name, stacks, calls, guided) -> None:
    shape = preset(name, 81, 11)
    assert 2 - shape.is_shared == stacks
    assert shape.n_outer * shape.transition_calls == calls
    assert shape.is_guided is guided


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="grim"):
        preset("grim", 16, 5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 62},
        {"damping": 1.0},
        {"n_outer": 0},
        {"vocabulary": 1},
        {"charge": "some"},
        {"positions": "rotary", "width": 12},
    ],
)
def test_a_shape_that_cannot_be_built_is_refused(wrong) -> None:
    with pytest.raises(ConfigError, match="in the shape of a recursive net"):
        replace(miniature("gram", 16, 5), **wrong)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("mixer", ["attention", "mlp"])
def test_flops_are_what_torch_counts(name, mixer) -> None:
    shape = replace(miniature(name, 7, 5), width=16, inner=24, prefix=2, mixer=mixer)
    net = RecursiveNet(shape, stream("net"))
    ids = torch.zeros((3, 7), dtype=torch.long)
    noise = torch.zeros((3, shape.n_outer, 9, 16))
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        net.decode(net.advance(net.start(3), net.encode(ids), noise).high)
    # the head's product over the prefix is not made, and torch's fused attention is not counted
    spared = 2.0 * 16 * 5 * 2 * 3
    calls = shape.n_outer * shape.transition_calls * shape.layers
    attention = 4.0 * 9 * 9 * 16 * 3 * calls if mixer == "attention" else 0.0
    known = [shape.step_flops * 21 - spared, shape.step_flops * 21 - spared - attention]
    assert counted.get_total_flops() in [pytest.approx(one, rel=1e-6) for one in known]


def test_flops_of_training_count_the_gradient_once_for_every_call_it_passes() -> None:
    shape = miniature("trm", 7, 5)
    whole = replace(shape, grad="all")
    assert whole.trained_flops == pytest.approx(whole.step_flops)
    assert shape.trained_flops < whole.trained_flops
    assert replace(shape, grad="last_call").trained_flops < shape.trained_flops
