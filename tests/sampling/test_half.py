"""Modules in bfloat16 products: single precision in between, forward, backward and behind an adapter."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from modicum.sampling.half import HalfLinear, activation_dtype, is_half, make_half
from modicum.seeds import stream
from modicum.training.adapters import AdapterShape, attach
from tests.support.tiny_models import tiny_local, tiny_module

ARCHITECTURES = ("llama", "llama-biased", "qwen2", "mistral-sliding", "gemma3")
IDS = torch.tensor([[72, 101, 108, 108, 111, 32, 119, 111]])


def numbers(*shape: int, name: object = "") -> torch.Tensor:
    """Return normal numbers; the same shape and name give the same."""
    drawn = stream("numbers", name, *shape).standard_normal(shape)
    return torch.from_numpy(drawn.astype(np.float32))


def rounded(module: nn.Module) -> nn.Module:
    """Return a copy whose weights are rounded to bfloat16 and lie in single precision."""
    other = copy.deepcopy(module)
    for parameter in other.parameters():
        parameter.data = parameter.data.bfloat16().float()
    return other


def halved(architecture: str = "llama", *, scale: float = 0.4) -> nn.Module:
    """Return a tiny model made half."""
    module = tiny_module(architecture, scale=scale)
    for parameter in module.parameters():
        parameter.data = parameter.data.bfloat16()
    assert make_half(module)
    return module


def scores(module: nn.Module) -> torch.Tensor:
    """Return its scores of a fixed text."""
    with torch.inference_mode():
        return module(IDS).logits


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_only_products_are_rounded(architecture) -> None:
    module = tiny_module(architecture, scale=0.2)
    exact = scores(rounded(module))
    half = scores(halved(architecture, scale=0.2))
    own = scores(module.to(torch.bfloat16)).float()
    assert half.dtype == torch.float32
    error, own_error = ((one - exact).pow(2).mean().sqrt() for one in (half, own))
    assert error < 0.02 * exact.std()
    assert error < own_error  # transformers' own modules round after every operation


def test_names_and_weights_stay() -> None:
    before = {k: v.bfloat16() for k, v in tiny_module("qwen2").state_dict().items()}
    after = halved("qwen2").state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_second_time_changes_nothing() -> None:
    module = halved("gemma3")
    before = scores(module)
    assert make_half(module)
    assert torch.equal(scores(module), before)
    assert activation_dtype(module) == torch.float32


def test_a_module_that_takes_one_format_only_stays_as_it_was() -> None:
    class Stubborn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(4, 4, dtype=torch.bfloat16)
            self.linear = nn.Linear(4, 4, dtype=torch.bfloat16)
            self.mixer = nn.Parameter(torch.zeros(4, 4, dtype=torch.bfloat16))

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.linear(self.table(ids)) @ self.mixer

    module = Stubborn()
    assert not make_half(module)
    assert not is_half(module)
    assert type(module.linear) is nn.Linear


def test_gradients_are_those_of_single_precision_but_for_rounding() -> None:
    layer = HalfLinear(24, 16, dtype=torch.bfloat16).requires_grad_(requires_grad=False)
    x = numbers(3, 5, 24).requires_grad_()
    goal = numbers(3, 5, 16)
    layer(x).backward(goal)
    naive = x.detach().clone().requires_grad_()
    (naive @ layer.weight.float().T + layer.bias.float()).backward(goal)
    assert torch.allclose(x.grad, naive.grad, rtol=0.02, atol=0.02)


def test_trained_weights_get_their_gradient() -> None:
    layer = HalfLinear(8, 6, dtype=torch.bfloat16)
    x, goal = numbers(7, 8), numbers(7, 6)
    layer(x).backward(goal)
    assert torch.allclose(layer.weight.grad.float(), goal.T @ x, rtol=0.05, atol=0.05)
    assert torch.allclose(layer.bias.grad.float(), goal.sum(0), rtol=0.05, atol=0.05)


def test_an_adapter_learns_in_single_precision_over_half_weights() -> None:
    half = tiny_local("llama").with_module(halved("llama"))
    exact = tiny_local("llama").with_module(rounded(tiny_module("llama")))
    gradients = []
    for local in (half, exact):
        tuned = attach(local, AdapterShape(rank=4), np.random.default_rng(3))
        named = {n: p for n, p in tuned.named_parameters() if p.requires_grad}
        assert {p.dtype for p in named.values()} == {torch.float32}
        tuned(IDS).logits.log_softmax(-1)[0, -1, 33].backward()
        gradients.append(torch.cat([named[n].grad.flatten() for n in sorted(named)]))
    one, other = gradients
    assert torch.cosine_similarity(one, other, dim=0) > 0.999


def test_a_product_of_one_row_copies_no_weight() -> None:
    """Forward and backward, also where the row is a slice, as a prompt's last state is."""
    layer = HalfLinear(512, 160, bias=False, dtype=torch.bfloat16).requires_grad_(
        requires_grad=False
    )
    x = numbers(1, 5, 512).requires_grad_()
    with torch.profiler.profile(record_shapes=True) as seen:
        layer(x[:, -1:]).sum().backward()
    copied = [event.input_shapes for event in seen.events() if event.name == "aten::copy_"]
    assert copied  # rounding is a copy
    assert not any(512 in shapes[0] and 160 in shapes[0] for shapes in copied)
