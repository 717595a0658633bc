"""Products with the weights on the left give what products with the rows on the left give."""

import subprocess
import sys

import pytest
import torch
from torch.nn import functional

from modicum.ledger import Ledger
from modicum.nudge.steering import Direction, Steering
from modicum.sampling import draw
from modicum.sampling import weights_left as columns
from modicum.sampling.llama_steps import LeanLlama
from modicum.sampling.weights_left import LeftWeights, times, times_add, times_mul
from modicum.types import Request, Sampling
from tests.support.tiny_models import tiny_local

PROMPTS = ("Ann has 12 pears. How many?", "Bob", "A row of letters, and what it spells in the end")


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("n", [1, 8, 24])
def test_products_in_columns_are_the_same_turned(n: int, has_bias: bool) -> None:
    if not torch.backends.mkldnn.is_available():
        pytest.skip("no oneDNN")
    weight, x, other = torch.randn(40, 56), torch.randn(n, 56), torch.randn(40, n)
    layer = LeftWeights(weight, torch.randn(40) if has_bias else None)
    with torch.inference_mode():
        plain = functional.linear(x, *layer).t()
        pairs = [
            (times(layer, x), plain),
            (times(layer, x, "silu"), functional.silu(plain)),
            (times(layer, x, "gelu"), functional.gelu(plain, approximate="tanh")),
            (times_add(layer, x, other), other + plain),
            (times_mul(layer, x, other), other * plain),
            (times_add(layer, x.t().contiguous().t(), other), other + plain),
        ]
    for found, wanted in pairs:
        assert torch.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("where", [None, "first", "generated", "all"])
@pytest.mark.parametrize("architecture", ["llama", "llama-biased", "qwen2"])
def test_answers_are_those_of_plain_products(
    architecture: str, where: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn() -> list[list[str]]:
        model = tiny_local(architecture, rows=7)
        if where is not None:
            model = model.with_steering(Steering((Direction(1, torch.full((32,), 0.3)),), where))
        asked = [Request(prompt, f"p{i}", 8) for i, prompt in enumerate(PROMPTS)]
        found = model.generate(asked, Sampling(20, 1.0, stream="s"), Ledger())
        return [[c.text for c in group] for group in found]

    plain = drawn()
    monkeypatch.setattr(columns, "_LEAST", 1)
    lean = LeanLlama(tiny_local(architecture).module, 8)
    if lean.kernel is None or not lean.in_columns:
        pytest.skip("no compiler, or no oneDNN")
    assert drawn() == plain


@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_scores_in_small_parts_give_the_same_answers(
    architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [Request(prompt, f"p{i}", 40) for i, prompt in enumerate(PROMPTS)]
    sampling = Sampling(12, 1.0, margins=True, stream="s")
    whole = tiny_local(architecture).generate(asked, sampling, Ledger())
    monkeypatch.setattr("modicum.sampling.llama_steps._SCORES", 1)
    monkeypatch.setattr(draw, "_SUMMED", 1)
    parts = tiny_local(architecture).generate(asked, sampling, Ledger())
    for one, other in zip(whole, parts, strict=True):
        assert [c.text for c in one] == [c.text for c in other]
        for a, b in zip(one, other, strict=True):
            assert a.margins == pytest.approx(b.margins, abs=1e-5)


def test_large_blocks_are_the_systems_again_once_freed() -> None:
    """In a process of its own: what 16 freed tensors of 24 MiB leave behind."""
    program = """
import pathlib, threading, torch
from modicum.sampling.malloc import return_large_blocks
def resident():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return int(next(l for l in lines if l.startswith("VmRSS")).split()[1]) // 1024
if not return_large_blocks():
    print(0)
    raise SystemExit
def work():
    for _ in range(4):
        kept = [torch.ones(6 * 2**20), torch.ones(1000), torch.ones(5 * 2**20)]
        del kept[0]
torch.ones(10)
before = resident()
threads = [threading.Thread(target=work) for _ in range(2)]
[t.start() for t in threads]; [t.join() for t in threads]
print(resident() - before)
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert int(done.stdout) < 16
