"""Steps in bfloat16 products, held against naive products and against the module's own pass."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from modicum.ledger import Ledger
from modicum.sampling import half_steps, loop
from modicum.sampling.fit import row_windows
from modicum.sampling.half_steps import LeanHalf
from modicum.sampling.loop import lean_for
from modicum.sampling.native import CacheShape, Norm, load_kernel
from modicum.sampling.prefix import Opening, Prefixes
from modicum.sampling.products import NativeProducts, TorchProducts, half_products
from modicum.sampling.weights_left import LeftWeights
from modicum.training.adapters import AdapterShape, attach
from modicum.types import Request, Sampling
from tests.sampling.test_half import halved, numbers
from tests.support.tiny_models import tiny_local

KERNEL = load_kernel(CacheShape(8, 2, 2, 2))
pytestmark = pytest.mark.skipif(KERNEL is None, reason="no C compiler")


def ways() -> list[NativeProducts | TorchProducts]:
    """Return both ways to multiply; the compiled one on every processor, slowly where units lack."""
    from modicum.sampling import products

    return [NativeProducts(products._library()), TorchProducts(KERNEL)]


def near(one: torch.Tensor, other: torch.Tensor, share: float = 0.01) -> bool:
    """Say whether two results differ by the rounding of products alone."""
    return bool((one - other).abs().max() <= share * other.abs().max().clamp(min=1e-3))


@settings(max_examples=20)
@given(
    st.integers(1, 40), st.integers(1, 30), st.sampled_from([16, 32, 48, 64, 80]), st.integers(0, 9)
)
def test_products_are_those_of_rounded_factors(outs, half_in, columns, seed) -> None:
    weight = numbers(2 * outs, 2 * half_in, name=seed).bfloat16()
    up = numbers(2 * outs, 2 * half_in, name="up").bfloat16()
    bias, hidden = numbers(2 * outs), numbers(2 * half_in, columns)
    x32, w32 = hidden.bfloat16().float(), weight.float()
    for way in ways():
        x = way.normed(hidden, None)
        assert near(way.product(LeftWeights(weight, bias), x), w32 @ x32 + bias[:, None])
        summed = torch.ones(2 * outs, columns)
        way.add_product(LeftWeights(weight, None), x, summed)
        assert near(summed, 1 + w32 @ x32)
        identity = LeftWeights(torch.eye(2 * outs).bfloat16(), None)
        opened = w32 @ x32
        opens = {
            "silu": functional.silu(opened),
            "gelu": functional.gelu(opened, approximate="tanh"),
        }
        for activation, open_ in opens.items():
            gated = way.gated(LeftWeights(weight, None), LeftWeights(up, None), x, activation)
            assert near(way.product(identity, gated), open_ * (up.float() @ x32), 0.02)
        rows = way.taken(hidden.t().contiguous())
        assert torch.equal(
            way.product(LeftWeights(weight, None), rows), way.product(LeftWeights(weight, None), x)
        )


def test_packing_rounds_to_nearest_even_as_torch_does() -> None:
    edge = [0.0, -0.0, 1.0, 1.00390625, 1.01171875, -3.14159, 1e-30, 3.3e38, float("inf"), 2.5]
    hidden = torch.tensor(edge)[:, None].repeat(1, 16)
    words = ways()[0].normed(hidden, None)
    even, odd = ((words << 16).view(torch.float32), (words & -65536).view(torch.float32))
    packed = torch.stack([even, odd], 1).view(len(edge), 16)
    assert torch.equal(packed, hidden.bfloat16().float())


def test_what_is_no_number_stays_none() -> None:
    words = ways()[0].normed(torch.full((2, 16), float("nan")), None)
    assert (words << 16).view(torch.float32).isnan().all()


def test_a_norm_comes_before_the_rounding() -> None:
    hidden, norm = numbers(12, 32), Norm(numbers(12, name="norm").abs() + 0.5, 1e-5)
    wanted = functional.rms_norm(hidden.t(), (12,), norm.weight, 1e-5).t()
    identity = LeftWeights(torch.eye(12).bfloat16(), None)
    for way in ways():
        assert near(way.product(identity, way.normed(hidden, norm)), wanted)


@pytest.mark.parametrize("architecture", ["llama", "llama-biased", "qwen2"])
@pytest.mark.parametrize("way", [0, 1])
def test_its_answers_are_the_modules_own(architecture, way, monkeypatch) -> None:
    local = tiny_local(architecture).with_module(halved(architecture, scale=0.2))
    assert lean_for(local.module) is LeanHalf
    monkeypatch.setattr(half_steps, "half_products", lambda kernel: ways()[way])
    asked = [Request("Once upon a time", "a", 12), Request("12 + 30 =", "b", 9)]
    sampling = Sampling(24, 1.0, stream="s", ids=True, scores=True)
    lean = local.generate(asked, sampling, Ledger())
    monkeypatch.setattr(loop, "lean_for", lambda module: None)
    own = local.generate(asked, sampling, Ledger())
    pairs = [
        p for ones, others in zip(lean, own, strict=True) for p in zip(ones, others, strict=True)
    ]
    apart, shared = [], 0
    for one, other in pairs:
        ends = [a != b for a, b in zip(one.ids, other.ids, strict=False)]
        n = ends.index(True) if True in ends else len(ends)  # rounding turns a draw here and there
        shared += n
        apart += [abs(a - b) for a, b in zip(one.logprobs[:n], other.logprobs[:n], strict=True)]
    assert np.mean(apart) < 0.02
    assert shared >= 0.6 * sum(len(other.ids) for _, other in pairs)


def test_an_adapter_stands_beside_its_layer_in_the_steps() -> None:
    plain = tiny_local("qwen2").with_module(halved("qwen2", scale=0.2))
    tuned = attach(plain, AdapterShape(rank=3), np.random.default_rng(1)).eval()
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                parameter.copy_(0.2 * numbers(*parameter.shape, name=name))
    local = plain.with_module(tuned)
    assert lean_for(local.module) is LeanHalf
    asked = [Request("a b c d e f", "a", 8)]
    sampling = Sampling(16, 1.0, stream="s", ids=True, scores=True)
    (answers,) = local.generate(asked, sampling, Ledger())
    prompt, apart = list(local.encode("a b c d e f")), []
    for answer in answers:
        ids = torch.tensor([[*prompt, *answer.ids]])
        with torch.inference_mode():
            told = tuned(ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
            before = plain.module(ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        taken = torch.tensor(answer.ids)[:, None]
        own = torch.tensor(answer.logprobs)
        apart.append([float((own - s.gather(1, taken)[:, 0]).abs().mean()) for s in (told, before)])
    with_adapter, without = np.mean(apart, 0)
    assert with_adapter < 0.02
    assert without > 10 * with_adapter


def test_another_kind_of_adapter_takes_the_modules_own_pass() -> None:
    plain = tiny_local("qwen2").with_module(halved("qwen2"))
    tuned = attach(plain, AdapterShape(parameters="bias"), np.random.default_rng(1)).eval()
    assert lean_for(tuned) in (LeanHalf, None)
    tiny = attach(plain, AdapterShape(parameters="tinylora"), np.random.default_rng(1)).eval()
    assert lean_for(tiny) is None


def test_bits_repeat_and_blocks_of_another_size_agree() -> None:
    local = tiny_local("llama", rows=32).with_module(halved("llama"))
    asked = [Request("Once", "a", 40), Request("Twice upon", "b", 40)]
    sampling = Sampling(20, 1.0, stream="s", ids=True)
    once, again = (local.generate(asked, sampling, Ledger()) for _ in range(2))
    assert once == again
    other = tiny_local("llama", rows=7).with_module(halved("llama"))
    third = other.generate(asked, sampling, Ledger())
    same = [
        a.ids == b.ids for x, y in zip(once, third, strict=True) for a, b in zip(x, y, strict=True)
    ]
    assert sum(same) >= 0.9 * len(same)


@settings(max_examples=15)
@given(st.integers(1, 90), st.integers(1, 120), st.integers(1, 60), st.booleans())
def test_products_of_rows_are_those_of_rounded_factors_each_alone(
    rows, outs, half_in, has_bias
) -> None:
    weight, x = numbers(outs, 2 * half_in).bfloat16(), numbers(rows, 2 * half_in)
    layer = LeftWeights(weight, numbers(outs) if has_bias else None)
    found = ways()[0].rows(layer, x)
    assert near(found, functional.linear(x.bfloat16().float(), weight.float(), layer.bias), 1e-5)
    assert torch.equal(found[-1:], ways()[0].rows(layer, x[-1:]))


def test_a_prompt_is_read_alike_alone_and_beside_others() -> None:
    if not isinstance(half_products(KERNEL), NativeProducts):
        pytest.skip("matrix units")
    module = halved("llama")
    windows = row_windows(module)
    texts = ("Ann has 12 pears", "Bob has seven", "Cleo has 9 pears", "Dora had 31")
    openings = [Opening(tuple(text.encode())) for text in texts]

    def read(some: list[Opening]) -> torch.Tensor:
        stems = Prefixes(module, windows, some, 1e9).prefill(some)
        stem = stems[openings[2]]
        return stem.batch.logits[stem.index]

    with torch.inference_mode():
        assert torch.equal(read(openings), read([openings[2]]))


def test_keys_and_values_take_half_of_the_memory() -> None:
    single, half = CacheShape(8, 2, 2), CacheShape(8, 2, 2, 2)
    sizes = [local._engine.pools.take(shape, 3)._page for local, shape in
             ((tiny_local(), single), (tiny_local(), half))]  # fmt: skip
    assert sizes[0] == 2 * sizes[1]


def test_matrix_units_are_left_to_onednn(monkeypatch) -> None:
    monkeypatch.setattr("modicum.sampling.products.processor_flags", lambda: "fpu amx_bf16")
    assert isinstance(half_products(KERNEL), TorchProducts)
    monkeypatch.setattr("modicum.sampling.products.processor_flags", lambda: "fpu avx512_bf16")
    assert isinstance(half_products(KERNEL), NativeProducts)
