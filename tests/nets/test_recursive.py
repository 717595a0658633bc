"""What a recursive net promises: where gradients flow, what the posterior sees, what guidance changes."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from modicum.nets.averaging import Averaged
from modicum.nets.recursive import Latent, RecursiveNet
from modicum.nets.recursive_blocks import norm
from modicum.nets.recursive_losses import ASKED_NOT, cross_entropy
from modicum.nets.recursive_shape import RecursiveShape, miniature
from modicum.seeds import stream

LENGTH, VOCABULARY, ROWS = 6, 4, 3
TINY = replace(
    miniature("gram", LENGTH, VOCABULARY), width=16, heads=2, inner=16, guide_inner=8, prefix=1
)
IDS = torch.arange(ROWS * LENGTH).view(ROWS, LENGTH) % VOCABULARY
JUDGES = ("looks", "judging")


def made(**changes) -> RecursiveNet:
    """A net whose noise has a mean and a deviation of its own at every place."""
    net = RecursiveNet(replace(TINY, **changes), stream("net"))
    rng = stream("heads")
    with torch.no_grad():
        for head in (net.prior, net.posterior):
            for weight in (head.mean, head.spread) if head is not None else ():
                weight.copy_(torch.from_numpy(rng.normal(0, 0.3, weight.shape)))
        net.judging.copy_(torch.from_numpy(rng.normal(0, 0.3, net.judging.shape)))
    return net


def noise(shape: RecursiveShape = TINY) -> Tensor:
    size = (ROWS, shape.n_outer, shape.places, shape.width)
    return torch.randn(size, generator=torch.Generator().manual_seed(3))


def supervised(net: RecursiveNet, latent: Latent | None = None):
    return net.supervise(
        latent or net.start(ROWS), net.encode(IDS), (IDS + 1) % VOCABULARY, noise(net.shape)
    )


def gradients(net: RecursiveNet, loss: Tensor) -> dict[str, Tensor]:
    """Gradients that are there and not zero throughout, by name."""
    net.zero_grad()
    loss.backward()
    return {n: p.grad for n, p in net.named_parameters() if p.grad is not None and p.grad.any()}


def test_every_stack_ends_with_a_norm() -> None:
    net = made(guidance="none", layers=2)
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(50)
        latent = net.start(ROWS)
        for _ in range(5):
            latent = net.advance(latent, net.encode(IDS))
    for state in (latent.high, latent.low):
        assert torch.allclose(state.square().mean(-1), torch.ones(ROWS, TINY.places), atol=1e-3)


def test_the_norm_is_kept_in_half_precision() -> None:
    rows = torch.full((2, 8), 300.0, dtype=torch.bfloat16)
    assert torch.equal(norm(rows), torch.ones_like(rows))


def test_without_guidance_noise_changes_not_a_bit() -> None:
    net = made(guidance="none")
    with torch.no_grad():
        plain = net.advance(net.start(ROWS), net.encode(IDS))
        told = net.supervise(net.start(ROWS), net.encode(IDS), IDS)
        noisy = net.advance(net.start(ROWS), net.encode(IDS), noise())
    assert torch.equal(plain.high, noisy.high)
    assert torch.equal(plain.high, told.latent.high)
    assert not told.nats.any()


def test_a_net_with_guidance_starts_as_its_deterministic_twin() -> None:
    twin = RecursiveNet(replace(TINY, guidance="none"), stream("net"))
    net = RecursiveNet(TINY, stream("net"))
    with torch.no_grad():
        one = net.advance(net.start(ROWS), net.encode(IDS))
        other = twin.advance(twin.start(ROWS), twin.encode(IDS))
    assert torch.equal(one.high, other.high)


@pytest.mark.parametrize(
    ("grad", "reached"), [("last_call", False), ("last_recursion", False), ("all", True)]
)
def test_no_gradient_reaches_the_state_before_unless_all_of_a_step_is_differentiated(
    grad, reached
) -> None:
    net = made(grad=grad, guidance="none")
    high = torch.zeros(ROWS, TINY.places, TINY.width, requires_grad=True)
    done = supervised(net, Latent(high, high.detach()))
    (found,) = torch.autograd.grad(done.logits.sum(), high, allow_unused=True)
    assert (found is not None) is reached


@pytest.mark.parametrize("grad", ["last_call", "last_recursion"])
def test_the_past_of_a_step_counts_for_nothing_in_the_last_transition(grad) -> None:
    """One transition from the same state gives the same gradient as several that lead to it."""
    net = made(grad=grad, guidance="none")
    long = gradients(net, supervised(net).logits.square().sum())
    with torch.no_grad():
        net.shape = replace(net.shape, n_outer=1)
        before = net.advance(net.start(ROWS), net.encode(IDS))
    short = gradients(net, supervised(net, before).logits.square().sum())
    assert long.keys() == short.keys()
    assert all(torch.equal(long[name], short[name]) for name in long)


def test_the_last_call_alone_has_another_gradient() -> None:
    nets = [made(grad=grad, guidance="none") for grad in ("last_call", "last_recursion")]
    one, other = (gradients(net, supervised(net).logits.square().sum()) for net in nets)
    assert not torch.equal(one["lower.layers.0.rise"], other["lower.layers.0.rise"])
    assert torch.equal(one["head"], other["head"])


def test_the_prior_learns_from_the_divergence_alone() -> None:
    net = made()
    assert not any(
        name.startswith("prior") for name in gradients(net, supervised(net).logits.sum())
    )
    found = gradients(net, supervised(net).charged.sum())
    assert {f"prior.{part}" for part in ("rise", "mean", "spread", "first")} <= found.keys()


@pytest.mark.parametrize(("charge", "share"), [("all", 2), ("last", 1)])
def test_charge_says_which_transitions_are_paid_for(charge, share) -> None:
    """With the shape's first deviation and one posterior mean, each transition costs the same."""
    net = made(charge=charge)
    with torch.no_grad():
        for head in (net.prior, net.posterior):
            for weight in (head.mean, head.spread):
                weight.zero_()
        net.posterior.first.add_(0.5)
    done = supervised(net)
    each = -0.5 + (torch.tensor(1.0).exp() - 1) / 2
    assert torch.allclose(done.nats, each * 2 * TINY.places * TINY.width, rtol=1e-4)
    assert torch.allclose(done.charged, each * share * TINY.width, rtol=1e-4)


