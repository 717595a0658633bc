"""A two-layer Llama of random weights with the organism's tokenizer."""

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from modicum.organism.shipped import CORE
from modicum.sampling.local import Local


def tiny_module(*, has_bias: bool = True) -> LlamaForCausalLM:
    """Return the same random module each time."""
    tokenizer = AutoTokenizer.from_pretrained(CORE)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        mlp_bias=has_bias,
        tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(7)
        module = LlamaForCausalLM(config)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    return module.eval()


def tiny(*, has_bias: bool = True) -> Local:
    """Return it as modicum sees a model."""
    module = tiny_module(has_bias=has_bias)
    return Local(module, AutoTokenizer.from_pretrained(CORE), name="tiny", threads=1)
