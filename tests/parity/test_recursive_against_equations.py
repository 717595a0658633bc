"""The recursive net beside a loop written from the equations: one example, one position at a time."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from modicum.nets.recursive import Latent, RecursiveNet
from modicum.nets.recursive_blocks import GaussianHead, Layer
from modicum.nets.recursive_shape import RecursiveShape, miniature
from modicum.seeds import stream

LENGTH, VOCABULARY, ROWS = 4, 4, 2
TINY = replace(miniature("gram", LENGTH, VOCABULARY), width=12, heads=2, inner=10, guide_inner=6)


def made(shape: RecursiveShape) -> RecursiveNet:
    """A net whose heads say something."""
    net = RecursiveNet(shape, stream("net"))
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return net


def rms(row: Tensor) -> Tensor:
    return row / (row.pow(2).mean() + 1e-5).sqrt()


def swiglu(row: Tensor, rise: Tensor, fall: Tensor) -> Tensor:
    gate, up = (rise @ row).chunk(2)
    return fall @ (gate / (1 + torch.exp(-gate)) * up)


def turned(row: Tensor, place: int) -> Tensor:
    half = len(row) // 2
    found = [torch.zeros(())] * len(row)
    for i in range(half):
        angle = torch.tensor(place * 10_000.0 ** -(i / half))
        found[i] = row[i] * angle.cos() - row[half + i] * angle.sin()
        found[half + i] = row[half + i] * angle.cos() + row[i] * angle.sin()
    return torch.stack(found)


def layer(own: Layer, x: Tensor, shape: RecursiveShape) -> Tensor:
    places, size = len(x), shape.width // shape.heads
    if shape.mixer == "mlp":
        mixed = torch.stack(
            [swiglu(x[:, d], own.mix_rise, own.mix_fall) for d in range(shape.width)], 1
        )
    else:
        q, k, v = (x @ own.read.T).view(places, 3, shape.heads, size).unbind(1)
        rows = []
        for i in range(places):
            heads = []
            for n in range(shape.heads):
                turn = turned if shape.positions == "rotary" else lambda row, _: row
                seen = torch.stack([turn(q[i, n], i) @ turn(k[j, n], j) for j in range(places)])
                heads.append((seen / size**0.5).softmax(0) @ v[:, n])
            rows.append(own.write @ torch.cat(heads))
        mixed = torch.stack(rows)
    x = torch.stack([rms(x[i] + mixed[i]) for i in range(places)])
    return torch.stack([rms(x[i] + swiglu(x[i], own.rise, own.fall)) for i in range(places)])


def stack(layers, x: Tensor, shape: RecursiveShape) -> Tensor:
    for one in layers:
        x = layer(one, x, shape)
    return x


def head(own: GaussianHead, u: Tensor, token: int | None) -> tuple[Tensor, Tensor]:
    """Mean and deviation of one position, each by its own SwiGLU."""
    risen = own.rise @ u + (own.told[token] if token is not None else 0)
    gate, up = risen.chunk(2)
    mean, spread = (gate.sigmoid() * gate * up).chunk(2)
    return own.mean @ mean, (own.spread @ spread + own.first).clamp(-5, 1).exp()


def transition(net: RecursiveNet, h: Tensor, low: Tensor, e: Tensor) -> tuple[Tensor, Tensor]:
    shape, kept = net.shape, net.shape.damping
    for _ in range(shape.n_inner):
        low = (1 - kept) * stack(net.lower.layers, low + h + e, shape) + kept * low
    told = h + low if shape.n_inner else h + e
    return (1 - kept) * stack(net.upper.layers, told, shape) + kept * h, low


def naive(net: RecursiveNet, ids: Tensor, answer: list[int | None] | None, noise: Tensor):
    """Both states and the divergences of a supervision step of one example."""
    shape = net.shape
    e = torch.zeros(shape.places, shape.width)
    for i, token in enumerate(ids.tolist()):
        e[shape.prefix + i] = net.tokens[token]
    if net.places is not None:
        e = (e + net.places) / 2**0.5
    e = e * shape.width**0.5
    h, low = (net.first[i].expand(shape.places, -1) for i in range(2))
    divergences = []
    for t in range(shape.n_outer):
        u, low = transition(net, h, low, e)
        if not shape.is_guided:
            h = u
            continue
        rows, paid = [], torch.zeros(())
        for i in range(shape.places):
            p_mean, p_sd = head(net.prior, u[i], None)
            mean, sd = p_mean, p_sd
            if answer is not None:
                asked = i >= shape.prefix
                mean, sd = head(net.posterior, u[i], answer[i - shape.prefix] if asked else None)
                q, p = (
                    torch.distributions.Normal(mean, sd),
                    torch.distributions.Normal(p_mean, p_sd),
                )
                paid = paid + torch.distributions.kl_divergence(q, p).sum()
            rows.append(u[i] + mean + sd * noise[t, i])
        h = torch.stack(rows)
        divergences.append(paid)
    return h, low, divergences


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": 2},
        {"prefix": 1, "positions": "rotary"},
        {"mixer": "mlp", "positions": "none", "is_shared": True},
        {"guidance": "none", "damping": 0.25},
        {"guidance": "none", "n_inner": 0, "n_outer": 3},
    ],
    ids=["gram", "prefix and rotary", "mlp", "damped", "flat"],
)
@torch.no_grad()
def test_a_supervision_step_is_that_of_the_equations(changes) -> None:
    net = made(replace(TINY, **changes))
    shape, generator = net.shape, torch.Generator().manual_seed(1)
    ids = torch.randint(VOCABULARY, (ROWS, LENGTH), generator=generator)
    targets = torch.randint(VOCABULARY, (ROWS, LENGTH), generator=generator)
    targets[0, 2] = -1
    noise = torch.randn((ROWS, shape.n_outer, shape.places, shape.width), generator=generator)
    prior = net.advance(net.start(ROWS), net.encode(ids), noise)
    posterior = net.supervise(net.start(ROWS), net.encode(ids), targets, noise)
    for row in range(ROWS):
        h, low, _ = naive(net, ids[row], None, noise[row])
        assert torch.allclose(prior.high[row], h, atol=1e-4)
        assert torch.allclose(prior.low[row], low, atol=1e-4)
        told = [None if token < 0 else token for token in targets[row].tolist()]
        h, low, paid = naive(net, ids[row], told, noise[row])
        assert torch.allclose(posterior.latent.high[row], h, atol=1e-4)
        assert torch.allclose(posterior.logits[row], h[shape.prefix :] @ net.head.T, atol=1e-4)
        if shape.is_guided:
            nats = torch.stack(paid).sum()
            assert torch.allclose(posterior.nats[row], nats, rtol=1e-4, atol=1e-3)
            assert torch.allclose(posterior.charged[row], nats / shape.places, rtol=1e-4, atol=1e-3)


def test_its_gradient_is_that_of_the_last_transition_alone() -> None:
    """Earlier transitions are run without gradient, then the last one is differentiated by hand."""
    net = made(replace(TINY, guidance="none", n_outer=3))
    ids = torch.arange(ROWS * LENGTH).view(ROWS, LENGTH) % VOCABULARY
    weights = list(net.parameters())
    done = net.supervise(net.start(ROWS), net.encode(ids), ids)
    found = torch.autograd.grad(done.logits.square().sum(), weights, allow_unused=True)
    with torch.no_grad():
        two = replace(net.shape, n_outer=2)
        net.shape = two
        early = net.advance(net.start(ROWS), net.encode(ids))
    net.shape = replace(two, n_outer=1, grad="all")
    last = net.supervise(Latent(early.high, early.low), net.encode(ids), ids)
    expected = torch.autograd.grad(last.logits.square().sum(), weights, allow_unused=True)
    assert [g is None for g in found] == [g is None for g in expected]
    for one, other in zip(found, expected, strict=True):
        assert one is None or torch.equal(one, other)
