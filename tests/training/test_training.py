"""Tuning: the loop does what a naive loop does, leaves the base alone, and saves for other tools."""

import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from modicum.errors import TrialError
from modicum.ledger import Ledger
from modicum.nudge import weight_bytes, write_folder
from modicum.training.adapters import AdapterShape, attach, default_rate, load_nudge, seeded
from modicum.training.loop import Example, Schedule, Tuned, batch_of, tune
from modicum.training.losses import IGNORED, imitation
from modicum.whitebox import weights_hash
from tests.support.tiny import tiny, tiny_module

PARAMETERS = ("lora", "full", "bias")
EXAMPLES = [
    Example((5, 6, 7), (8, 9, 2)),
    Example((5, 11), (12, 13, 14, 2)),
    Example((15,), (16, 2)),
]
SCHEDULE = Schedule(learning_rate=1e-2, steps=6, passes=1, batch=2)
PROMPT = torch.tensor([[5, 6, 7, 8, 9, 10]])


def _rng() -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=3))


@pytest.fixture(scope="module")
def base():
    return tiny()


@pytest.fixture(scope="module", params=PARAMETERS)
def tuned(request, base):
    ledger = Ledger()
    found = tune(base, EXAMPLES, AdapterShape(request.param, 4, 8.0), SCHEDULE, _rng(), ledger)
    return request.param, found, ledger


@torch.no_grad()
def _logits(module) -> torch.Tensor:
    return module(PROMPT).logits


def _naive_loss(module, examples) -> torch.Tensor:
    """Mean cross-entropy over completion tokens, one example and one token at a time."""
    losses = []
    for example in examples:
        ids = torch.tensor([example.prompt + example.completion])
        logprobs = module(ids).logits.log_softmax(-1)[0]
        start = len(example.prompt)
        losses += [-logprobs[start + i - 1, token] for i, token in enumerate(example.completion)]
    return torch.stack(losses).mean()


def _naive_full(steps: int = SCHEDULE.steps) -> tuple[LlamaForCausalLM, list[float]]:
    """Full tuning, written from the words: AdamW, warm-up, cosine to a tenth, clipping at 1."""
    module = tiny_module().train()
    rng = _rng()
    order = np.concatenate([rng.permutation(3) for _ in range(4)])
    optimiser = torch.optim.AdamW(module.parameters(), lr=1.0, weight_decay=0.0)
    losses = []
    for step in range(steps):
        done = (step - 1) / (steps - 1)
        rate = 1.0 if step == 0 else 0.1 + 0.9 * (1 + math.cos(math.pi * done)) / 2
        optimiser.param_groups[0]["lr"] = SCHEDULE.learning_rate * rate
        loss = _naive_loss(module, [EXAMPLES[i] for i in order[2 * step : 2 * step + 2]])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
        losses.append(float(loss.detach()))
    return module.eval(), losses


def test_loop_has_the_losses_of_a_naive_loop(base) -> None:
    found = tune(base, EXAMPLES, AdapterShape("full"), SCHEDULE, _rng(), Ledger())
    # fp32 sums in another order
    assert found.losses == pytest.approx(_naive_full()[1], abs=1e-4)


def test_loop_ends_at_the_weights_of_a_naive_loop(base) -> None:
    found = tune(base, EXAMPLES, AdapterShape("full"), SCHEDULE, _rng(), Ledger())
    torch.testing.assert_close(
        _logits(found.change.module), _logits(_naive_full()[0]), atol=1e-3, rtol=0
    )


def test_loss_learns_completions_only() -> None:
    ids, _, labels = batch_of(EXAMPLES, pad=0)
    learned = [row[row != IGNORED].tolist() for row in labels]
    assert learned == [list(e.completion) for e in EXAMPLES]
    assert ids.shape == labels.shape


def test_padding_does_not_change_the_loss() -> None:
    module = tiny_module()
    ids, mask, labels = batch_of(EXAMPLES, pad=0)
    with torch.no_grad():
        batched = imitation(module(input_ids=ids, attention_mask=mask).logits, labels)
        naive = _naive_loss(module, EXAMPLES)
    torch.testing.assert_close(batched, naive, atol=1e-5, rtol=0)


def test_tuning_lowers_the_loss(tuned) -> None:
    _, found, _ = tuned
    assert min(found.losses[-2:]) < found.losses[0]


def test_tuned_model_differs_from_the_base(tuned, base) -> None:
    _, found, _ = tuned
    assert (_logits(found.change.module) - _logits(base.module)).abs().max() > 1e-3


def test_base_weights_are_unchanged(tuned, base) -> None:
    assert weights_hash(base.module) == weights_hash(tiny_module())


def _folder(found: Tuned, folder: Path) -> Path:
    write_folder(found.change.files(), folder / "nudge")
    return folder / "nudge"


def test_saved_nudge_loads_into_equal_logits(tuned, base, tmp_path) -> None:
    _, found, _ = tuned
    loaded = load_nudge(base, _folder(found, tmp_path))
    torch.testing.assert_close(_logits(loaded), _logits(found.change.module), atol=1e-5, rtol=0)


