"""Described decoders: lean steps tell the module's own scores, and what is not described is refused."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import MistralConfig, MistralForCausalLM, PreTrainedModel

from modicum.ledger import Ledger
from modicum.nudge.steering import Direction, Steering
from modicum.sampling import weights_left
from modicum.sampling.cuda_graphs import StaticSteps
from modicum.sampling.decoder import decoder_of
from modicum.sampling.half_steps import LeanHalf
from modicum.sampling.llama_steps import LeanLlama
from modicum.sampling.local import Local
from modicum.sampling.loop import lean_for
from modicum.sampling.native import PAGE, CacheShape, LayerHeads, Norm, load_kernel
from modicum.sampling.pages import PagePool, RowPages
from modicum.types import Request, Sampling
from tests.sampling.test_half import halved
from tests.support.tiny_models import ARCHITECTURES, byte_tokenizer, tiny_module

SHARED = "In a long beginning that some of the prompts share, a window is soon left behind. "
PROMPTS = (SHARED + "Ann", SHARED + "Bob has 12 pears", "?", "A row of letters of no great length")
SHAPE = CacheShape(head=16, group=2, keys=2)
WINDOWED = ("mistral-sliding", "gemma3")
compiled = pytest.mark.skipif(load_kernel(SHAPE) is None, reason="no C compiler")


def apart(
    module: PreTrainedModel, way: type, temperature: float, *, is_steered: bool = False
) -> tuple[list[float], list[float]]:
    """Return how far scores of lean answers are from one plain pass, and how far from the highest.

    Rows are of mixed lengths, longer than windows and pages, some with a shared beginning.
    """
    assert lean_for(module) is way
    local = Local(module, byte_tokenizer(), name="tiny", rows=7, threads=1)
    if is_steered:
        local = local.with_steering(Steering((Direction(1, torch.full((32,), 0.3)),), "all"))
    asked = [Request(prompt, f"p{i}", 1 + i) for i, prompt in enumerate(PROMPTS)]
    sampling = Sampling(24, temperature, stream="s", ids=True, scores=True)
    answers = local.generate(asked, sampling, Ledger())
    add = module.model.layers[1].register_forward_hook(lambda *seen: seen[2] + 0.3 * is_steered)
    told: list[float] = []
    short: list[float] = []
    for prompt, group in zip(PROMPTS, answers, strict=True):
        begun = list(local.encode(prompt))
        for answer in group:
            with torch.inference_mode():
                logits = module(torch.tensor([[*begun, *answer.ids]])).logits
            scores = logits[0, len(begun) - 1 : -1].log_softmax(-1)
            own = scores.gather(1, torch.tensor(answer.ids)[:, None])[:, 0]
            told += (own - torch.tensor(answer.logprobs)).abs().tolist()
            short += (scores.max(-1).values - own).tolist()
    add.remove()
    return told, short


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_single_precision_tells_the_modules_own_scores(architecture, monkeypatch) -> None:
    module = tiny_module(architecture)
    told, short = apart(module, LeanLlama, 0.0)
    assert max(told) < 1e-4
    assert max(short) < 1e-4  # greedy, up to near ties
    monkeypatch.setattr(weights_left, "_LEAST", 1)
    in_columns, _ = apart(module, LeanLlama, 1.0, is_steered=True)
    assert max(in_columns) < 1e-4


@pytest.mark.parametrize("width", [PAGE, PAGE + 5, 4096])
@pytest.mark.parametrize("architecture", WINDOWED)
def test_any_width_of_a_window_is_the_modules_own(architecture, width) -> None:
    module = tiny_module(architecture)
    module.config.sliding_window = width
    told, _ = apart(module, LeanLlama, 0.0)
    assert max(told) < 1e-4
    widths = {layer.heads.width for layer in LeanLlama(module, 200).layers}
    assert (width in widths) == (width < 200)  # one that hides nothing is none


@compiled
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_half_precision_tells_the_modules_own_scores(architecture) -> None:
    module = halved(architecture, scale=0.2)
    told, short = apart(module, LeanHalf, 0.0)
    assert np.mean(told) < 0.02
    assert np.mean(np.array(short) > 0.1) < 0.02  # greedy, up to near ties
    steered, _ = apart(module, LeanHalf, 1.0, is_steered=True)
    assert np.mean(steered) < 0.02


def test_angles_that_are_stretched_are_the_modules_own() -> None:
    module = tiny_module("gemma3")
    config = module.config
    config.rope_parameters["full_attention"] |= {"rope_type": "linear", "factor": 4.0}
    stretched = type(module)(config).eval()
    stretched.load_state_dict(module.state_dict())
    told, _ = apart(stretched, LeanLlama, 0.0)
    assert max(told) < 1e-4
    angles = {layer.heads.kind: layer.heads.turns[0] for layer in LeanLlama(stretched, 9).layers}
    assert not torch.allclose(angles["full_attention"], angles["sliding_attention"])


@compiled
@pytest.mark.parametrize("width", [1, 2, 15, 16, 17, 20, 21, 22, 36, 37, 38, 60, 200])
def test_the_kernel_looks_back_as_far_as_the_window(width: int) -> None:
    """Prompts that end within a page and with one; normalised heads; every length on the way."""
    kernel = load_kernel(SHAPE)
    assert kernel is not None
    prompts, steps = [21, 16, 3], 40
    pages = RowPages(kernel, PagePool(SHAPE, layers=1), rows=3, prompt=21, own=steps)
    draw = torch.Generator().manual_seed(1)
    numbers = lambda *shape: torch.randn(*shape, generator=draw)  # noqa: E731
    pairs = [(numbers(3, 2, 21, 16), numbers(3, 2, 21, 16))]
    pages.insert(pairs, slice(0, 3), torch.arange(3), torch.tensor(prompts))
    norms = Norm(numbers(16).abs(), 1e-5), Norm(numbers(16).abs(), 1e-5)
    still = torch.ones(100, 16), torch.zeros(100, 16)
    heads = LayerHeads(0, "sliding_attention", width, still, 0.5, norms)
    past = [[pairs[0][part][row, :, 21 - prompts[row] :] for part in range(2)] for row in range(3)]
    mixed, spare = torch.empty(3, 64), torch.empty(2 * pages.table.shape[1] * PAGE)
    for _ in range(steps):
        query, key, value = numbers(3, 64), numbers(3, 32), numbers(3, 32)
        pages.open(3)
        kernel.attend((query, key, value), pages.read(3), (mixed, spare), heads)
        asked, kept = (
            functional.rms_norm(part.view(3, -1, 16), (16,), *norm)
            for part, norm in zip((query, key), norms, strict=True)
        )
        for row in range(3):
            new = kept[row][:, None], value[row].view(2, 1, 16)
            keys, values = past[row] = [
                torch.cat([before, last], 1)[:, -width:]
                for before, last in zip(past[row], new, strict=True)
            ]
            shares = (0.5 * asked[row].view(2, 2, 16) @ keys.transpose(1, 2)).softmax(-1)
            assert torch.allclose(mixed[row].view(2, 2, 16), shares @ values, atol=1e-5)


def test_what_is_not_described_takes_the_modules_own_pass() -> None:
    def gemma(**settings: object) -> PreTrainedModel:
        module = tiny_module("gemma3")
        for name, value in settings.items():
            setattr(module.config, name, value)
        return module

    def changed(architecture: str, change: Callable[[PreTrainedModel], object]) -> PreTrainedModel:
        module = tiny_module(architecture)
        change(module)
        return module

    class Odd(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return 2 * super().forward(input)

    kinds = ["full_attention"] * 3
    strangers = {
        "capped scores": gemma(final_logit_softcapping=30.0),
        "capped attention": gemma(attn_logit_softcapping=50.0),
        "both directions": gemma(use_bidirectional_attention=True),
        "growing angles": changed(
            "qwen3", lambda m: m.config.rope_parameters.update(rope_type="dynamic")
        ),
        "angles of a part": changed(
            "llama", lambda m: m.config.rope_parameters.update(partial_rotary_factor=0.5)
        ),
        "another activation": changed(
            "llama", lambda m: setattr(m.model.layers[2].mlp, "act_fn", nn.GELU())
        ),
        "another layer": changed(
            "qwen3", lambda m: setattr(m.model.layers[1].mlp, "up_proj", Odd(32, 48))
        ),
        "a window that Llama does not read": changed(
            "llama", lambda m: setattr(m.config, "sliding_window", 4)
        ),
        "kinds that Mistral does not read": changed(
            "mistral-sliding", lambda m: setattr(m.config, "layer_types", kinds)
        ),
        "a hook": changed(
            "gemma3", lambda m: m.model.layers[0].register_forward_hook(lambda *_: None)
        ),
    }
    assert {name: lean_for(module) for name, module in strangers.items()} == dict.fromkeys(
        strangers
    )


def test_a_stranger_has_no_description() -> None:
    assert decoder_of(nn.Linear(2, 2)) is None
    with pytest.raises(ValueError, match="not described"):
        LeanLlama(tiny_module_of_no_family(), 8)


def tiny_module_of_no_family() -> PreTrainedModel:
    """Return a Mistral in a class of its own."""
    config = MistralConfig(
        vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1,
    )  # fmt: skip

    class Own(MistralForCausalLM):
        pass

    return Own(config).eval()


def test_static_steps_honour_a_window() -> None:
    module = tiny_module("gemma3")
    steps = StaticSteps(module, rows=1, columns=20)
    text: list[int] = []
    for token in range(40, 54):
        text.append(token)
        logits = steps.step(torch.tensor([token]), len(text))
        with torch.inference_mode():
            wanted = module(input_ids=torch.tensor([text])).logits[0, -1]
        assert torch.allclose(logits[0], wanted, atol=1e-4)
