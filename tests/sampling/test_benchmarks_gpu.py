"""What needs a GPU runs, at tiny shapes, without one."""

import json
import sys

import pytest
import torch
from benchmarks import gpu

from modicum.sampling.cache import PrefixCache, layer_windows
from modicum.sampling.cuda_graphs import StaticSteps
from modicum.sampling.prefix import forward_segments
from tests.support.tiny_models import ARCHITECTURES, tiny_module


def test_the_dry_run_prints_every_figure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu", "sampling", "--dry-run"])
    gpu.main()
    found = json.loads(capsys.readouterr().out)
    assert found["answers_in_flight"] == found["answers_wanted"] == 8
    assert found["tokens_per_s"] > 0
    assert found["share_of_bandwidth_limit"] > 0
    assert found["cache_GB"] > 0


def test_a_learning_step_keeps_bfloat16_weights_and_a_single_precision_adapter(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu", "grpo", "--dry-run"])
    gpu.main()
    found = json.loads(capsys.readouterr().out)
    assert found["dtype"] == "bfloat16"
    assert found["adapter_dtypes"] == ["torch.float32"]
    assert found["adapter_changed"] > 0.5
    assert found["tokens_per_s"] > 0
    assert all(curve["grad_norm"] > 0 for curve in found["curves"])
    assert [curve["length"] for curve in found["curves"]] == [12, 12]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_static_steps_agree_with_the_module(architecture: str) -> None:
    """Rows of two prompts, five steps: logits to 1e-4."""
    module = tiny_module(architecture)
    prompts = [(5, 6, 7, 8), (9, 10, 11, 12, 13, 14)]
    steps = StaticSteps(module, rows=3, columns=20)
    rows = [slice(0, 2), slice(2, 3)]
    with torch.inference_mode():
        for prompt, own in zip(prompts, rows, strict=True):
            cache = PrefixCache(layer_windows(module.config), None)
            forward_segments(module, [prompt], cache, known=0, keep=1)
            steps.fill([(keys[0], values[0]) for keys, values in cache.pairs()], own)
        texts = [list(prompts[0]), list(prompts[0]), list(prompts[1])]
        for step in range(5):
            ids = torch.tensor([20 + step, 40 + step, 60 + step])
            for text, token in zip(texts, ids.tolist(), strict=True):
                text.append(token)
            logits = steps.step(ids, max(map(len, texts)))
            for row, text in enumerate(texts):
                wanted = module(input_ids=torch.tensor([text])).logits[0, -1]
                assert torch.allclose(logits[row], wanted, atol=1e-4)


def test_a_cache_beyond_memory_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    case = gpu.Case("tiny", 8, 24, 16)
    module = gpu.random_llama(case, torch.device("cpu"))
    monkeypatch.setattr(gpu, "enough", lambda _case, _module, rows: rows <= 2)
    rows, steps = gpu.fitting(case, module)
    assert rows == 2
    assert len(steps.places) == 2