def test_saved_nudge_loads_without_modicum(tuned, tmp_path) -> None:
    parameters, found, _ = tuned
    folder = _folder(found, tmp_path)
    if parameters == "full":
        loaded = AutoModelForCausalLM.from_pretrained(folder)
    else:
        loaded = PeftModel.from_pretrained(tiny_module(), str(folder))
    torch.testing.assert_close(
        _logits(loaded.eval()), _logits(found.change.module), atol=1e-5, rtol=0
    )


def test_saved_nudge_holds_no_pickle(tuned) -> None:
    _, found, _ = tuned
    suffixes = {Path(name).suffix for name in found.change.files()}
    assert not suffixes & {".bin", ".pt", ".pkl", ".pth"}


def test_adapter_is_smaller_than_all_weights(base) -> None:
    sizes = {}
    for parameters in PARAMETERS:
        shape, schedule = AdapterShape(parameters, 2, 4.0), Schedule(1e-3, 1, passes=1)
        found = tune(base, EXAMPLES, shape, schedule, _rng(), Ledger())
        sizes[parameters] = weight_bytes(found.change.files())
    assert max(sizes["lora"], sizes["bias"]) < sizes["full"]


def test_updates_and_tokens_are_counted(tuned) -> None:
    _, _, ledger = tuned
    order = np.concatenate(
        [p for r in [_after_start(tuned[0])] for p in (r.permutation(3) for _ in range(4))]
    )
    tokens = sum(len(EXAMPLES[i].prompt) + len(EXAMPLES[i].completion) for i in order[:12])
    assert (ledger.updates, ledger.tokens_trained) == (6, tokens)


def _after_start(parameters: str) -> np.random.Generator:
    """The stream once PEFT's start values were drawn from it."""
    rng = _rng()
    if parameters != "full":
        rng.integers(2**62)
    return rng


def test_same_stream_gives_the_same_weights(tuned, base) -> None:
    parameters, found, _ = tuned
    again = tune(base, EXAMPLES, AdapterShape(parameters, 4, 8.0), SCHEDULE, _rng(), Ledger())
    assert weights_hash(again.change.module) == weights_hash(found.change.module)


def test_tuning_leaves_torchs_own_stream_alone(base) -> None:
    before = torch.random.get_rng_state()
    tune(base, EXAMPLES, AdapterShape("lora"), Schedule(1e-3, 1, passes=1), _rng(), Ledger())
    assert torch.equal(before, torch.random.get_rng_state())


def test_lent_state_comes_from_the_stream() -> None:
    with seeded(_rng()):
        one = torch.rand(3)
    with seeded(_rng()):
        two = torch.rand(3)
    assert torch.equal(one, two)


def test_lora_starts_as_the_base(base) -> None:
    torch.testing.assert_close(
        _logits(attach(base, AdapterShape("lora"), _rng()).eval()), _logits(base.module)
    )


def test_bias_tuning_moves_biases_only(base) -> None:
    found = tune(base, EXAMPLES, AdapterShape("bias"), SCHEDULE, _rng(), Ledger())
    before, after = base.module.state_dict(), found.change.module.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if name.endswith(".bias")}


def test_biases_wanted_where_there_are_none_is_a_trial_error() -> None:
    bare = tiny(has_bias=False)
    with pytest.raises(TrialError, match="no biases"):
        attach(bare, AdapterShape("bias"), _rng())


def test_no_examples_is_a_trial_error(base) -> None:
    with pytest.raises(TrialError, match="no examples"):
        tune(base, [], AdapterShape(), SCHEDULE, _rng(), Ledger())


def test_loss_that_is_not_finite_is_a_trial_error(base) -> None:
    broken = base.with_module(copy.deepcopy(base.module))
    with torch.no_grad():
        broken.module.lm_head.weight.fill_(float("nan"))
    with pytest.raises(TrialError, match="loss nan at step 0"):
        tune(broken, EXAMPLES, AdapterShape(), SCHEDULE, _rng(), Ledger())


@pytest.mark.parametrize("n", [1, 3, 8, 20])
def test_every_example_is_used_equally_often_up_to_one(n: int, base, monkeypatch) -> None:
    from modicum.training import loop

    used: list[int] = []
    examples = [Example((5,), (i + 4, 2)) for i in range(n)]

    def spy(batch, pad):
        used.extend(e.completion[0] for e in batch)
        return batch_of(batch, pad)

    monkeypatch.setattr(loop, "batch_of", spy)
    tune(base, examples, AdapterShape(), Schedule(1e-3, 7, 1, 3), _rng(), Ledger())
    counts = [used.count(i + 4) for i in range(n)]
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("parameters", PARAMETERS)
def test_larger_models_get_smaller_rates(parameters: str) -> None:
    assert default_rate(parameters, 400_000) > default_rate(parameters, 135_000_000)
