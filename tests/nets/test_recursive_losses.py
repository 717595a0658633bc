"""Losses of recursive nets against torch's own distributions, samples and formulas written naively."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from modicum.nets.recursive_losses import ASKED_NOT, balanced, cross_entropy, divergence, symlog


def normal(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def four() -> list[torch.Tensor]:
    """Means and logarithms of deviations of two Gaussians."""
    return [normal(3, 4, 5, seed=i) * 0.5 for i in range(4)]


def test_divergence_is_that_of_torch(four) -> None:
    q_mean, q_log, p_mean, p_log = four
    expected = kl_divergence(Normal(q_mean, q_log.exp()), Normal(p_mean, p_log.exp())).sum(-1)
    assert torch.allclose(divergence(*four), expected, atol=1e-5)


def test_divergence_is_the_mean_of_log_ratios_over_samples(four) -> None:
    q, p = Normal(four[0], four[1].exp()), Normal(four[2], four[3].exp())
    drawn = q.mean + q.stddev * normal(20_000, 3, 4, 5, seed=9)
    sampled = (q.log_prob(drawn) - p.log_prob(drawn)).sum(-1)
    error = sampled.std(0) / 20_000**0.5
    assert ((divergence(*four) - sampled.mean(0)).abs() < 5 * error).all()


def test_divergence_is_taken_in_single_precision(four) -> None:
    half = [part.to(torch.bfloat16) for part in four]
    found = divergence(*half)
    assert found.dtype == torch.float32
    assert torch.equal(found, divergence(*(part.float() for part in half)))


def test_balanced_gradient_is_four_fifths_to_the_prior(four) -> None:
    """0.8 KL(sg(q) || p) + 0.2 KL(q || sg(p)), taken apart by hand."""
    q_mean, q_log, p_mean, p_log = leaves = [part.clone().requires_grad_() for part in four]
    (q_m, p_m), (q_s, p_s) = balanced(q_mean, p_mean), balanced(q_log, p_log)
    assert torch.equal(divergence(q_m, q_s, p_m, p_s), divergence(*four))
    found = torch.autograd.grad(divergence(q_m, q_s, p_m, p_s).sum(), leaves)
    to_prior = divergence(q_mean.detach(), q_log.detach(), p_mean, p_log).sum()
    to_posterior = divergence(q_mean, q_log, p_mean.detach(), p_log.detach()).sum()
    expected = torch.autograd.grad(0.8 * to_prior + 0.2 * to_posterior, leaves)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_stablemax_is_cross_entropy_of_symlog() -> None:
    logits, targets = normal(6, 7, 11) * 8, torch.arange(42).view(6, 7) % 11
    big = logits.double()
    size = torch.where(big >= 0, big + 1, 1 / (1 - big))
    shares = size / size.sum(-1, keepdim=True)
    expected = -shares.gather(-1, targets[..., None]).log().squeeze(-1).mean(1)
    found = cross_entropy(logits, targets, "stablemax")
    assert torch.allclose(found.double(), expected, atol=1e-5)
    assert torch.allclose(symlog(logits).exp().double(), size, atol=1e-3)


def test_positions_without_a_target_count_for_nothing() -> None:
    logits = normal(2, 4, 3)
    targets = torch.tensor([[0, 1, ASKED_NOT, 2], [ASKED_NOT] * 4])
    found = cross_entropy(logits, targets)
    kept = [0, 1, 3]
    expected = torch.nn.functional.cross_entropy(logits[0, kept], targets[0, kept])
    assert torch.allclose(found, torch.stack([expected, torch.zeros(())]))
