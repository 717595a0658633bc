"""Energy nets of text are trained by the recipes as they stand, to the same bits after a kill."""

import json
from dataclasses import replace
from unittest.mock import patch

import pytest
import torch
from torch.nn import functional

from modicum.corpora.naming import resolve_corpus
from modicum.errors import ConfigError
from modicum.ledger import Ledger
from modicum.nets.energy_text import EnergyTextNet
from modicum.nets.energy_text_folder import read_energy_text
from modicum.nets.energy_text_thinking import think
from modicum.nets.thinking import Thinking
from modicum.seeds import stream
from modicum.training.board_recipe import optimiser_of
from modicum.training.energy_text import EnergyTextLesson
from modicum.training.energy_text_learner import EnergyTextKind
from modicum.training.fit import Course, Descent, fit
from modicum.training.replays import Replays
from modicum.training.text_learner import TextBatches, TextRecipe
from modicum.training.text_pretraining import TextPlan, TextSchedule, pretrain_text
from tests.support.commands import modicum
from tests.support.energy_text_nets import (
    LENGTH,
    VOCABULARY,
    drawn,
    ids_of,
    naive_losses,
    naive_step,
    normal,
    tiny,
)

ROWS = 3
RECIPE = TextRecipe(steps=5, batch=ROWS, warm_up=1)
TEXT = torch.from_numpy(stream("tests", "text").integers(VOCABULARY, size=60))
PLAIN = {"noise": 0.0, "jitter": 1.0, "least_steps": 3}
"""Settings of S2 without draws."""


def lesson_of(shape, name: str = "n") -> EnergyTextLesson:
    net = drawn(shape, name)
    return EnergyTextLesson(net, TextBatches(TEXT, ROWS, LENGTH, "t"), RECIPE, "lesson")


def gradients(net, loss):
    found = torch.autograd.grad(loss, list(net.parameters()), allow_unused=True)
    return [
        torch.zeros_like(p) if g is None else g
        for p, g in zip(net.parameters(), found, strict=True)
    ]


def begun() -> torch.Tensor:
    rng = stream("energy text", "lesson", 0)
    return torch.from_numpy(
        rng.standard_normal((ROWS, LENGTH, VOCABULARY), dtype="float32")
    ).double()


def taught(lesson):
    """Return the loss of update 0 as the lesson says it, its states in double precision."""

    def doubled(rng, size):
        return torch.from_numpy(rng.standard_normal(size, dtype="float32")).double()

    with patch("modicum.training.energy_text._normal", doubled):
        return lesson.losses(ids_of(ROWS, LENGTH + 1), 0, 0)


@pytest.mark.parametrize(
    ("shape", "detaches", "graph", "every"),
    [
        (tiny(), True, (True, True), True),
        (tiny("paper_s2", **PLAIN), False, (False, False, True), False),
        (tiny("paper_s2", **PLAIN, is_truncated=False), False, (True, True, True), False),
        (
            tiny("paper_s2", **PLAIN, is_truncated=False, update="logit_accumulate"),
            False,
            (True, True, True),
            False,
        ),
    ],
    ids=["s1", "s2", "whole graph", "logits"],
)
def test_a_lessons_gradient_is_that_of_the_recipe(shape, detaches, graph, every) -> None:
    lesson = lesson_of(shape)
    net, ids = lesson.net, ids_of(ROWS, LENGTH + 1)
    sizes = [net.size_of_step()] * len(graph)
    losses = naive_losses(net, ids, begun(), sizes, detaches=detaches, graph=graph)
    wanted = torch.stack(losses).mean() if every else losses[-1]
    told = taught(lesson)
    torch.testing.assert_close(told["loss"], wanted)
    torch.testing.assert_close(told["first_step"], losses[0])
    for one, two in zip(gradients(net, told["loss"]), gradients(net, wanted), strict=True):
        torch.testing.assert_close(one, two)


