"""A small Llama of any shape with weights of our own drawing, as transformers has it."""

from dataclasses import dataclass

import numpy as np
import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

__all__ = ["LlamaSize", "small_llama"]


@dataclass(frozen=True)
class LlamaSize:
    """How large it is: norm before each part, rotary positions, SwiGLU, a head apart from the table.

    Source: Touvron et al. 2023 (2302.13971).
    """

    rows: int
    """Ids, at least 1."""
    places: int
    """Positions."""
    width: int
    """Numbers a position, divisible by twice the heads."""
    heads: int
    inner: int
    """Hidden width of every SwiGLU."""
    layers: int
    ends: int
    """Id that ends a text."""

    @property
    def numbers(self) -> int:
        """Weights."""
        layer = 4 * self.width**2 + 3 * self.width * self.inner + 2 * self.width
        return self.layers * layer + 2 * self.rows * self.width + self.width


def small_llama(size: LlamaSize, longest: int, rng: np.random.Generator) -> LlamaForCausalLM:
    """Return a net with drawn weights: normal, of variance 1 / (inputs of the matrix).

    Args:
        size: What is built.
        longest: Tokens that it writes where no one says how many.
        rng: Stream of the first weights.
    """
    config = LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=size.rows,
        hidden_size=size.width,
        intermediate_size=size.inner,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        max_position_embeddings=size.places,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=size.ends,
        pad_token_id=None,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):  # the library's own draws, which are replaced
        net = LlamaForCausalLM(config)
    net.generation_config = GenerationConfig(
        eos_token_id=size.ends, pad_token_id=size.ends, max_new_tokens=longest
    )
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim > 1:
                numbers = rng.standard_normal(parameter.shape, dtype=np.float32)
                parameter.copy_(torch.from_numpy(numbers / np.float32(parameter.shape[1] ** 0.5)))
    return net
