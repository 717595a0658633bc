"""Tiny random models of several architectures, and a tokenizer of bytes: nothing is downloaded."""

from collections.abc import Mapping

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from modicum.sampling.local import Local
from modicum.seeds import stream

EOS, BOS = 256, 257
VOCAB = 258

_SIZES: Mapping[str, int] = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "eos_token_id": EOS,
    "bos_token_id": BOS,
    "pad_token_id": EOS,
}
ARCHITECTURES = ("llama", "llama-biased", "qwen2", "qwen3", "mistral-sliding", "gemma3")


def byte_tokenizer(*, adds_bos: bool = False) -> PreTrainedTokenizerFast:
    """Return a tokenizer with one token a byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {piece: i for i, piece in enumerate([*alphabet, "<eos>", "<bos>"])}
    tokenizer = Tokenizer(models.BPE(vocab, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<eos>", "<bos>"])
    if adds_bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<bos> $A", special_tokens=[("<bos>", BOS)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<eos>",
        bos_token="<bos>",
        pad_token="<eos>",
        clean_up_tokenization_spaces=False,
    )


def tiny_module(architecture: str, *, name: str = "", scale: float = 0.4) -> PreTrainedModel:
    """Return a random model; the same architecture and name give the same weights."""
    sizes = dict(_SIZES)
    module: PreTrainedModel
    if architecture == "llama":
        module = LlamaForCausalLM(LlamaConfig(**sizes))
    elif architecture == "llama-biased":
        biased = LlamaConfig(**sizes, mlp_bias=True, attention_bias=True, tie_word_embeddings=True)
        module = LlamaForCausalLM(biased)
    elif architecture == "qwen2":
        module = Qwen2ForCausalLM(Qwen2Config(**sizes))
    elif architecture == "qwen3":
        module = Qwen3ForCausalLM(Qwen3Config(**sizes, head_dim=16))
    elif architecture == "mistral-sliding":
        module = MistralForCausalLM(MistralConfig(**sizes, sliding_window=6))
    else:
        kinds = ["sliding_attention", "full_attention", "sliding_attention"]
        config = Gemma3TextConfig(**sizes, head_dim=8, sliding_window=5, layer_types=kinds)
        module = Gemma3ForCausalLM(config)
    with torch.no_grad():
        for key, weight in module.named_parameters():
            rng = stream("tiny", architecture, name, key)
            spread = 0.1 if weight.ndim == 1 else scale
            centre = 1.0 if "norm" in key and architecture != "gemma3" else 0.0
            values = rng.normal(centre, spread, size=tuple(weight.shape))
            weight.copy_(torch.from_numpy(values))
    return module.eval()


def tiny_local(
    architecture: str = "llama", *, rows: int | None = None, name: str = "", scale: float = 0.4
) -> Local:
    """Return a tiny model ready to be sampled on one thread."""
    module = tiny_module(architecture, name=name, scale=scale)
    return Local(module, byte_tokenizer(), name="tiny", rows=rows, threads=1)
