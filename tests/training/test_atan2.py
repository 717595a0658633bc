"""AdamATan2 against its formula, number by number."""

import math

import pytest
import torch

from modicum.training.atan2 import AdamATan2


def test_it_is_the_formula() -> None:
    lr, b1, b2, decay = 0.1, 0.9, 0.95, 0.5
    one, other = torch.nn.Parameter(torch.tensor([1.0, -2.0])), torch.nn.Parameter(torch.ones(1))
    optimiser = AdamATan2(
        [{"params": [one], "weight_decay": decay}, {"params": [other], "weight_decay": 0.0}], lr=lr
    )
    values, m, v = [1.0, -2.0], [0.0, 0.0], [0.0, 0.0]
    for t in range(1, 6):
        one.grad = torch.tensor([0.3 * t, -1e-12])
        optimiser.step()
        for i, grad in enumerate([0.3 * t, -1e-12]):
            m[i] = b1 * m[i] + (1 - b1) * grad
            v[i] = b2 * v[i] + (1 - b2) * grad**2
            values[i] *= 1 - lr * decay
            values[i] -= lr / (1 - b1**t) * math.atan2(m[i], math.sqrt(v[i] / (1 - b2**t)))
        assert one.detach().tolist() == pytest.approx(values, rel=1e-5)
    assert other.tolist() == [1.0]  # no gradient, no step


def test_the_size_of_the_gradient_does_not_matter() -> None:
    moved = []
    for scale in (1.0, 1e-6):
        weight = torch.nn.Parameter(torch.zeros(3))
        weight.grad = scale * torch.tensor([1.0, -2.0, 3.0])
        AdamATan2([{"params": [weight]}], lr=0.1).step()
        moved.append(weight.detach().clone())
    assert torch.allclose(moved[0], moved[1], atol=1e-6)


def test_a_closure_computes_the_gradient_again() -> None:
    weight = torch.nn.Parameter(torch.ones(1))

    def closure() -> float:
        weight.grad = None
        loss = weight.square().sum()
        loss.backward()
        return float(loss.detach())

    assert AdamATan2([{"params": [weight]}], lr=0.1).step(closure) == 1.0
    assert float(weight.detach()) < 1.0
