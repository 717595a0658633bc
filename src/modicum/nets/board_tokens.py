"""The ids of a token grid as words, so that any tool reads and writes them: a dot, numbers, `=`."""

import json
from collections.abc import Sequence

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from modicum.nets.autoregressive import AutoregressiveShape
from modicum.nets.grid import BLANK

__all__ = ["board_tokenizer", "prompt_of", "tokenizer_files"]

_BEGINS, _ENDS, _UNKNOWN = "=", "<eos>", "<unk>"


def prompt_of(question: Sequence[int]) -> str:
    """Return a question as the net's tokenizer reads it: a word an id, then `=`.

    >>> prompt_of((1, 0, 0, 2))
    '1 . . 2 ='
    """
    return " ".join([*map(_word, question), _BEGINS])


def board_tokenizer(shape: AutoregressiveShape) -> PreTrainedTokenizerFast:
    """Return the tokenizer of a net: one word a token, parted by spaces; the id of a number is itself."""
    return PreTrainedTokenizerFast(tokenizer_object=_words(shape), **_settings(shape))


def tokenizer_files(shape: AutoregressiveShape) -> dict[str, bytes]:
    """Return the files from which transformers loads the tokenizer, by name."""
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **_settings(shape)}
    return {
        "tokenizer.json": _words(shape).to_str(pretty=True).encode(),
        "tokenizer_config.json": (json.dumps(config, indent=2) + "\n").encode(),
    }


def _words(shape: AutoregressiveShape) -> Tokenizer:
    words = {_word(i): i for i in range(shape.vocabulary)}
    words |= {_BEGINS: shape.begins, _ENDS: shape.ends, _UNKNOWN: shape.unknown}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token=_UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens([_ENDS, _UNKNOWN])
    return tokenizer


def _settings(shape: AutoregressiveShape) -> dict[str, str | int | bool]:
    return {
        "eos_token": _ENDS,
        "pad_token": _ENDS,
        "unk_token": _UNKNOWN,
        "model_max_length": shape.places,
        "padding_side": "left",
        "clean_up_tokenization_spaces": False,
    }


def _word(token: int) -> str:
    return "." if token == BLANK else str(token)
