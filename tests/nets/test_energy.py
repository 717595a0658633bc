"""Energy nets: what flows where, what a candidate depends on, and when thinking ends."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from modicum.errors import ConfigError, UnknownNameError
from modicum.nets.energy_shape import ENERGY_PRESETS, EnergyShape, energy_preset
from modicum.nets.energy_steps import AskedBoards, stepped
from modicum.nets.energy_thinking import BoardThinking, think
from modicum.task import resolve_task
from modicum.training.stopping import ended
from tests.support.energy_nets import PUZZLE, energy_card, random_energy

QUESTIONS = torch.tensor(
    [PUZZLE.encode(p.question) for p in resolve_task("sudoku").problems("test", 3)]
)
NAMES = ["a", "b", "c"]
NET = random_energy(energy_card())


def normal(seed: int, net=NET) -> torch.Tensor:
    drawn = torch.randn((3, 16, 5), generator=torch.Generator().manual_seed(seed))
    return drawn.to(net.head.dtype)


def test_shapes_count_the_weights_that_nets_have() -> None:
    for name in ENERGY_PRESETS:
        net = random_energy(energy_card(name, layers=2))
        assert sum(p.numel() for p in net.parameters()) == net.shape.numbers, name


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 15},
        {"heads": 0},
        {"step_size": 0.0},
        {"jitter": 0.5},
        {"least_steps": 0},
        {"most_steps": 1},
        {"update": "sideways"},
        {"reads": "tea leaves"},
        {"loss": "none"},
        {"noise": float("inf")},
        {"layers": 0},
        {"vocabulary": 1},
    ],
)
def test_shapes_that_cannot_be_built_are_refused(changes) -> None:
    with pytest.raises(ConfigError, match=next(iter(changes))):
        replace(EnergyShape(16, 5, least_steps=2, most_steps=2), **changes)


def test_a_preset_that_is_none_is_refused() -> None:
    with pytest.raises(UnknownNameError):
        energy_preset("paper_s3", 16, 5)


def test_no_board_sees_another_and_what_is_given_never_moves() -> None:
    asked, state = AskedBoards.of(NET, QUESTIONS), normal(1)
    after, energy = stepped(NET, asked, state, 5.0, has_graph=False)
    moved = state.clone()
    moved[1, :, 2] += 1.0
    other, energies = stepped(NET, asked, moved, 5.0, has_graph=False)
    assert torch.allclose(other[[0, 2]], after[[0, 2]], atol=1e-6)
    assert torch.allclose(energies[[0, 2]], energy[[0, 2]], atol=1e-5)
    assert float((energies - energy)[1].abs()) > 1e-3
    given = QUESTIONS > 0
    candidates = asked.candidates(normal(2) * 9)
    assert torch.equal(candidates[given].argmax(-1), QUESTIONS[given])
    assert torch.equal(candidates[given].sum(-1), torch.ones(int(given.sum())))


def trainable(**changes):
    net = random_energy(energy_card(**changes)).double()
    return net.requires_grad_(requires_grad=True)


def gradient(net, loss) -> torch.Tensor:
    found = torch.autograd.grad(loss, list(net.parameters()), allow_unused=True, retain_graph=True)
    return torch.cat([torch.zeros(0) if one is None else one.flatten() for one in found])


def test_the_gradient_of_a_step_is_that_of_differences() -> None:
    net = trainable()
    asked_for = torch.tensor([1, 2, 3] * 5 + [4])

    def loss() -> torch.Tensor:
        asked = AskedBoards.of(net, QUESTIONS)
        after, _ = stepped(net, asked, normal(3, net), 5.0, has_graph=True)
        return torch.nn.functional.cross_entropy(after.flatten(0, 1), asked_for.repeat(3))

    whole = torch.autograd.grad(loss(), [net.layers[0].rise, net.candidates, net.head])
    for part, grad in zip((net.layers[0].rise, net.candidates, net.head), whole, strict=True):
        for place in ((0, 1), (0, 7)):
            with torch.no_grad():
                part[place] += 1e-5
                ahead = float(loss())
                part[place] -= 2e-5
                behind = float(loss())
                part[place] += 1e-5
            assert (ahead - behind) / 2e-5 == pytest.approx(float(grad[place]), rel=1e-4, abs=1e-9)


def test_a_detached_step_has_no_gradient_from_the_one_before() -> None:
    """S1: the gradient of the second step's loss is that of a step that begins there."""
    net = trainable()
    asked = AskedBoards.of(net, QUESTIONS)
    first, _ = stepped(net, asked, normal(4, net), 5.0, has_graph=True)
    second, _ = stepped(net, asked, first.detach(), 5.0, has_graph=True)
    alone = stepped(net, AskedBoards.of(net, QUESTIONS), first.detach(), 5.0, has_graph=True)[0]
    through, _ = stepped(net, asked, first, 5.0, has_graph=True)
    cut = gradient(net, second.square().sum())
    assert torch.allclose(cut, gradient(net, alone.square().sum()))
    assert not torch.allclose(cut, gradient(net, through.square().sum()), rtol=1e-3)


