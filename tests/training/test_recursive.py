"""Deep supervision: slots that persist and are refilled, looks from the prior, a run that goes on."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import torch

from modicum.ledger import Ledger
from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_losses import ASKED_NOT, cross_entropy
from modicum.nets.recursive_rollouts import Rolling, roll
from modicum.nets.recursive_shape import miniature
from modicum.seeds import stream
from modicum.training.board_recipe import optimiser_of
from modicum.training.fit import Descent
from modicum.training.prior_looks import Boards
from modicum.training.recursive import (
    RecursiveLesson,
    RecursiveRecipe,
    train_recursive,
)

LENGTH, VOCABULARY, BATCH = 4, 3, 6
TINY = replace(
    miniature("gram", LENGTH, VOCABULARY), width=16, heads=2, inner=16, guide_inner=8, n_steps=3
)
RECIPE = RecursiveRecipe(steps=8, batch=BATCH, look_every=3, look_boards=2, warm_up=2)


def draw(number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Boards whose answer is the question turned round."""
    ids = torch.from_numpy(stream("boards", number).integers(0, VOCABULARY, (BATCH, LENGTH)))
    return ids, ids.flip(1)


def lesson_of(recipe: RecursiveRecipe = RECIPE, **changes) -> tuple[RecursiveLesson, Descent]:
    net = RecursiveNet(replace(TINY, **changes), stream("net"))
    lesson = RecursiveLesson(net, Boards(draw), recipe, "lesson")
    return lesson, Descent(optimiser_of(net, recipe), list(net.parameters()), recipe.clip)


def taken(lesson: RecursiveLesson, descent: Descent, steps: int, first: int = 0):
    return [lesson.step(number, [], descent).figures for number in range(first, first + steps)]


def test_slots_keep_their_board_until_they_are_over() -> None:
    lesson, descent = lesson_of()
    boards = []
    for number in range(7):
        taken(lesson, descent, 1, number)
        boards.append(lesson.slots.questions.clone())
    for slot in range(BATCH):
        came = 0  # slot i began with age i % 3, so that every update sees all ages
        for number in range(7):
            if number and (number + slot % 3) % 3 == 0:
                came = number
            assert torch.equal(boards[number][slot], draw(came)[0][slot])


def test_a_refilled_slot_starts_anew() -> None:
    """A slot whose board is new has, to the bit, the step of a net that knows no past."""
    lesson, descent = lesson_of(guidance="none")
    taken(lesson, descent, 3)
    fresh = lesson.slots.over.clone()
    assert 0 < int(fresh.sum()) < BATCH
    net = lesson.net
    with torch.no_grad():
        expected = net.advance(net.start(BATCH), net.encode(draw(3)[0]))
    taken(lesson, descent, 1, 3)
    assert torch.equal(lesson.slots.high[fresh], expected.high[fresh])
    assert not torch.equal(lesson.slots.high[~fresh], expected.high[~fresh])
    assert lesson.slots.age.tolist() == [1 + int(a) for a in [0, 1, 2, 0, 1, 2]]


def test_one_step_is_one_update_along_the_loss_of_the_equations() -> None:
    lesson, descent = lesson_of(replace(RECIPE, look_every=100, first_beta=6.0), beta=0.5)
    net, (ids, targets) = lesson.net, draw(0)
    seed = torch.Generator().manual_seed(lesson._generator("noise", 0).initial_seed())
    size = (TINY.n_outer, BATCH, TINY.places, TINY.width)
    noise = torch.randn(size, generator=seed).transpose(0, 1)
    done = net.supervise(net.start(BATCH), net.encode(ids), targets, noise)
    loss = cross_entropy(done.logits, targets).mean() + 6 * 0.5 * done.charged.mean()
    loss.backward()
    expected = {n: p.grad.clone() for n, p in net.named_parameters() if p.grad is not None}
    figures = lesson.step(0, [], descent).figures
    assert figures["loss"] == pytest.approx(float(loss.detach()), rel=1e-6)
    scale = min(1.0, RECIPE.clip / figures["grad_norm"])
    found = {n: p.grad for n, p in net.named_parameters() if p.grad is not None}
    assert expected.keys() == found.keys()
    for name, grad in found.items():
        assert torch.allclose(grad, scale * expected[name], rtol=1e-3, atol=1e-7)


def test_the_divergence_is_dear_at_first_and_falls_by_equal_factors() -> None:
    recipe = RecursiveRecipe(steps=100, first_beta=16.0, beta_falls=0.4)
    found = [recipe.beta_factor(step) for step in (0, 10, 20, 30, 40, 99)]
    assert found == pytest.approx([16, 8, 4, 2, 1, 1])
    assert {replace(recipe, first_beta=1.0).beta_factor(step) for step in range(100)} == {1.0}
    assert replace(recipe, beta_falls=0.0).beta_factor(0) == 1.0


