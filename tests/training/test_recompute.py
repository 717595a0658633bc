"""Where memory is short: layers run again for the gradient, and a batch goes part by part."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from modicum.ledger import Ledger
from modicum.seeds import stream
from modicum.training import loop, scoring, trainable
from modicum.training.adapters import AdapterShape
from modicum.training.loop import Example, Schedule, tune
from modicum.training.scoring import score
from tests.support.tiny import tiny
from tests.training.test_head import learned, local, rows, trained


@contextmanager
def kept_numbers() -> Iterator[list[int]]:
    """Count what passes keep for the gradient, each tensor once."""
    seen: dict[int, int] = {}
    total = [0]

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        seen[tensor.data_ptr()] = tensor.numel()
        total[0] = sum(seen.values())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield total


@pytest.mark.parametrize("kind", ["lora", "vectors"])
@pytest.mark.parametrize("is_half", [False, True])
def test_layers_that_run_again_give_the_same_scores_and_gradients(
    monkeypatch, kind, is_half
) -> None:
    learner, batch = trained(kind, is_half=is_half), rows()
    wanted, theirs = learned(learner, batch, 0.7, 0.5)
    monkeypatch.setattr(trainable, "room_for", lambda *_: 1)
    found, ours = learned(learner, batch, 0.7, 0.5)
    near = 0.03 if is_half else 1e-4
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, atol=near)
    assert theirs.norm() > 0
    assert (ours - theirs).norm() < (0.02 if is_half else 1e-4) * theirs.norm()
    assert "forward" not in vars(local(is_half=False).module.model.layers[0])


def test_little_is_kept_of_layers_that_run_again(monkeypatch) -> None:
    learner, batch = trained("lora", is_half=False), rows()
    with kept_numbers() as whole:
        learner.score(batch)
    monkeypatch.setattr(trainable, "room_for", lambda *_: 1)
    with kept_numbers() as again:
        learner.score(batch)
    assert 0 < again[0] < 0.5 * whole[0]


def test_layers_are_left_as_they_were() -> None:
    learner = trained("lora", is_half=False)
    score(learner.scored, rows(), is_tight=True)
    layers = learner.scored.get_base_model().model.layers
    assert not any("forward" in vars(layer) for layer in layers)


@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.parametrize("room", [1, 12, 10_000])
def test_imitation_part_by_part_learns_the_same(monkeypatch, is_large, room) -> None:
    model = local(is_half=False) if is_large else tiny()
    examples = [Example((5, 6, 7), (9, 2)), Example((4,), (8, 3, 1)), Example((5, 6, 7), (1,))]
    shape, schedule = AdapterShape("lora", 2, 4.0), Schedule(0.05, steps=3, passes=1, batch=3)
    monkeypatch.setattr(loop, "head_of", lambda _: None)
    wanted = tune(model, examples, shape, schedule, stream("imitate"), Ledger())
    monkeypatch.undo()
    passes: list[bool] = []
    monkeypatch.setattr(loop, "room_for", lambda *_: room)
    monkeypatch.setattr(
        loop,
        "score",
        lambda *a, is_tight: passes.append(is_tight) or scoring.score(*a, is_tight=is_tight),
    )
    found = tune(model, examples, shape, schedule, stream("imitate"), Ledger())
    assert found.losses == pytest.approx(wanted.losses, rel=1e-4)
    assert len(set(wanted.losses)) == 3
    each = {1: 3, 12: 2, 10_000: 1 if is_large else 0}[room]
    assert passes == [room == 1] * (3 * each)