def test_no_gradient_of_s1_reaches_the_step_before() -> None:
    lesson = lesson_of(tiny())
    net, ids = lesson.net, ids_of(ROWS, LENGTH + 1)
    sizes = [net.size_of_step()] * 2
    graph = (True, True)
    cut, whole = (
        naive_losses(net, ids, begun(), sizes, detaches=detaches, graph=graph)[-1]
        for detaches in (True, False)
    )
    # of the first landscape the first step alone is told
    own = torch.autograd.grad(taught(lesson)["last_step"], net.landscapes, retain_graph=True)[0]
    assert own[0].abs().sum() == 0
    torch.testing.assert_close(own, torch.autograd.grad(cut, net.landscapes)[0])
    assert torch.autograd.grad(whole, net.landscapes)[0][0].abs().sum() > 0


def test_the_truncated_gradient_of_s2_is_that_of_its_last_step_alone() -> None:
    lesson = lesson_of(tiny("paper_s2", **PLAIN))
    net, ids, state = lesson.net, ids_of(ROWS, LENGTH + 1), begun()
    for number in range(3):
        state, _ = naive_step(net, ids[:, :-1], state.detach(), 0, 5.0, learned=number == 2)
    alone = functional.cross_entropy(state.flatten(0, 1), ids[:, 1:].flatten())
    told = taught(lesson)["loss"]
    for one, two in zip(gradients(net, told), gradients(net, alone), strict=True):
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize(("conditioning", "times"), [("added", 1), ("token", 2)])
def test_ids_are_observed_once_an_update(conditioning, times) -> None:
    lesson = lesson_of(tiny(conditioning=conditioning))
    with patch.object(
        EnergyTextNet, "observe", autospec=True, side_effect=EnergyTextNet.observe
    ) as observed:
        taught(lesson)
    assert observed.call_count == times


def test_a_learned_step_size_has_its_own_rate_and_no_decay() -> None:
    net = EnergyTextNet(tiny(), stream("x"))
    lesson = EnergyTextLesson(net, TextBatches(TEXT, ROWS, LENGTH, "t"), RECIPE, "lesson")
    optimiser = optimiser_of(net, RECIPE, lesson.rate_factors)
    groups = [g for g in optimiser.param_groups if any(p is net.step_size for p in g["params"])]
    assert len(groups) == 1
    assert len(groups[0]["params"]) == 1
    assert groups[0]["weight_decay"] == 0.0
    held = sum(len(group["params"]) for group in optimiser.param_groups)
    assert held == len(list(net.parameters()))
    before = float(net.step_size.detach())
    course = Course(1, lambda _: 1e-3)
    fit(lesson, Descent(optimiser, list(net.parameters())), course, Ledger())
    assert groups[0]["lr"] == pytest.approx(1e-3 * 3 * 5.0)
    # the first step of Adam is as long as the rate
    assert abs(float(net.step_size.detach()) - before) == pytest.approx(0.015, rel=1e-3)


def test_draws_of_a_window_go_by_its_place_in_the_update() -> None:
    lesson = lesson_of(tiny("paper_s2"))
    ids, states = ids_of(ROWS, LENGTH + 1), []

    def kept(self, ids, state, rng, own):
        states.append(state[: own.stop - own.start])
        return {"loss": state.sum()}, state

    with patch.object(EnergyTextLesson, "_descended", kept):
        lesson.losses(ids, 4, 0)
        lesson.losses(ids[1:], 4, 1)
    whole, part = states
    assert torch.equal(whole[1:], part)


def test_replays_keep_fresh_sequences_and_begin_where_those_ended() -> None:
    held = Replays(5, 2, 3)
    ids, states = torch.arange(12).view(4, 3), normal(4, 2, 3).float()
    assert len(held.joined(ids, states, stream("r"))[0]) == 4
    held.keep(ids, states)
    held.keep(ids + 100, states + 1)
    assert len(held) == 5
    both, begun_ = held.joined(ids + 200, states + 2, stream("r"))
    assert len(both) == 6
    for one, state in zip(both[4:], begun_[4:], strict=True):
        old = int(one[0]) < 100
        row = (int(one[0]) - (0 if old else 100)) // 3
        assert torch.equal(state, states[row] + (0 if old else 1))
    assert len({int(one[0]) for one in both[4:]}) == 2
    assert int(held.state()["ids"][0, 0]) == 9


