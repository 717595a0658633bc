"""An energy net learns boards: it falls, it goes on after a kill, and processes share its updates."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from modicum.ledger import Ledger
from modicum.model import resolve_backend
from modicum.nets.energy import EnergyNet
from modicum.nets.energy_folder import ENERGY_CONFIG, ENERGY_WEIGHTS, EnergyFolder
from modicum.nets.energy_steps import AskedBoards
from modicum.nets.energy_thinking import BoardThinking, think
from modicum.seeds import key, stream
from modicum.task import resolve_task
from modicum.training.board_recipe import BoardRecipe, optimiser_of
from modicum.training.energy import EnergyLesson, train_energy
from modicum.training.energy_learner import EnergyPretraining
from modicum.training.pretraining import pretrain, solved_boards
from modicum.training.prior_looks import Boards
from modicum.training.recursive_boards import drawing
from modicum.training.stopping import choose_stopping
from modicum.training.traced_answers import TracedAnswers
from modicum.types import Request, Sampling
from tests.support.energy_nets import PUZZLE, energy_card, random_energy
from tests.training.test_boards_together import together

RECIPE = BoardRecipe(steps=6, batch=5, warm_up=2)
LEARNED = solved_boards(resolve_task("sudoku?unique=true"), PUZZLE, "shots", 30)
PRESETS = ("boards", "paper_s1", "paper_s2", "looped", "plain")


def boards(batch: int = 5) -> Boards:
    return Boards(drawing(PUZZLE, LEARNED, batch, "tests"), answered=PUZZLE.grid.answered)


def net_of(preset: str, **changes: object) -> EnergyNet:
    return EnergyNet(energy_card(preset, **changes).shape, stream("tests", "net"))


@pytest.mark.parametrize("preset", PRESETS)
def test_training_lowers_the_loss(preset) -> None:
    recipe = replace(RECIPE, steps=40, batch=32, learning_rate=5e-3, average=0.5)
    found = train_energy(net_of(preset, width=32), boards(32), recipe, "n", Ledger())
    losses = [curve["loss"] for curve in found.curves]
    assert np.mean(losses[-5:]) < 0.85 * np.mean(losses[:5])


def test_an_update_is_that_of_the_equations() -> None:
    """Recipe S1, written out: two detached steps, each held against the answer, all open cells alike."""
    net = net_of("boards")
    lesson = EnergyLesson(net, boards(), RECIPE, "n")
    questions, targets = boards().drawn(3, net.device)
    drawn = torch.Generator().manual_seed(key("energy", "n", 3) >> 1)
    torch.randint(1, (1,), generator=drawn)
    state, losses = torch.randn((5, 16, 5), generator=drawn), []
    for _ in range(2):
        even = torch.rand((5, 1, 1), generator=drawn)
        asked = AskedBoards.of(net, questions)
        candidates = asked.candidates(state.detach()).requires_grad_()
        [slope] = torch.autograd.grad(
            net.energy(asked.encoded, candidates).sum(), [candidates], create_graph=True
        )
        state = candidates - 5.0 * 2 ** (2 * even - 1) * slope
        nats = -state.log_softmax(-1).gather(-1, targets[..., None])[..., 0]
        losses.append(nats[questions == 0].mean())
    expected = torch.stack(losses).mean()
    expected.backward()
    wanted = {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}

    class Kept:
        def take(self, backward):
            net.zero_grad()
            return backward(), 0.0

    taken = lesson.step(3, [], Kept())
    assert taken.figures["loss"] == pytest.approx(expected.item(), rel=1e-6)
    for name, parameter in net.named_parameters():
        if name in wanted:
            assert torch.allclose(parameter.grad, wanted[name], rtol=1e-4, atol=1e-7), name


@pytest.mark.parametrize("preset", ["boards", "paper_s2"])
def test_two_processes_train_the_net_of_one(preset) -> None:
    def work(joined=None):
        shared = None if joined is None else (None, joined)
        return train_energy(net_of(preset), boards(), RECIPE, "n", Ledger(), shared)

    alone = work()
    for found in together(2, work):
        assert found.curves[-1]["loss"] == pytest.approx(alone.curves[-1]["loss"], rel=1e-4)
        for name, part in alone.net.state_dict().items():
            assert torch.allclose(found.net.state_dict()[name], part, atol=2e-5), name


def test_learned_step_sizes_have_no_decay_and_stay_positive() -> None:
    net = net_of("paper_s1", step_size=0.001)
    assert net.size_of_step().item() == pytest.approx(0.001)
    with torch.no_grad():
        net.moved.fill_(-9.0)
    assert net.size_of_step().item() == pytest.approx(1e-4)
    groups = optimiser_of(net, RECIPE).param_groups
    [decay] = {g["weight_decay"] for g in groups if any(p is net.moved for p in g["params"])}
    assert decay == 0


PLAN = EnergyPretraining("sudoku", steps=4, batch=4, boards=12)


@pytest.fixture(autouse=True, scope="module")
def _few_are_tested():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("modicum.training.pretraining.HELD_OUT", 6)
        patched.setattr("modicum.training.pretraining._TESTED", 6)
        patched.setattr("modicum.training.energy_learner.LONG", 3)
        yield


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path) -> None:
    def kill(ledger: Ledger) -> None:
        if ledger.updates > 2:
            raise KeyboardInterrupt

    whole = pretrain(PLAN, tmp_path / "whole", "cpu", lambda _: None, 4)
    with pytest.raises(KeyboardInterrupt):
        pretrain(PLAN, tmp_path / "net", "cpu", kill, 4)
    assert pretrain(PLAN, tmp_path / "net", "cpu", lambda _: None, 4) == whole
    for name in (ENERGY_CONFIG, ENERGY_WEIGHTS):
        assert (tmp_path / "net" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    model = resolve_backend(f"energy:{tmp_path / 'net'}").open()
    assert not model.is_new
    assert model.tolerance == EnergyFolder().read_card(tmp_path / "net").stopping.tolerance
    sampling = Sampling(16, 1.0, stream="s")
    [[one]] = model.generate(
        [Request(PUZZLE.decode((0,) * 16, (0,) * 16), "a")], sampling, Ledger()
    )
    assert one.n_tokens


def test_the_tolerance_is_the_largest_that_loses_at_most_half_a_point(monkeypatch) -> None:
    """On planted rules of what is valid, counted anew from energies that are thought again."""
    net = random_energy(energy_card())
    monkeypatch.setattr(type(PUZZLE), "is_valid", lambda self, asked, ids: sum(ids) % 2 == 0)
    questions = [board.question for board in LEARNED[:8]]
    found = choose_stopping(net, PUZZLE, questions, 6, Ledger())
    how = BoardThinking(6, stream="stopping", is_traced=True)
    names = [" ".join(map(str, question)) for question in questions]
    whole = think(net, torch.tensor(questions), names, how)
    valid = TracedAnswers.read(PUZZLE, questions, whole.traced.numpy()).valid[:, 0]
    stopped = think(
        net, torch.tensor(questions), names, replace(how, stops=True, tolerance=found.tolerance)
    )
    ends = stopped.steps[:, 0].numpy()
    assert found.valid == pytest.approx(valid[np.arange(8), ends - 1].mean())
    assert found.valid_at_full_length == pytest.approx(valid[:, -1].mean())
    assert found.evaluations == pytest.approx(ends.mean())
    assert found.valid >= found.valid_at_full_length - 0.005 or found.tolerance == 0