def test_steps_without_a_graph_leave_the_last_step_alone_a_gradient() -> None:
    """S2: earlier gradients are constants, but the state still flows."""
    net = trainable()
    asked = AskedBoards.of(net, QUESTIONS)
    first, _ = stepped(net, asked, normal(5, net), 5.0, has_graph=False)
    assert not first.requires_grad
    last, _ = stepped(net, asked, first, 5.0, has_graph=True)
    alone = stepped(net, AskedBoards.of(net, QUESTIONS), first.clone(), 5.0, has_graph=True)[0]
    assert torch.allclose(gradient(net, last.sum()), gradient(net, alone.sum()))


def test_a_candidate_is_the_same_alone_and_among_others() -> None:
    how = BoardThinking(4, 5, stream="s", is_traced=True)
    whole = think(NET, QUESTIONS, NAMES, how)
    alone = think(NET, QUESTIONS[1:2], NAMES[1:2], replace(how, candidates=2), first=[3])
    assert torch.allclose(alone.energies[0], whole.energies[1, 3:], atol=1e-4)
    assert torch.equal(alone.traced[0], whole.traced[1, 3:])
    few = think(NET, QUESTIONS, NAMES, replace(how, rows=4))
    assert torch.allclose(few.energies, whole.energies, atol=1e-4)
    assert len({tuple(row) for row in whole.answers[0].tolist()}) > 1
    assert not torch.allclose(
        think(NET, QUESTIONS, NAMES, replace(how, stream="t")).energies, whole.energies
    )


def test_energies_are_those_of_final_states_and_fewer_steps_are_a_beginning() -> None:
    how = BoardThinking(6, 2, is_traced=True)
    found, short = (
        think(NET, QUESTIONS, NAMES, how),
        think(NET, QUESTIONS, NAMES, replace(how, steps=3)),
    )
    assert torch.allclose(found.traced_energies[..., -1], found.energies)
    assert torch.allclose(found.traced_energies[..., :4], short.traced_energies, atol=1e-4)
    assert torch.equal(found.traced[:, :, :3], short.traced)
    assert torch.equal(found.traced[:, :, -1], found.answers)
    assert torch.allclose(short.energies, found.traced_energies[..., 3], atol=1e-4)
    assert int(found.steps.min()) == 6


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_thinking_ends_where_its_own_answers_and_energies_say_so(share) -> None:
    how = BoardThinking(8, 4, is_traced=True)
    whole = think(NET, QUESTIONS, NAMES, how)
    gained = (whole.traced_energies[..., :-1] - whole.traced_energies[..., 1:]).flatten()
    tolerance = max(0.0, 1.01 * float(gained.quantile(share)))
    flat, energies = whole.traced.flatten(0, 1), whole.traced_energies.flatten(0, 1)
    last = ended(energies.double().numpy(), flat.numpy(), tolerance)
    stopped = think(NET, QUESTIONS, NAMES, replace(how, stops=True, tolerance=tolerance))
    assert stopped.steps.flatten().tolist() == last.tolist()
    rows = torch.arange(len(last))
    assert torch.equal(stopped.answers.flatten(0, 1), flat[rows, torch.from_numpy(last) - 1])
    own = energies[rows, torch.from_numpy(last)]
    assert torch.allclose(stopped.energies.flatten(), own, atol=1e-4)
    for row, steps in enumerate(last.tolist()):
        kept = stopped.traced_energies.flatten(0, 1)[row]
        assert torch.allclose(kept[:steps], energies[row, :steps], atol=1e-4)
        assert torch.allclose(kept[steps:], own[row], atol=1e-4)
    assert share < 1 or len(set(last.tolist())) > 1


def test_a_candidate_ends_after_the_first_step_that_changes_nothing() -> None:
    energies = np.array([[4.0, 3.0, 2.0, 1.0]] * 2)
    answers = np.array([[[1, 2], [1, 2], [1, 3]], [[1, 2], [1, 3], [1, 3]]])
    assert ended(energies, answers, 1.0).tolist() == [2, 3]
    assert ended(energies, answers, 0.5).tolist() == [3, 3]


def test_at_no_temperature_all_candidates_are_the_same_and_noise_moves_them_apart() -> None:
    cold = BoardThinking(3, 3, temperature=0.0)
    assert len(think(NET, QUESTIONS, NAMES, cold).energies[0].unique()) == 1
    moved = think(NET, QUESTIONS, NAMES, replace(cold, noise=1.0))
    assert len(moved.energies[0].unique()) == 3


@pytest.mark.parametrize(
    "changes", [{"steps": 0}, {"candidates": 0}, {"tolerance": -1.0}, {"rows": 0}]
)
def test_thinking_that_is_none_is_refused(changes) -> None:
    with pytest.raises(ConfigError, match=next(iter(changes))):
        replace(BoardThinking(2), **changes)


def test_a_looped_network_reads_its_own_answer_and_has_no_energy() -> None:
    net = random_energy(energy_card("looped"))
    found = think(net, QUESTIONS, NAMES, BoardThinking(3, 2))
    assert float(found.energies.abs().max()) == 0
    asked, state = AskedBoards.of(net, QUESTIONS[:1]), normal(7)[:1]
    after, _ = stepped(net, asked, state, 1.0, has_graph=False)
    assert torch.allclose(after, net.read(asked.encoded, asked.candidates(state)))
