"""Biases over bfloat16 weights learn, are kept and are loaded in single precision."""

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from safetensors.torch import load
from torch import nn
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from modicum.ledger import Ledger
from modicum.nudge import write_folder
from modicum.sampling.half import make_half
from modicum.sampling.half_steps import LeanHalf
from modicum.sampling.local import Local
from modicum.sampling.loop import lean_for
from modicum.training.adapters import AdapterShape, attach, load_nudge, settle
from modicum.training.loop import Example, Schedule, tune
from modicum.training.wide_biases import widen_biases
from modicum.types import Request, Sampling
from tests.support.tiny_models import tiny_local, tiny_module

EXAMPLES = [Example((5, 6, 7), (8, 9, 2))]
IDS = torch.tensor([[72, 101, 108, 108, 111]])


def _rng() -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=3))


def _half() -> nn.Module:
    """A module of bfloat16 products."""
    module = tiny_module("llama-biased").to(torch.bfloat16)
    assert make_half(module)
    return module


def _plain() -> nn.Module:
    """The same as transformers runs it."""
    return tiny_module("llama-biased").to(torch.bfloat16)


def _normed() -> nn.Module:
    """A module with biases in its norms too."""
    config = GPTNeoXConfig(
        vocab_size=300, hidden_size=16, intermediate_size=24, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=64,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(1)
        return GPTNeoXForCausalLM(config).eval().to(torch.bfloat16)


@pytest.fixture(params=[_half, _plain, _normed])
def base(request: pytest.FixtureRequest) -> Local:
    """A bfloat16 model whose biases are of size 1, where rounding is coarse."""
    make: Callable[[], nn.Module] = request.param
    module = make()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith(".bias"):
                parameter.fill_(1.0)
    return tiny_local().with_module(module)


def _biases(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p for name, p in module.named_parameters() if name.endswith(".bias")}


def test_what_is_attached_computes_as_before_until_it_learns(base) -> None:
    tuned = attach(base, AdapterShape("bias"), _rng()).eval()
    with torch.no_grad():
        assert torch.equal(tuned(IDS).logits, base.module(IDS).logits)
    assert {p.dtype for p in tuned.parameters() if p.requires_grad} == {torch.float32}
    assert all(p.dtype == torch.bfloat16 for p in base.module.parameters())


def test_small_steps_on_a_bias_are_not_lost_in_training_or_in_its_files(base, tmp_path) -> None:
    schedule = Schedule(learning_rate=1e-5, steps=3, passes=3, batch=1, warmup=0.0)
    found = tune(base, EXAMPLES, AdapterShape("bias"), schedule, _rng(), Ledger())
    learned = _biases(found.change.module)
    moved = torch.cat([(bias - 1.0).flatten() for bias in learned.values()]).abs()
    assert 1e-6 < float(moved.max()) < 4e-5
    assert float((moved > 0).float().mean()) > 0.5
    files = found.change.files()
    saved = load(files["adapter_model.safetensors"])
    assert {t.dtype for n, t in saved.items() if n.endswith(".bias")} == {torch.float32}
    write_folder(files, tmp_path)
    again = _biases(load_nudge(base, tmp_path))
    assert again.keys() == learned.keys()
    assert all(torch.equal(again[name], learned[name]) for name in learned)


def test_a_step_that_counts_changes_the_scores(base) -> None:
    tuned = attach(base, AdapterShape("bias"), _rng()).eval()
    loss = tuned(IDS).logits.float().logsumexp(-1).sum()
    loss.backward()
    trained = [p for p in tuned.parameters() if p.requires_grad]
    assert any(float(p.grad.abs().max()) > 0 for p in trained if p.grad is not None)
    before = tuned(IDS).logits
    with torch.no_grad():
        for parameter in trained:
            parameter.add_(0.5)
        assert not torch.equal(tuned(IDS).logits, before)
        settled = settle(copy.deepcopy(tuned))
        assert torch.equal(settled(IDS).logits, tuned(IDS).logits)


def test_rows_in_flight_add_what_whole_passes_add() -> None:
    plain = tiny_local().with_module(_half())
    tuned = attach(plain, AdapterShape("bias"), _rng()).eval()
    with torch.no_grad():
        for parameter in _biases(tuned).values():
            parameter.add_(0.3)
    local = plain.with_module(settle(tuned))
    assert lean_for(local.module) in (LeanHalf, None)
    sampling = Sampling(8, 0.0, stream="s", ids=True, scores=True)
    [[answer]] = local.generate([Request("Hello", "a", 1)], sampling, Ledger())
    ids = torch.tensor([[*local.encode("Hello"), *answer.ids]])
    with torch.no_grad():
        told = local.module(ids).logits[0, -len(answer.ids) - 1 : -1].log_softmax(-1)
    taken = torch.tensor(answer.ids)[:, None]
    assert torch.allclose(
        told.gather(1, taken)[:, 0], torch.tensor(answer.logprobs), atol=0.06, rtol=0
    )


def test_single_precision_stays_as_it_is() -> None:
    module = tiny_module("llama-biased")
    before = {id(p) for p in module.parameters()}
    widen_biases(module, list(_biases(module)))
    assert {id(p) for p in module.parameters()} == before