@pytest.mark.parametrize("changes", [{}, {"guidance": "none", "halting": True}, {"noise": 0.1}])
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path, changes) -> None:
    def run(steps: int, path=None):
        net = RecursiveNet(replace(TINY, **changes), stream("net"))
        ledger = Ledger()

        def boards(number: int):
            if number == steps:
                raise KeyError(number)
            return draw(number)

        learned = None
        with suppress(KeyError):
            learned = train_recursive(net, Boards(boards), RECIPE, "run", ledger, path)
        return net, learned, ledger

    whole, learned, ledger = run(99)
    path = tmp_path / "run.safetensors"
    assert run(5, path)[1] is None
    again, resumed, counted = run(99, path)
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name
        assert torch.equal(learned.net.state_dict()[name], resumed.net.state_dict()[name]), name
    assert learned.curves == resumed.curves
    assert (ledger.updates, ledger.flops) == (counted.updates, counted.flops)


def test_equal_names_give_equal_bits_and_others_do_not() -> None:
    def weights(name: str) -> torch.Tensor:
        net = RecursiveNet(TINY, stream("net"))
        return train_recursive(net, Boards(draw), RECIPE, name, Ledger()).net.head

    assert torch.equal(weights("one"), weights("one"))
    assert not torch.equal(weights("one"), weights("two"))


def test_figures_say_what_the_posterior_and_the_prior_do() -> None:
    asked = []

    def checker(questions: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
        asked.append(len(answers))
        return (answers >= 0).all(1)

    net = RecursiveNet(TINY, stream("net"))
    curves = train_recursive(net, Boards(draw, checker), RECIPE, "run", Ledger()).curves
    assert {"loss", "ce", "kl", "exact", "cells", "grad_norm"} <= curves[0].keys()
    looks = [i for i, curve in enumerate(curves) if "prior_valid" in curve]
    assert looks == [2, 5]
    assert all(curves[i]["prior_valid"] == 1.0 and 0 < curves[i]["distinct"] <= 1 for i in looks)
    assert asked == [TINY.n_steps * 2 * RECIPE.look_width] * 2
    assert all("judged" in curves[i] for i in looks)


def test_divergence_is_told_over_all_transitions_of_a_whole_computation() -> None:
    lesson, descent = lesson_of()
    net = lesson.net
    with torch.no_grad():  # each position and channel costs the same, wherever a trajectory stands
        net.posterior.first.add_(0.5)
    for group in descent.optimiser.param_groups:
        group["lr"] = 0.0
    figures = taken(lesson, descent, 4)[-1]
    each = -0.5 + (np.exp(1.0) - 1) / 2
    whole = TINY.n_steps * TINY.n_outer * TINY.places * TINY.width
    assert figures["kl"] == pytest.approx(each * whole, rel=1e-3)


def test_targets_count_only_where_they_are_answered() -> None:
    boards = Boards(draw, answered=(True, False, True, True))
    _, targets = boards.drawn(0, torch.device("cpu"))
    assert (targets[:, 1] == ASKED_NOT).all()
    assert torch.equal(targets[:, [0, 2, 3]], draw(0)[1][:, [0, 2, 3]])
    answers = draw(0)[1].clone()
    answers[:, 1] = 9
    assert boards.right(draw(0)[0], targets, answers).all()


def test_a_slot_that_halts_is_refilled_early_but_not_before_its_least_step() -> None:
    lesson, descent = lesson_of(guidance="none", halting=True, judge="linear")
    with torch.no_grad():
        lesson.net.judging_first[0] = 50.0  # every slot would halt at once
    ages, least = [], []
    for number in range(20):
        taken(lesson, descent, 1, number)
        ages.append(lesson.slots.age.clone())
        least.append(lesson.slots.least.clone())
        assert torch.equal(
            lesson.slots.over, lesson.slots.age >= lesson.slots.least.clamp(max=TINY.n_steps)
        )
    share = float((torch.stack(least) > 1).double().mean())
    assert 0.02 < share < 0.5
    assert int(torch.stack(ages)[3:].max()) <= TINY.n_steps


def test_decay_is_for_matrices_alone() -> None:
    net = RecursiveNet(TINY, stream("net"))
    for name in ("adamw", "adam_atan2"):
        matrices, others = optimiser_of(net, replace(RECIPE, optimiser=name)).param_groups
        assert (matrices["weight_decay"], others["weight_decay"]) == (RECIPE.decay, 0.0)
        assert {p.ndim for p in matrices["params"]} == {2}
        assert {p.ndim for p in others["params"]} == {1}
        assert len(matrices["params"]) + len(others["params"]) == len(list(net.parameters()))


def test_the_rate_rises_stays_and_falls() -> None:
    recipe = RecursiveRecipe(steps=100, warm_up=10, cool_down=0.5, learning_rate=1.0)
    rates = [recipe.rate(step) for step in range(100)]
    assert rates[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert rates[9:51] == [1.0] * 42
    assert rates[-1] == pytest.approx(0.02)


def test_it_learns_to_say_a_board_again() -> None:
    recipe = replace(RECIPE, steps=60, learning_rate=1e-2, warm_up=10, average=0.9)
    boards = Boards(lambda number: (draw(number)[0], draw(number)[0]))
    net = RecursiveNet(TINY, stream("net"))
    learned = train_recursive(net, boards, recipe, "run", Ledger())
    assert learned.curves[0]["ce"] > 1.0
    assert np.mean([curve["ce"] for curve in learned.curves[-5:]]) < 0.5
    rolled = roll(learned.net, draw(99)[0], list("abcdef"), Rolling(depth=3, width=4))
    assert float((rolled.answers == draw(99)[0][:, None]).double().mean()) > 0.7