def test_an_update_stores_its_fresh_rows_alone() -> None:
    net = EnergyTextNet(tiny("paper_s2", replays=7), stream("x"))
    lesson = EnergyTextLesson(net, TextBatches(TEXT, ROWS, LENGTH, "t"), RECIPE, "lesson")
    descent = Descent(optimiser_of(net, RECIPE), list(net.parameters()))
    fresh = []
    for number in range(3):
        lesson.step(number, [], descent)
        fresh.append(lesson._batches.drawn(number, net.device))
    assert torch.equal(lesson._replays.state()["ids"], torch.cat(fresh)[-7:])


PLAN = TextPlan(
    "made:brackets?trees=1",
    EnergyTextKind(width=16, layers=1, heads=2, preset="paper_s2", replays=6),
    TextSchedule(steps=6, batch=4, length=12, tokens=300),
)


def train(out, until: int = 99):
    def watch(ledger: Ledger) -> None:
        if ledger.updates > until:
            raise KeyboardInterrupt

    return pretrain_text(PLAN, out, "cpu", 4, watch)


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path) -> None:
    whole = train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "net", until=3)
    assert train(tmp_path / "net") == whole
    names = {path.name for path in (tmp_path / "whole").iterdir()}
    assert {path.name for path in (tmp_path / "net").iterdir()} == names
    for name in names:
        assert (tmp_path / "net" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    card, net = read_energy_text(tmp_path / "net")
    assert card.alphabet == resolve_corpus(PLAN.corpus).alphabet
    assert net.shape.replays == 6
    assert card.trained["updates"] == 6


def test_what_a_character_costs_is_read_off_the_last_state() -> None:
    learner = EnergyTextKind(width=16, layers=1, heads=2).drawn(
        "abcdefg", LENGTH, stream("x"), "cpu"
    )
    ids = ids_of(2, LENGTH + 1)
    logits = think(learner.net, ids[:, :-1], Thinking(3, 2)).logits
    wanted = -logits.log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    torch.testing.assert_close(learner.nats(ids, Thinking(3, 2)), wanted)
    assert learner.parameters == sum(p.numel() for p in learner.net.parameters())
    assert learner.flops(Thinking()) == learner.flops(Thinking(2))
    one, two, three = (learner.flops(Thinking(steps)) for steps in (1, 2, 3))
    assert three - two == two - one == 2 * learner.net.shape.pass_flops


def test_it_learns_what_always_follows() -> None:
    text = torch.arange(400) % VOCABULARY
    shape = replace(tiny(), width=16)
    net = EnergyTextNet(shape, stream("x"))
    recipe = TextRecipe(steps=40, batch=8, warm_up=5, learning_rate=1e-2)
    lesson = EnergyTextLesson(net, TextBatches(text, 8, LENGTH, "t"), recipe, "learns")
    descent = Descent(optimiser_of(net, recipe, lesson.rate_factors), list(net.parameters()))
    curves = fit(lesson, descent, Course(40, recipe.rate), Ledger()).curves
    assert curves[-1]["last_step"] < 0.7 * curves[0]["last_step"]


def test_several_processes_share_no_replays() -> None:
    class Two:
        number, count = 0, 2

    net = EnergyTextNet(tiny("paper_s2", replays=4), stream("x"))
    with pytest.raises(ConfigError, match="replays"):
        EnergyTextLesson(
            net, TextBatches(TEXT, 4, LENGTH, "t"), replace(RECIPE, batch=4), "l", Two()
        )


def test_the_command_trains_an_energy_net(tmp_path) -> None:
    line = ("pretrain", "energy", "--corpus", "made:ledgers", "--steps", 3, "--batch", 2)
    sizes = ("--length", 12, "--tokens", 300, "--windows", 4, "--width", 8, "--heads", 2)
    said = modicum(*line, *sizes, "--layers", 1, "--out", tmp_path / "net", "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert (told["net"]["kind"], told["net"]["preset"]) == ("energy", "paper_s1")
    assert read_energy_text(tmp_path / "net")[0].shape.width == 8
