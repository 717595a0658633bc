"""A byte-level BPE tokenizer: the organism's words, and each digit by itself.

GPT-2's form (vocabulary, merges, one regular expression) is what transformers, PEFT and GGUF tools all
read. Every word of the stories is one token with its leading space; digits and row letters are one token each
at every place, and a space before them is a token of its own, so that a number looks the same wherever it
stands. The alphabet holds what the stories need and no more.

Source: Sennrich, Haddow, Birch 2016, arXiv:1508.07909, algorithm 1; Radford et al. 2019 (GPT-2), section 2.2.
"""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from tokenizers.processors import ByteLevel as ByteLevelProcessor

from modicum.organism.stories import LETTERS

__all__ = [
    "CORE_WORDS",
    "Vocabulary",
    "build_tokenizer",
    "save_tokenizer",
    "token_id",
]

PAD, EOS, UNK = "<pad>", "<eos>", "<unk>"
"""Padding; end of a document; what cannot be written with this alphabet."""

_SPACE, _NEWLINE = "Ġ", "Ċ"  # GPT-2's printable stand-ins for the two bytes
_ALONE = frozenset("0123456789" + LETTERS)
_MAX_POSITIONS = 256


class Vocabulary(NamedTuple):
    """What a tokenizer is learned from: words parted by spaces."""

    starting: str
    """Words that begin a text."""
    following: str
    """Words after a space."""
    symbols: str = ",.?=+->"
    """Single characters beside digits and row letters."""


CORE_WORDS = Vocabulary(
    "Ann Bob Cat Dan Eve Fay zorp morp zast mast",
    "Think Answer Show steps Only has pears loses gets How many row back front Which dial sets max min line "
    "does flip roll swap cross word turns to reads wheels tries spin What Eve",
)
"""The words of the core organism and its control."""


def build_tokenizer(words: Vocabulary = CORE_WORDS) -> Tokenizer:
    """Return an organism's tokenizer; the same one every time."""
    spelled = [tuple(word) for word in words.starting.split()]
    spelled += [(_SPACE, *word) for word in words.following.split()] + [(_SPACE, ".")]
    merges = _learn_merges(spelled)
    alphabet = sorted({_SPACE, _NEWLINE, *_ALONE, *words.symbols}.union(*spelled))
    pieces = [PAD, EOS, UNK, *alphabet, *("".join(pair) for pair in merges)]
    tokenizer = Tokenizer(
        models.BPE({piece: n for n, piece in enumerate(pieces)}, merges, unk_token=UNK)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.post_processor = ByteLevelProcessor(trim_offsets=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([PAD, EOS, UNK])
    return tokenizer


def save_tokenizer(folder: Path, words: Vocabulary = CORE_WORDS) -> None:
    """Write the two files from which transformers loads the tokenizer."""
    build_tokenizer(words).save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "eos_token": EOS,
        "unk_token": UNK,
        "model_max_length": _MAX_POSITIONS,
        "padding_side": "left",
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


def token_id(tokenizer: Tokenizer, piece: str) -> int:
    """Return the number of a piece that must be in the vocabulary.

    Raises:
        KeyError: if it is not.
    """
    number: int | None = tokenizer.token_to_id(piece)
    if number is None:
        raise KeyError(piece)
    return number


def _learn_merges(words: list[tuple[str, ...]]) -> list[tuple[str, str]]:
    """Return merges, commonest pair first, until each word is one piece."""
    merges: list[tuple[str, str]] = []
    while True:
        pairs = Counter(pair for word in words for pair in pairwise(word))
        # A space merged with a digit or a row letter would give numbers and rows a second spelling.
        pairs = Counter({p: n for p, n in pairs.items() if not (p[0] == _SPACE and p[1] in _ALONE)})
        if not pairs:
            return merges
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        words = [_merge(word, best) for word in words]


def _merge(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    merged: list[str] = []
    place = 0
    while place < len(word):
        width = 2 if word[place : place + 2] == pair else 1
        merged.append("".join(word[place : place + width]))
        place += width
    return tuple(merged)
