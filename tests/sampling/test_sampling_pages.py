"""What the paged, threaded sampler promises."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from modicum.ledger import Ledger
from modicum.nudge.steering import Direction, Steering
from modicum.sampling import local as local_module
from modicum.sampling.blocks import SamplingJob
from modicum.sampling.decoder_layers import lean_shape
from modicum.sampling.linear import FastLinear, linear, linear_activated, linear_add, linear_mul
from modicum.sampling.llama_steps import LeanLlama
from modicum.sampling.local import Local
from modicum.sampling.native import PAGE, CacheShape, Kernel, LayerHeads, load_kernel
from modicum.sampling.pages import PagePool, RowPages
from modicum.types import Request, Sampling
from tests.support.tiny_models import ARCHITECTURES, byte_tokenizer, tiny_local, tiny_module

PROMPTS = ("Ann has 12 pears. How many?", "Bob", "A row of letters, and what it spells in the end")
SHAPE = CacheShape(head=64, group=3, keys=2)


@pytest.fixture
def kernel() -> Kernel:
    found = load_kernel(SHAPE)
    if found is None:
        pytest.skip("no C compiler")
    return found


@pytest.fixture
def without_compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MODICUM_NATIVE", "0")
    load_kernel.cache_clear()
    yield
    load_kernel.cache_clear()


def requests(n: int) -> list[Request]:
    return [Request(prompt, f"p{i}", n) for i, prompt in enumerate(PROMPTS)]


def texts(model: Local, n: int = 8) -> list[list[str]]:
    drawn = model.generate(requests(n), Sampling(20, 1.0, stream="s"), Ledger())
    return [[c.text for c in group] for group in drawn]


def test_the_kernel_attends_as_torch_does(kernel: Kernel) -> None:
    """Ragged rows, prompts shared, pages partly full: softmax(q k) v to 1e-5."""
    prompts, own = [37, 16, 16, 1], [1, 16, 17, 40]
    pool = PagePool(SHAPE, layers=2)
    pages = RowPages(kernel, pool, rows=4, prompt=40, own=48)
    pairs = [(torch.randn(3, 2, 40, 64), torch.randn(3, 2, 40, 64)) for _ in range(2)]
    which = torch.tensor([0, 1, 1, 2])
    pages.insert(pairs, slice(0, 4), which, torch.tensor(prompts))
    angles = torch.rand(100, 32)
    cos, sin = (torch.cat([x, x], -1) for x in (angles.cos(), angles.sin()))
    signed = torch.cat([-sin[:, :32], sin[:, 32:]], -1)
    heads = LayerHeads(1, "full_attention", None, (cos, signed), 0.125)
    past: list[list[tuple[torch.Tensor, torch.Tensor]]] = [[] for _ in range(4)]
    mixed, scores = torch.empty(4, 6 * 64), torch.empty(3 * pages.table.shape[1] * PAGE)
    for step in range(1, max(own) + 1):
        query, key, value = torch.randn(4, 6, 64), torch.randn(4, 2, 64), torch.randn(4, 2, 64)
        pages.open(4)
        where = pages.read(4)
        flat = tuple(part.reshape(4, -1).contiguous() for part in (query, key, value))
        kernel.attend(flat, where, (mixed, scores), heads)  # type: ignore[arg-type]
        for row in range(4):
            place = prompts[row] + step - 1
            past[row].append((turned(key[row], cos[place], sin[place]), value[row]))
            if step != own[row]:
                continue
            before = pairs[1][0][which[row], :, 40 - prompts[row] :], pairs[1][1][which[row]]
            keys = torch.cat([before[0], torch.stack([k for k, _ in past[row]], 1)], 1)
            values = [before[1][:, 40 - prompts[row] :], torch.stack([v for _, v in past[row]], 1)]
            asked = turned(query[row], cos[place], sin[place]).view(2, 3, 64) * 0.125
            wanted = (asked @ keys.transpose(1, 2)).softmax(-1) @ torch.cat(values, 1)
            assert torch.allclose(mixed[row].view(2, 3, 64), wanted, atol=1e-5)


def turned(heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    half = torch.cat([-heads[..., 32:], heads[..., :32]], -1)
    return heads * cos + half * sin


def test_pages_go_back_when_rows_end(kernel: Kernel) -> None:
    pool = PagePool(SHAPE, layers=1)
    pages = RowPages(kernel, pool, rows=3, prompt=20, own=64)
    pairs = [(torch.randn(1, 2, 20, 64), torch.randn(1, 2, 20, 64))]
    pool.give(pool.take(1))
    free = len(pool._free)
    pages.insert(pairs, slice(0, 3), torch.zeros(3, dtype=torch.long), torch.tensor([20, 20, 20]))
    assert len(pool._free) == free - 2  # one prompt, two pages, three rows
    for _ in range(PAGE + 1):
        pages.open(3)
    assert len(pool._free) == free - 2 - 6
    pages.free(np.array([0, 2]))
    assert len(pool._free) == free - 2 - 2
    pages.free(np.array([1]))
    assert len(pool._free) == free


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_without_a_compiler_the_answers_are_the_same(
    architecture: str, request: pytest.FixtureRequest
) -> None:
    native = texts(tiny_local(architecture))
    request.getfixturevalue("without_compiler")
    module = tiny_local(architecture).module
    assert LeanLlama(module, 8).kernel is None
    assert texts(tiny_local(architecture)) == native


def test_a_broken_compiler_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("MODICUM_CACHE", str(tmp_path))
    load_kernel.cache_clear()
    assert load_kernel(CacheShape(16, 1, 1)) is None
    load_kernel.cache_clear()


@pytest.mark.parametrize("where", [None, "first", "generated", "all"])
@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_two_threads_draw_what_one_draws(architecture: str, where: str | None) -> None:
    one, two = (
        Local(tiny_module(architecture), byte_tokenizer(), name="tiny", threads=threads, rows=8)
        for threads in (1, 2)
    )
    if where is not None:
        nudge = Steering((Direction(1, torch.full((32,), 0.3)),), where)
        one, two = one.with_steering(nudge), two.with_steering(nudge)
    ledger = Ledger()
    drawn = two.generate(requests(8), Sampling(20, 1.0, stream="s"), ledger)
    assert [[c.text for c in group] for group in drawn] == texts(one)
    assert ledger.tokens_sampled == sum(c.n_tokens for group in drawn for c in group)


def test_two_threads_repeat_to_the_bit() -> None:
    model = Local(tiny_module("llama"), byte_tokenizer(), name="tiny", threads=2, rows=8)
    sampling = Sampling(20, 1.0, margins=True, stream="s")
    first, second = (model.generate(requests(8), sampling, Ledger()) for _ in range(2))
    assert first == second


def test_an_error_in_one_thread_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Local(tiny_module("llama"), byte_tokenizer(), name="tiny", threads=2, rows=8)

    def fails(self: LeanLlama, *_: object) -> torch.Tensor:
        raise ZeroDivisionError

    monkeypatch.setattr(LeanLlama, "step_in_pages", fails)
    monkeypatch.setattr(LeanLlama, "step", fails)
    with pytest.raises(ZeroDivisionError):
        model.generate(requests(8), Sampling(20, 1.0, stream="s"), Ledger())


def test_a_block_beyond_memory_is_halved_and_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    original = local_module.sample_block

    def scarce(engine: Any, jobs: list[SamplingJob], *rest: Any, rows: int, **how: int) -> Any:
        tried.append(rows)
        if rows > 3:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] can't allocate memory")
        return original(engine, jobs, *rest, rows=rows, **how)

    model = tiny_local(rows=12)
    wanted = texts(model)
    monkeypatch.setattr(local_module, "sample_block", scarce)
    model = tiny_local(rows=12)
    assert texts(model) == wanted
    assert tried == [12, 6, 3]
    assert any("halved to 3 rows" in note for note in model.card.notes)


def test_other_errors_are_not_taken_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: object, **__: object) -> None:
        raise RuntimeError("sizes of tensors must match")

    monkeypatch.setattr(local_module, "sample_block", wrong)
    with pytest.raises(RuntimeError, match="sizes"):
        texts(tiny_local())


def test_products_are_torchs() -> None:
    """Above and below the size from which oneDNN computes; to 1e-5 of the scale."""
    with torch.inference_mode():
        for rows, width, out in ((3, 8, 5), (64, 256, 300)):
            x, weight, bias = torch.randn(rows, width), torch.randn(out, width), torch.randn(out)
            other = torch.randn(rows, out)
            plain = torch.nn.functional.linear(x, weight, bias)
            close = {"atol": 1e-5 * math.sqrt(width) * 10}
            assert torch.allclose(linear(x, weight, bias), plain, **close)
            assert torch.allclose(linear_add(x, weight, bias, other), other + plain, **close)
            product = linear_mul(x, weight, bias, torch.ones_like(other))
            assert torch.allclose(product, plain, **close)
            silu = torch.nn.functional.silu(plain)
            assert torch.allclose(linear_activated(x, "silu", weight, bias), silu, **close)
            gelu = torch.nn.functional.gelu(plain, approximate="tanh")
            assert torch.allclose(linear_activated(x, "gelu", weight, bias), gelu, **close)
            with FastLinear():
                again = torch.nn.functional.linear(x, weight, bias)
            assert torch.equal(again, linear(x, weight, bias))


def test_gradients_flow_inside_the_fast_context() -> None:
    weight = torch.randn(300, 256, requires_grad=True)
    with FastLinear():
        torch.nn.functional.linear(torch.randn(64, 256), weight).sum().backward()
    assert weight.grad is not None


def test_the_shape_of_heads_is_read_from_the_module() -> None:
    assert lean_shape(tiny_module("llama")) == CacheShape(head=8, group=2, keys=2)
