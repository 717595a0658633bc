"""Heads that are taught after training: they learn, and nothing else changes."""

from dataclasses import replace

import pytest
import torch

from modicum.ledger import Ledger
from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_rollouts import Rolling, roll
from modicum.nets.recursive_shape import PRESETS, miniature
from modicum.seeds import stream
from modicum.training.board_recipe import BoardRecipe
from modicum.training.judging import Judging, learn_to_judge
from modicum.training.prior_looks import Boards

LENGTH, VOCABULARY, BATCH = 4, 3, 8
TINY = replace(miniature("gram", LENGTH, VOCABULARY), width=16, heads=2, inner=16, guide_inner=8)
HOW = Judging(rounds=16, updates=8, depth=3, trajectories=24, batch=64, learning_rate=1e-2)


def draw(number: int) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.from_numpy(stream("boards", number).integers(0, VOCABULARY, (BATCH, LENGTH)))
    return ids, ids


def starts_low(questions: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """Right is what an untrained net's answers differ in, and what its states tell."""
    return answers[:, 0] == 0


def spread() -> RecursiveNet:
    """A net whose trajectories differ."""
    net = RecursiveNet(TINY, stream("net"))
    with torch.no_grad():
        net.prior.first.fill_(0.0)
    return net.requires_grad_(False)


def test_heads_tell_right_from_wrong_afterwards_and_all_else_is_as_it_was() -> None:
    net, ledger = spread(), Ledger()
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    losses = learn_to_judge(net, Boards(draw, starts_low), HOW, "heads", ledger)
    assert sum(losses[-3:]) < 0.75 * sum(losses[:3])
    changed = {n for n, weight in net.state_dict().items() if not torch.equal(weight, before[n])}
    assert changed == {name for name in before if name.startswith(("looks", "judging"))}
    assert not any(weight.requires_grad for weight in net.parameters())
    rolled_out = 16 * 24 * 3 * LENGTH * TINY.step_flops
    updated = 3 * 16 * 8 * 64 * LENGTH * TINY.judge_flops
    assert ledger.flops == pytest.approx(rolled_out + updated)
    assert ledger.updates == 16 * 8
    rolled = roll(net, draw(99)[0], list("abcdefgh"), Rolling(depth=3, width=16))
    right = rolled.answers[..., 0] == 0
    assert 0 < right.float().mean() < 1
    better = rolled.halt[right][:, None] > rolled.halt[~right]
    assert better.float().mean() > 0.7, better.float().mean()


def test_equal_names_teach_the_same() -> None:
    short = replace(HOW, rounds=2)
    nets = [spread() for _ in range(3)]
    for net, name in zip(nets, ("one", "one", "two"), strict=True):
        learn_to_judge(net, Boards(draw, starts_low), short, name, Ledger())
    assert torch.equal(nets[0].judging, nets[1].judging)
    assert not torch.equal(nets[0].judging, nets[2].judging)


def test_a_killed_run_goes_on_at_its_round_to_the_same_bits(tmp_path) -> None:
    short, kept = replace(HOW, rounds=4), tmp_path / "kept.safetensors"
    whole, counted = spread(), Ledger()
    losses = learn_to_judge(whole, Boards(draw, starts_low), short, "heads", counted)
    said: list[str] = []

    def kill(ledger: Ledger) -> None:
        said.append(ledger.said)
        if ledger.said.endswith("round 3 of 4"):
            raise KeyboardInterrupt

    told = Ledger(observer=kill)
    with pytest.raises(KeyboardInterrupt):
        learn_to_judge(spread(), Boards(draw, starts_low), short, "heads", told, kept)
    assert said[0] == "training the halting head"
    rounds: list[int] = []

    def drawn(number: int) -> tuple[torch.Tensor, torch.Tensor]:
        rounds.append(number)
        return draw(number)

    again, ledger = spread(), Ledger()
    gone_on = learn_to_judge(again, Boards(drawn, starts_low), short, "heads", ledger, kept)
    assert 0 < min(rounds) < 4
    assert gone_on == losses
    assert (ledger.flops, ledger.updates) == (counted.flops, counted.updates)
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name


def test_it_grows_with_the_training_that_it_follows_and_is_as_deep() -> None:
    small = Judging.after(BoardRecipe(steps=5, batch=4), TINY)
    deep = Judging.after(BoardRecipe(steps=5, batch=4), replace(TINY, n_steps=32))
    assert (small.rounds, small.trajectories, small.batch, small.depth) == (1, 8, 16, 16)
    assert deep.depth == 32


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_it_takes_a_quarter_of_the_trainings_flops_and_no_more(preset) -> None:
    net, ledger = RecursiveNet(miniature(preset, LENGTH, VOCABULARY), stream("net")), Ledger()
    recipe = BoardRecipe(steps=600, batch=BATCH)
    how = Judging.after(recipe, net.shape)
    learn_to_judge(net, Boards(draw, starts_low), replace(how, rounds=1), "heads", ledger)
    trained = Ledger()
    for _ in range(recipe.steps):
        trained.trained(BATCH * LENGTH, net.shape.trained_flops)
    assert 0.15 < how.rounds * ledger.flops / trained.flops <= 0.25