def test_at_the_boundary_alone_the_earlier_noise_is_the_priors() -> None:
    net = made(charge="boundary")
    done = supervised(net)
    with torch.no_grad():
        net.shape = replace(net.shape, n_outer=1)
        before = net.advance(net.start(ROWS), net.encode(IDS), noise())
        after = net.supervise(before, net.encode(IDS), (IDS + 1) % VOCABULARY, noise(TINY)[:, 1:])
    assert torch.equal(done.latent.high, after.latent.high)
    assert torch.equal(done.nats, after.nats)


def test_early_transitions_teach_the_heads_and_nothing_else() -> None:
    """What `all` adds to the gradient of `last` lies in the four heads."""
    one, other = (
        gradients(net, supervised(net).charged.sum())
        for net in (made(charge="all"), made(charge="last"))
    )
    differ = {name for name in one if name not in other or not torch.equal(one[name], other[name])}
    assert differ
    assert all(name.startswith(("prior", "posterior")) for name in differ)


def test_a_zero_mean_leaves_the_mean_out_of_prior_and_posterior() -> None:
    net = made(guidance="zero_mean")
    found = gradients(net, supervised(net).charged.sum() + supervised(net).logits.sum())
    assert not {"prior.mean", "posterior.mean"} & found.keys()
    assert {"prior.spread", "posterior.spread"} <= found.keys()


def test_a_mean_alone_draws_nothing() -> None:
    net = made(guidance="mean_only")
    with torch.no_grad():
        one = net.advance(net.start(ROWS), net.encode(IDS), noise())
        other = net.advance(net.start(ROWS), net.encode(IDS))
    assert torch.equal(one.high, other.high)
    assert (supervised(net).nats > 0).all()


def test_the_posterior_sees_no_answer_at_the_prefix_nor_where_there_is_none() -> None:
    net = made()
    targets = IDS.clone()
    targets[:, 2] = ASKED_NOT
    told = net._answer(targets)
    assert told.sum(-1).tolist() == [[0, 1, 1, 0, 1, 1, 1]] * ROWS
    assert torch.equal(told[:, 1:].argmax(-1)[targets >= 0], targets[targets >= 0])


def test_halting_and_value_leave_the_gradient_of_all_else_as_it_is() -> None:
    net = made()
    done = supervised(net)
    alone = gradients(net, cross_entropy(done.logits, IDS).sum())
    done = supervised(net)
    judged = net.judge(done.latent.high, net.encode(IDS)).square().sum()
    both = gradients(net, cross_entropy(done.logits, IDS).sum() + judged)
    assert {name for name in both if name not in alone} == {
        name for name in both if name.startswith(JUDGES)
    }
    assert all(torch.equal(alone[name], both[name]) for name in alone)


@pytest.mark.parametrize(("prefix", "judge"), [(0, "linear"), (1, "linear"), (1, "block")])
def test_every_judge_says_two_numbers_a_row(prefix, judge) -> None:
    net = made(prefix=prefix, judge=judge)
    read = net.start(ROWS).high
    assert net.judge(read, read).shape == (ROWS, 2)


def test_a_random_start_is_the_noise_that_is_given() -> None:
    net = made(is_start_random=True)
    drawn = torch.randn((2, ROWS, TINY.places, TINY.width))
    assert torch.equal(net.start(ROWS, drawn).high, drawn[0])
    assert torch.equal(made().start(ROWS, drawn).high, made().start(ROWS).high)


def test_equal_streams_give_equal_nets() -> None:
    one, other = (RecursiveNet(TINY, stream("same")).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert abs(float(one["tokens"].std()) - TINY.width**-0.5) < 0.1


def test_the_average_follows_as_its_formula_says() -> None:
    net = made()
    averaged = Averaged(net, 0.9)
    expected = net.head.detach().clone()
    for update in range(120):
        with torch.no_grad():
            net.head.add_(1)
        averaged.follow(update)
        decay = min(0.9, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay) * net.head.detach()
    assert torch.allclose(averaged.net.head, expected, rtol=1e-5)
    assert not averaged.net.head.requires_grad
