"""The threshold of halting is the lowest that loses next to nothing, recounted from real rollouts."""

from collections import Counter
from dataclasses import replace

import pytest
import torch

from modicum.ledger import Ledger
from modicum.nets.recursive_rollouts import Rolling, roll
from modicum.task import resolve_task
from modicum.training.halting import SURE, choose_halting
from tests.support.recursive_nets import PUZZLE, random_net, tiny_card

QUESTIONS = [
    PUZZLE.encode(problem.question) for problem in resolve_task("sudoku").problems("test", 12)
]
NAMES = [str(number) for number in range(12)]
HOW = Rolling(5, 4, stream="s")


def net_of(preset: str, middle: float):
    """A net whose halt logits lie around a number, far apart."""
    net = random_net(tiny_card(preset))
    rolled = roll(net, torch.tensor(QUESTIONS), NAMES, replace(HOW, is_traced=True))
    spread = 2.0 / rolled.traced_halt.std()
    net.judging.mul_(spread)
    net.judging_first[0] = middle - spread * rolled.traced_halt.median()
    return net


def figures(net, how) -> tuple[float, float, float]:
    """Valid single samples, valid votes, and steps, each answer judged by itself."""
    rolled = roll(net, torch.tensor(QUESTIONS), NAMES, how)
    singles, votes = [], []
    for question, group in zip(QUESTIONS, rolled.answers.tolist(), strict=True):
        texts = [PUZZLE.decode(question, answer) for answer in group]
        right = [PUZZLE.is_valid(question, tuple(answer)) for answer in group]
        singles += right
        votes.append(right[texts.index(Counter(texts).most_common(1)[0][0])])
    return sum(singles) / len(singles), sum(votes) / 12, float(rolled.steps.double().mean())


def naive(net, how) -> float:
    """Roll out anew with each threshold, from the lowest on."""
    full = figures(net, how)
    for sure in SURE:
        one, vote, _ = figures(net, replace(how, halts=True, sure=sure))
        if one > full[0] - 0.00501 and vote > full[1] - 0.01001:
            return sure
    return 1.0


def even(self, asked, ids) -> bool:
    """What an untrained net's answers differ in stands for being right."""
    return sum(ids) % 2 == 0


def ending_of(net):
    """Right is what the first trajectory of each board says after its last step."""
    ends = roll(net, torch.tensor(QUESTIONS), NAMES, replace(HOW, width=1)).answers[:, 0].tolist()
    known = dict(zip(QUESTIONS, ends, strict=True))
    return lambda self, asked, ids: list(ids) == known[asked]


@pytest.mark.parametrize(
    ("preset", "right"), [("gram", "even"), ("gram", "ending"), ("twin", "ending")]
)
def test_it_is_the_lowest_of_those_tried_that_keeps_the_rule(preset, right, monkeypatch) -> None:
    chosen = set()
    for middle in (-1.0, 2.0):
        net = net_of(preset, middle)
        checker = even if right == "even" else ending_of(net)
        monkeypatch.setattr(type(PUZZLE), "is_valid", checker)
        found = choose_halting(net, PUZZLE, (QUESTIONS, NAMES), HOW, Ledger())
        assert found.sure == naive(net, HOW)
        chosen.add(found.sure)
    assert len(chosen) == 2
    assert chosen - {min(SURE), 1.0}


def test_its_figures_are_those_of_rollouts_with_and_without_it(monkeypatch) -> None:
    monkeypatch.setattr(type(PUZZLE), "is_valid", even)
    net = net_of("gram", 1.0)
    found = choose_halting(net, PUZZLE, (QUESTIONS, NAMES), HOW, Ledger())
    assert 0.5 <= found.sure < 1
    ended = figures(net, replace(HOW, halts=True, sure=found.sure))
    assert (found.one, found.vote, found.steps) == pytest.approx(ended)
    assert (found.one_at_full_depth, found.vote_at_full_depth) == figures(net, HOW)[:2]
    assert (found.depth, found.boards, found.samples) == (5, 12, 4)


def test_where_every_threshold_loses_too_much_it_never_halts(monkeypatch) -> None:
    """Right is what is said after the last step alone, and the head is sure from the first on."""
    net = net_of("twin", 1.0)
    net.judging_first[0] = 50.0
    monkeypatch.setattr(type(PUZZLE), "is_valid", ending_of(net))
    found = choose_halting(net, PUZZLE, (QUESTIONS, NAMES), HOW, Ledger())
    assert figures(net, replace(HOW, halts=True, sure=max(SURE)))[0] < 0.9
    assert (found.sure, found.steps, found.one, found.samples) == (1.0, 5.0, 1.0, 1)


def test_the_rollouts_it_takes_are_counted() -> None:
    net, ledger = net_of("gram", 1.0), Ledger()
    choose_halting(net, PUZZLE, (QUESTIONS, NAMES), HOW, ledger)
    assert ledger.flops == pytest.approx(12 * 4 * 5 * 16 * net.shape.step_flops)
