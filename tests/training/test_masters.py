"""All weights of a bfloat16 model are trained as those of a single-precision one, and stay bfloat16."""

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from safetensors.torch import load
from torch import nn

from modicum.ledger import Ledger
from modicum.nudge import write_folder
from modicum.sampling.half import is_half, make_half
from modicum.sampling.local import Local
from modicum.seeds import stream
from modicum.training.adapters import AdapterShape, attach, load_nudge
from modicum.training.checkpoint import Checkpoint
from modicum.training.fit import Descent
from modicum.training.loop import Example, Schedule, tune
from modicum.training.masters import Masters
from modicum.training.rollouts import RolloutRow, batch_rows
from modicum.training.trainable import TrainedWeights
from tests.support.tiny_models import tiny_local, tiny_module

EXAMPLES = [Example((5, 6, 7), (8, 9, 2)), Example((5, 11), (12, 13, 14, 2))]
FULL = AdapterShape("full")
IDS = torch.tensor([[5, 6, 7, 8, 9]])
RATE, STEPS = 1e-4, 14
"""A step is a tenth of the distance from most weights to the next bfloat16 number."""


def _rng() -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=3))


def _half() -> nn.Module:
    """A module of bfloat16 products."""
    module = _plain()
    assert make_half(module)
    return module


def _plain() -> nn.Module:
    """The same as transformers runs it."""
    module = tiny_module("llama")
    for parameter in module.parameters():
        parameter.data = parameter.data.bfloat16()
    return module


@pytest.fixture(params=[_half, _plain])
def base(request: pytest.FixtureRequest) -> Local:
    """A bfloat16 model."""
    make: Callable[[], nn.Module] = request.param
    return tiny_local().with_module(make())


def _flat(module: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().float().flatten() for p in module.parameters()])


def _single(base: Local) -> Local:
    """The same weights in single precision, computed with as transformers does."""
    module = tiny_module("llama")
    module.load_state_dict({n: t.float() for n, t in base.module.state_dict().items()})
    return base.with_module(module)


def _trained(local: Local) -> tuple[TrainedWeights, torch.Tensor]:
    """Take many small steps; return what was trained and how far each number of it moved."""
    trainable = TrainedWeights(local, FULL, RATE, stream("masters"))
    parameters, before = list(trainable.named.values()), trainable.state()
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.0)
    descent = Descent(optimiser, parameters, write=trainable.write)
    for _ in range(STEPS):
        descent.take(lambda: _score(trainable).sum().neg().backward())
    return trainable, torch.cat(
        [(p.detach() - before[n]).flatten() for n, p in trainable.named.items()]
    )


def test_masters_are_trained_as_single_precision_is(base) -> None:
    trainable, moved = _trained(base)
    _, wanted = _trained(_single(base))
    assert torch.cosine_similarity(moved, wanted, dim=0) > 0.97
    assert float(moved.norm() / wanted.norm()) == pytest.approx(1.0, abs=0.05)
    assert torch.equal(
        _flat(trainable.module),
        torch.cat([p.flatten() for p in trainable.named.values()]).bfloat16(),
    )


def test_small_steps_add_up_where_rounded_weights_would_not_learn(base) -> None:
    schedule = Schedule(RATE, STEPS, passes=1, batch=2, warmup=0.0)
    losses = [
        tune(local, EXAMPLES, FULL, schedule, _rng(), Ledger()).losses
        for local in (base, _single(base))
    ]
    learned, wanted = (first - last for first, *_, last in losses)
    assert wanted > 0.1
    # rounded weights would come a tenth of the way
    assert learned > 0.4 * wanted


def test_masters_move_where_rounded_weights_cannot(base) -> None:
    trainable = TrainedWeights(base, FULL, 1e-6, stream("masters"))
    optimiser = torch.optim.AdamW(trainable.named.values(), lr=1e-6, weight_decay=0.0)
    before, start = trainable.state(), _flat(trainable.module)
    _score(trainable).sum().backward()
    optimiser.step()
    trainable.write()
    moved = torch.cat([(p.detach() - before[n]).flatten() for n, p in trainable.named.items()])
    assert float((moved != 0).float().mean()) > 0.5
    assert float((_flat(trainable.module) != start).float().mean()) < 0.05
    assert {p.dtype for p in trainable.named.values()} == {torch.float32}


def _score(trainable: TrainedWeights) -> torch.Tensor:
    row = RolloutRow((5, 6, 7), (8, 9, 10, 11), 0.0)
    return trainable.score(batch_rows([row], torch.device("cpu"))).logprobs


def test_gradients_of_several_passes_add_up_in_single_precision(base) -> None:
    trainable = TrainedWeights(base, FULL, 1e-6, stream("masters"))
    passes = []
    for _ in range(3):
        for parameter in trainable.named.values():
            parameter.grad = None
        _score(trainable).sum().backward()
        passes.append({n: p.grad.clone() for n, p in trainable.named.items() if p.grad is not None})
    for parameter in trainable.named.values():
        parameter.grad = None
    for _ in range(3):
        _score(trainable).sum().backward()
    assert all(p.grad is None for p in trainable.module.parameters())
    for name, parameter in trainable.named.items():
        if name in passes[0]:
            assert torch.allclose(parameter.grad, sum(one[name] for one in passes))


def test_what_was_trained_is_kept_sampled_and_loaded_in_the_models_own_precision(
    base, tmp_path
) -> None:
    found = tune(base, EXAMPLES, FULL, Schedule(1e-2, 3, passes=1), _rng(), Ledger())
    module = found.change.module
    assert {p.dtype for p in module.parameters()} == {torch.bfloat16}
    assert not any(p.requires_grad for p in module.parameters())
    files = found.change.files()
    saved = load(files["model.safetensors"])
    assert {t.dtype for t in saved.values()} == {torch.bfloat16}
    write_folder(files, tmp_path)
    again = load_nudge(base, tmp_path)
    assert is_half(again) == is_half(base.module)
    with torch.no_grad():
        assert torch.equal(again(IDS).logits, module(IDS).logits)


def test_a_killed_run_goes_on_from_its_masters(base, tmp_path) -> None:
    one, other = (TrainedWeights(base, FULL, 1e-6, stream("masters")) for _ in range(2))
    kept = []
    for trainable in (one, other):
        optimiser = torch.optim.AdamW(trainable.named.values(), lr=1e-6)
        kept.append(Checkpoint(tmp_path / "run.safetensors", trainable, optimiser, Ledger()))
    with torch.no_grad():
        for parameter in one.named.values():
            parameter.add_(1e-3)
    one.write()
    kept[0].keep([{"loss": 1.0}], None)
    assert len(kept[1].restore()) == 1
    assert all(torch.equal(p, other.named[n]) for n, p in one.named.items())
    assert torch.equal(_flat(one.module), _flat(other.module))


def test_single_precision_is_trained_as_it_is() -> None:
    module = attach(tiny_local(), FULL, _rng())
    masters = Masters(module)
    assert {id(p) for p in masters.named.values()} == {id(p) for p in module.parameters()}
    before = copy.deepcopy(module.state_dict())
    masters.write()
    assert all(torch.equal(before[name], t) for name, t in module.state_dict().items())


def test_a_released_module_keeps_its_gradients_to_itself() -> None:
    module = _plain().requires_grad_(requires_grad=True)
    masters = Masters(module)
    masters.release()
    module(IDS).logits.sum().backward()
    assert any(p.grad is not None for p in module.parameters())
    assert all(p.grad is None for p in masters.named.values())
