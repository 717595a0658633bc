"""The policy losses are the papers' formulas, written naively."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modicum.made import Policy
from modicum.training.policy import (
    advantages,
    kl_terms,
    policy_loss,
    ratio_terms,
    token_scores,
)

AVERAGES = ("grpo", "dr_grpo", "dapo")


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def lengths(seed: int, rows: int, longest: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(1, longest + 1, (rows,), generator=generator)
    return (torch.arange(longest) < sizes[:, None]).float()


def whole(terms: torch.Tensor, mask: torch.Tensor, policy: Policy) -> torch.Tensor:
    rows, longest = mask.shape
    return policy_loss(
        terms,
        mask,
        torch.ones(rows),
        policy,
        rows=rows,
        tokens=float(mask.sum()),
        longest=longest,
    )


@given(st.integers(0, 2**31), st.integers(2, 6), st.integers(2, 8))
@settings(max_examples=40, deadline=None)
def test_advantages_are_the_naive_ones(seed: int, groups: int, n: int) -> None:
    rewards = (drawn(seed, groups, n) > 0).float()
    for row, found in zip(rewards.tolist(), advantages(rewards, "group").tolist(), strict=True):
        mean = sum(row) / n
        spread = math.sqrt(sum((r - mean) ** 2 for r in row) / (n - 1))
        assert found == pytest.approx([(r - mean) / (spread + 1e-4) for r in row], abs=1e-4)
    plain = advantages(rewards)
    assert torch.allclose(plain.sum(1), torch.zeros(groups), atol=1e-5)


@pytest.mark.parametrize("scale", ["group", "none"])
def test_a_group_of_equal_rewards_has_no_advantage(scale: str) -> None:
    assert not advantages(torch.ones(3, 4), scale).any()


def test_the_mean_baseline_is_rloo_up_to_its_constant() -> None:
    rewards = drawn(4, 5, 6)
    others = (rewards.sum(1, keepdim=True) - rewards) / 5
    assert torch.allclose(rewards - others, advantages(rewards) * 6 / 5, atol=1e-5)


@given(st.integers(0, 2**31), st.sampled_from(AVERAGES))
@settings(max_examples=40, deadline=None)
def test_the_loss_is_the_naive_average_of_clipped_ratios(seed: int, average: str) -> None:
    policy = Policy(average=average, clip=0.2, clip_high=0.28)
    new, old, advantage = drawn(seed, 4, 5), drawn(seed + 1, 4, 5), drawn(seed + 2, 4)
    mask = lengths(seed, 4, 5)
    sequences, total = [], 0.0
    for i in range(4):
        summed, n = 0.0, int(mask[i].sum())
        for t in range(n):
            ratio = math.exp(float(new[i, t] - old[i, t]))
            a = float(advantage[i])
            summed -= min(ratio * a, min(max(ratio, 0.8), 1.28) * a)
        sequences.append((summed, n))
        total += summed
    naive = {
        "grpo": sum(s / n for s, n in sequences) / 4,
        "dr_grpo": total / (4 * 5),
        "dapo": total / sum(n for _, n in sequences),
    }[average]
    found = whole(ratio_terms(new, old, advantage, policy), mask, policy)
    assert float(found) == pytest.approx(naive, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("average", AVERAGES)
def test_parts_of_a_batch_add_up_to_the_whole(average: str) -> None:
    policy, terms, mask = Policy(average=average), drawn(1, 6, 7), lengths(2, 6, 7)
    parts = [
        policy_loss(
            terms[rows],
            mask[rows],
            torch.ones(2),
            policy,
            rows=6,
            tokens=float(mask.sum()),
            longest=7,
        )
        for rows in (slice(0, 2), slice(2, 4), slice(4, 6))
    ]
    assert float(sum(parts)) == pytest.approx(float(whole(terms, mask, policy)), rel=1e-5)


@pytest.mark.parametrize("average", AVERAGES)
def test_equal_rollouts_may_be_one_row_that_counts_for_all(average: str) -> None:
    policy, terms, mask = Policy(average=average), drawn(1, 3, 4), lengths(2, 3, 4)
    which = torch.tensor([0, 1, 1, 1, 2])
    spread = whole(terms[which], mask[which], policy)
    joined = policy_loss(
        terms,
        mask,
        torch.tensor([1.0, 3.0, 1.0]),
        policy,
        rows=5,
        tokens=float(mask[which].sum()),
        longest=4,
    )
    assert float(joined) == pytest.approx(float(spread), rel=1e-5)


@pytest.mark.parametrize("average", AVERAGES)
def test_at_the_first_update_all_clip_ranges_have_the_same_gradient(average: str) -> None:
    old, advantage, mask = drawn(1, 4, 5), drawn(2, 4), lengths(3, 4, 5)
    gradients = []
    for clip in (0.0, 0.1, 0.3):
        new = old.clone().requires_grad_()
        policy = Policy(average=average, clip=clip)
        whole(ratio_terms(new, old, advantage, policy), mask, policy).backward()
        gradients.append(new.grad)
    assert torch.allclose(gradients[0], gradients[1])
    assert torch.allclose(gradients[0], gradients[2])


def test_padding_changes_nothing() -> None:
    policy = Policy(average="dapo")
    terms, mask = drawn(1, 3, 4), lengths(2, 3, 4)
    longer = torch.cat([terms, drawn(5, 3, 6)], 1), torch.cat([mask, torch.zeros(3, 6)], 1)
    assert float(whole(*longer, policy)) == pytest.approx(float(whole(terms, mask, policy)))


def test_random_rewards_have_no_gradient_on_average_without_clipping() -> None:
    old, mask = drawn(1, 8, 6), lengths(2, 8, 6)
    policy = Policy(clip=0.0)
    new = (old + 0.3 * drawn(3, 8, 6)).requires_grad_()
    generator = torch.Generator().manual_seed(7)
    n = 4000
    for _ in range(n):
        rewards = (torch.rand(1, 8, generator=generator) < 0.5).float()
        terms = ratio_terms(new, old, advantages(rewards)[0], policy)
        (whole(terms, mask, policy) / n).backward()
    [one] = torch.autograd.grad(
        whole(ratio_terms(new, old, torch.full((8,), 0.5), policy), mask, policy), new
    )
    assert float(new.grad.norm()) < 0.05 * float(one.norm())


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_log_probabilities_and_entropies_are_those_of_torchs_distribution(temperature) -> None:
    """Values, and gradients through both."""
    tokens = torch.randint(0, 9, (3, 4), generator=torch.Generator().manual_seed(2))
    weights = drawn(3, 3, 4), drawn(4, 3, 4)
    ours, theirs = (drawn(1, 3, 4, 9).requires_grad_() for _ in range(2))
    found = token_scores(ours, tokens, temperature)
    known = torch.distributions.Categorical(logits=theirs / temperature)
    wanted = (known.log_prob(tokens), known.entropy())
    for part, other in zip(found, wanted, strict=True):
        assert torch.allclose(part, other, atol=1e-5)
    for side in (found, wanted):
        sum((part * weight).sum() for part, weight in zip(side, weights, strict=True)).backward()
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-5)


def test_an_entropy_without_a_bonus_has_no_part_in_the_gradient() -> None:
    logits = drawn(1, 2, 3, 5).requires_grad_()
    logprobs, _ = token_scores(logits, torch.zeros(2, 3, dtype=torch.long))
    logprobs.sum().backward()
    wanted = -logits.detach().softmax(-1)
    wanted[..., 0] += 1
    assert torch.allclose(logits.grad, wanted, atol=1e-6)


def test_divergence_is_zero_where_nothing_changed_and_positive_elsewhere() -> None:
    new, reference = drawn(1, 3, 4), drawn(2, 3, 4)
    assert not kl_terms(new, new).any()
    assert bool((kl_terms(new, reference) > 0).all())
