"""Heads that are taught after training: they learn, and nothing else changes."""

from dataclasses import replace

import torch

from modicum.ledger import Ledger
from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_rollouts import Rolling, roll
from modicum.nets.recursive_shape import miniature
from modicum.seeds import stream
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
    assert ledger.flops > 0
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
