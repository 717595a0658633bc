"""TinyLoRA: a handful of trained numbers for the whole model, in a form that PEFT loads."""

import pytest
import torch
from peft import PeftModel

from modicum.model import resolve_backend
from modicum.seeds import stream
from modicum.training.adapters import AdapterShape, load_nudge
from modicum.training.trainable import TrainedWeights

IDS = torch.tensor([[5, 6, 7, 8]])


@pytest.fixture(scope="module")
def organism():
    return resolve_backend("organism").open()


def tiny(organism, scalars: int = 13, *, is_tied: bool = True, name: str = "t") -> TrainedWeights:
    shape = AdapterShape("tinylora", 2, 4.0, scalars, is_tied)
    return TrainedWeights(organism, shape, 0.05, stream(name))


def count(trainable: TrainedWeights) -> int:
    return sum(p.numel() for p in trainable.named.values())


def test_thirteen_numbers_are_trained_for_all_layers(organism) -> None:
    assert count(tiny(organism)) == 13
    assert count(tiny(organism, 1)) == 1


def test_untied_every_linear_layer_has_its_own(organism) -> None:
    untied = count(tiny(organism, 4, is_tied=False))
    assert untied % 4 == 0
    assert untied > 4 * 10


def test_it_begins_as_the_model_itself_and_each_number_changes_it(organism) -> None:
    plain = organism.module(IDS).logits
    trainable = tiny(organism, 3)
    with torch.no_grad():
        assert torch.allclose(trainable.sampler().module(IDS).logits, plain, atol=1e-5)
        for place in range(3):
            (vector,) = trainable.named.values()
            vector.zero_()
            vector[place] = 0.5
            moved = trainable.sampler().module(IDS).logits
            assert not torch.allclose(moved, plain, atol=1e-3)


def test_another_trial_has_other_projections(organism) -> None:
    logits = []
    for name in ("a", "b", "a"):
        trainable = tiny(organism, name=name)
        with torch.no_grad():
            next(iter(trainable.named.values())).fill_(0.3)
            logits.append(trainable.sampler().module(IDS).logits)
    assert torch.equal(logits[0], logits[2])
    assert not torch.allclose(logits[0], logits[1], atol=1e-3)


def test_saved_adapter_loads_in_modicum_and_in_peft_alone(organism, tmp_path) -> None:
    trainable = tiny(organism)
    with torch.no_grad():
        next(iter(trainable.named.values())).fill_(0.3)
        wanted = trainable.sampler().module(IDS).logits
        assert trainable.save(tmp_path) > 0
        ours = load_nudge(organism, tmp_path)(IDS).logits
        fresh = resolve_backend("organism").open().module
        theirs = PeftModel.from_pretrained(fresh, str(tmp_path))(IDS).logits
    assert torch.allclose(ours, wanted, atol=1e-5)
    assert torch.allclose(theirs, wanted, atol=1e-5)
