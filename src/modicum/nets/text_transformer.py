"""A transformer that writes text character by character, as a folder that transformers opens."""

import json
from dataclasses import dataclass

import numpy as np
from safetensors.torch import save
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaForCausalLM

from modicum.errors import ConfigError
from modicum.nets.small_llama import LlamaSize, small_llama

__all__ = ["TransformerShape", "text_transformer", "transformer_files"]

_ENDS, _UNKNOWN = "<eos>", "<unk>"
_LONGEST = 128
"""Characters that it writes where no one says how many."""


@dataclass(frozen=True)
class TransformerShape:
    """What is called Transformer++: norm before each part, rotary positions, SwiGLU, a head of its own.

    Source: Gu and Dao 2023 (2312.00752), section 4.2, for the name; Gladstone et al. 2025 (2507.02092) hold
    their nets against it with a SwiGLU as wide as the net.
    """

    alphabet: str
    """Characters, each once; an id is a place in it."""
    places: int
    """Positions that it is trained on, at least 1."""
    width: int = 64
    """Numbers a position; each head takes an even share."""
    heads: int = 4
    inner: int = 64
    """Hidden width of every SwiGLU."""
    layers: int = 4

    def __post_init__(self) -> None:
        """Refuse what cannot be built.

        Raises:
            ConfigError: sizes below 1 or far too large, or a width that the heads do not share evenly.
        """
        sizes = {
            "places": self.places,
            "width": self.width,
            "heads": self.heads,
            "inner": self.inner,
            "layers": self.layers,
        }
        for name, size in sizes.items():
            if not 1 <= size <= 2**16:
                raise ConfigError(f"{name} = {size} of a transformer", "1 to 65,536", "correct it")
        if self.width % (2 * self.heads):
            raise ConfigError(
                f"width = {self.width} of a transformer with {self.heads} heads",
                f"a multiple of {2 * self.heads}, so that each head has an even width",
                "correct the width or the heads",
            )

    @property
    def llama(self) -> LlamaSize:
        """The net's size: beside the characters one id that ends a text, and one of what is no character."""
        characters = len(self.alphabet)
        sizes = (self.width, self.heads, self.inner, self.layers)
        return LlamaSize(characters + 2, self.places, *sizes, characters)


def text_transformer(shape: TransformerShape, rng: np.random.Generator) -> LlamaForCausalLM:
    """Return a net with drawn weights.

    Args:
        shape: What is built.
        rng: Stream of the first weights.
    """
    return small_llama(shape.llama, _LONGEST, rng)


def transformer_files(shape: TransformerShape, net: LlamaForCausalLM) -> dict[str, bytes]:
    """Return the files from which transformers loads net and tokenizer, by name."""
    weights = {name: part.detach().cpu().contiguous() for name, part in net.state_dict().items()}
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": _ENDS,
        "pad_token": _ENDS,
        "unk_token": _UNKNOWN,
        "model_max_length": shape.places,
        "padding_side": "left",
        "clean_up_tokenization_spaces": False,
    }
    return {
        "model.safetensors": save(weights, {"format": "pt"}),
        "config.json": net.config.to_json_string().encode(),
        "generation_config.json": net.generation_config.to_json_string().encode(),
        "tokenizer.json": _characters(shape.alphabet).to_str(pretty=True).encode(),
        "tokenizer_config.json": (json.dumps(settings, indent=2) + "\n").encode(),
    }


def _characters(alphabet: str) -> Tokenizer:
    """Return a tokenizer for which each character is a token."""
    words = {character: place for place, character in enumerate((*alphabet, _ENDS, _UNKNOWN))}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token=_UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([_ENDS, _UNKNOWN])
    return tokenizer
