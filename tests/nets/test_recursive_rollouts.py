"""Rollouts: folded, refilled and compacted, they are those of a loop, in the order of the questions."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from modicum.errors import ConfigError
from modicum.nets.recursive import Latent, RecursiveNet
from modicum.nets.recursive_rollouts import Rolling, _Flight, roll
from modicum.seeds import stream
from tests.nets.test_recursive import LENGTH, TINY, VOCABULARY, made

QUESTIONS = torch.from_numpy(stream("questions").integers(0, VOCABULARY, (7, LENGTH)))
NAMES = [f"q{i}" for i in range(7)]


@pytest.fixture
def net() -> RecursiveNet:
    """A net whose halt head says yes about as often as no."""
    net = made()
    with torch.no_grad():
        net.judging[0] = 3.0 * torch.from_numpy(stream("halt").normal(0, 1, TINY.width))
        net.judging_first.zero_()
        high = net.advance(net.start(7), net.encode(QUESTIONS)).high
        net.judging_first[0] = -net.judge(high, net.encode(QUESTIONS))[:, 0].median()
    return net


@torch.no_grad()
def alone(net: RecursiveNet, i: int, number: int, how: Rolling):
    """One trajectory by itself: its answers, steps, last judgement, last move."""
    shape = net.shape
    rng = stream("recursive", how.stream, NAMES[i], number)
    size = (1, shape.n_outer, shape.places, shape.width)
    latent, injected = net.start(1), net.encode(QUESTIONS[i : i + 1])
    answers = []
    for _ in range(how.depth):
        noise = torch.from_numpy(rng.standard_normal(size, np.float32))
        before, latent = latent, net.advance(latent, injected, noise, how.temperature)
        answers.append(net.decode(latent.high).argmax(-1)[0])
        judged = net.judge(latent.high, injected)[0]
        if how.halts and judged[0] > 0:
            break
    return answers, judged, (latent.high - before.high).square().mean().sqrt()


@pytest.mark.parametrize("halts", [False, True])
@pytest.mark.parametrize("rows", [1, 5, 64])
def test_folded_trajectories_are_those_of_a_loop(net, halts, rows) -> None:
    how = Rolling(depth=5, width=3, temperature=0.7, halts=halts, rows=rows, is_traced=True)
    found = roll(net, QUESTIONS, NAMES, how)
    ended = set()
    for i in range(7):
        for number in range(3):
            answers, judged, moved = alone(net, i, number, how)
            ended.add(len(answers))
            assert torch.equal(found.answers[i, number], answers[-1])
            assert int(found.steps[i, number]) == len(answers)
            assert torch.equal(found.traced[i, number, : len(answers)], torch.stack(answers))
            assert torch.equal(found.traced[i, number, -1], answers[-1])
            assert torch.allclose(found.halt[i, number], judged[0], atol=1e-3)
            assert torch.allclose(found.traced_halt[i, number, -1], judged[0], atol=1e-3)
            assert torch.allclose(found.value[i, number], judged[1].sigmoid(), atol=1e-4)
            assert torch.allclose(found.residual[i, number], moved, atol=1e-4)
    assert (len(ended) > 1) is halts


def test_noise_depends_on_the_address_and_not_on_what_is_beside(net) -> None:
    how = Rolling(depth=2, width=2)
    whole = roll(net, QUESTIONS, NAMES, how)
    turned = roll(net, QUESTIONS.flip(0), NAMES[::-1], replace(how, width=4))
    assert torch.equal(whole.answers, turned.answers.flip(0)[:, :2])
    other = roll(net, QUESTIONS, NAMES, replace(how, stream="other"))
    assert not torch.equal(whole.value, other.value)


def test_a_deeper_rollout_begins_as_a_shallower_one(net) -> None:
    deep, flat = (
        roll(net, QUESTIONS, NAMES, Rolling(depth=depth, width=2, is_traced=True))
        for depth in (4, 2)
    )
    assert torch.equal(deep.traced[:, :, :2], flat.traced)
    assert torch.allclose(deep.traced_halt[:, :, :2], flat.traced_halt, atol=1e-3)
    assert torch.allclose(flat.traced_halt[:, :, 1], flat.halt, atol=1e-3)
    assert not torch.allclose(flat.traced_halt[:, :, 0], flat.halt, atol=1e-3)


def test_at_temperature_zero_all_trajectories_are_the_priors_means(net) -> None:
    cold = roll(net, QUESTIONS, NAMES, Rolling(depth=3, width=4, temperature=0.0))
    with torch.no_grad():
        latent = net.start(7)
        for _ in range(3):
            latent = net.advance(latent, net.encode(QUESTIONS))
    assert cold.answers.shape == (7, 4, LENGTH)
    assert (cold.answers == net.decode(latent.high).argmax(-1)[:, None]).all()


def test_without_guidance_every_width_says_what_one_trajectory_says() -> None:
    net = made(guidance="none")
    one, many = (roll(net, QUESTIONS, NAMES, Rolling(depth=3, width=w)) for w in (1, 5))
    assert torch.equal(one.answers.expand(-1, 5, -1), many.answers)
    assert torch.equal(one.value.expand(-1, 5), many.value)


@pytest.mark.parametrize("changes", [{"noise": 0.5}, {}], ids=["noise", "start"])
def test_noise_at_test_and_random_starts_make_a_deterministic_net_vary(changes) -> None:
    net = made(guidance="none", is_start_random=not changes)
    found = roll(net, QUESTIONS, NAMES, Rolling(depth=2, width=3, **changes))
    assert (found.value.std(1) > 0).all()
    again = roll(net, QUESTIONS, NAMES, Rolling(depth=2, width=3, rows=2, **changes))
    assert torch.equal(found.answers, again.answers)


def test_noise_at_test_is_added_to_both_states_before_a_step() -> None:
    net = made(guidance="none")
    found = roll(net, QUESTIONS[:1], NAMES, Rolling(depth=1, noise=0.5))
    size = (2, TINY.places, TINY.width)
    drawn = stream("recursive", "rollout", "q0", 0).standard_normal(size, np.float32)
    high, low = (0.5 * torch.from_numpy(part)[None] for part in drawn)
    with torch.no_grad():
        start = net.start(1)
        moved = Latent(start.high + high, start.low + low)
        after = net.advance(moved, net.encode(QUESTIONS[:1]))
    assert torch.equal(found.answers[:, 0], net.decode(after.high).argmax(-1))


def test_rows_are_compacted_to_powers_of_two_and_never_run_half_empty(net) -> None:
    how = Rolling(depth=9, width=13, halts=True, rows=64)
    flight, sizes = _Flight(net, QUESTIONS, NAMES, how), []
    while flight.goes_on:
        sizes.append((len(flight._place), int((flight._place >= 0).sum())))
        flight.step()
    assert {size for size, _ in sizes} - {64} <= {1, 2, 4, 8, 16, 32}
    assert sizes[-1][0] < 64
    assert all(2 * live > size for size, live in sizes)


def test_halting_saves_steps(net) -> None:
    found = roll(net, QUESTIONS, NAMES, Rolling(depth=9, width=4, halts=True))
    assert 1 <= float(found.steps.double().mean()) < 9
    assert (found.halt[found.steps < 9] > 0).all()
    surer = roll(net, QUESTIONS, NAMES, Rolling(depth=9, width=4, halts=True, sure=0.9))
    assert (surer.halt[surer.steps < 9].sigmoid() > 0.9).all()
    assert (surer.steps >= found.steps).all()
    assert int(surer.steps.sum()) > int(found.steps.sum())


@pytest.mark.parametrize(
    "wrong", [{"depth": 0}, {"width": 0}, {"temperature": -1.0}, {"rows": 0}, {"sure": 1.0}]
)
def test_what_cannot_be_rolled_out_is_refused(wrong) -> None:
    with pytest.raises(ConfigError, match="for rollouts"):
        Rolling(**{"depth": 1, **wrong})
