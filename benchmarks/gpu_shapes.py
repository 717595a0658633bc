"""What the parts of `benchmarks.gpu` share: shapes, random models, a clock that waits for the device."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from transformers import LlamaConfig, LlamaForCausalLM

__all__ = ["SHAPES", "Case", "random_llama", "timed"]

SHAPES = {
    "1.5b": {
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "vocab_size": 151_936,
        "tie_word_embeddings": True,
    },
    "8b": {
        "hidden_size": 4096,
        "intermediate_size": 14_336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128_256,
        "tie_word_embeddings": False,
    },
    "tiny": {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 300,
        "tie_word_embeddings": False,
    },
}


@dataclass(frozen=True)
class Case:
    """One part: a shape, answers in flight, tokens of prompt and answer."""

    shape: str
    answers: int
    tokens: int
    prompt: int = 512


def random_llama(
    case: Case, device: torch.device, dtype: torch.dtype | None = None
) -> LlamaForCausalLM:
    """Return a Llama of the shape with random weights, made on the device; bfloat16 on a GPU."""
    config = LlamaConfig(
        **SHAPES[case.shape], max_position_embeddings=case.prompt + case.tokens, use_cache=True
    )
    gc.collect()
    before = torch.get_default_dtype()
    usual = torch.bfloat16 if device.type == "cuda" else torch.float32
    torch.set_default_dtype(dtype or usual)
    try:
        with device:
            module = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    return module.eval()


def timed(device: torch.device, work: Callable[[], object]) -> float:
    """Return the seconds of some work, the device's queue empty before and after."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start
