"""Whether a tokenizer's tokens all have a row in the model's table."""

from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from modicum.errors import CheckpointError
from modicum.files.foreign import read_table
from modicum.nudge.parts import tensor_of

__all__ = ["check_rows", "check_tokens"]

_MOST_TOKENIZER = 1 << 30
"""Bytes of the longest tokenizer's file."""


def check_rows(folder: Path) -> None:
    """Look at a folder's tokenizer and configuration, before any weight is read.

    Raises:
        CheckpointError: plain text could give a token that the model's table lacks.
    """
    try:
        config: dict[str, Any] = read_table(folder / "config.json")
        words: dict[str, Any] = read_table(folder / "tokenizer.json", _MOST_TOKENIZER)
        rows = int(config.get("text_config", config)["vocab_size"])
        special = {t["id"] for t in words.get("added_tokens", ()) if t.get("special")}
        ids = _ids(words)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError):
        return  # loading says what is wrong with it
    _refuse(str(folder), max(ids - special, default=0), rows)


def check_tokens(source: str, module: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Look whether every token of plain text has a row in the loaded model's table.

    Special tokens may lie beyond it: those that stand for images do, in models without eyes.

    Raises:
        CheckpointError: one has none.
    """
    try:
        rows = len(tensor_of(module.get_input_embeddings(), "weight"))
    except (AttributeError, NotImplementedError, TypeError):
        return  # tokens are looked up in some other way
    added = tokenizer.added_tokens_decoder
    special = {*tokenizer.all_special_ids, *(i for i, t in added.items() if t.special)}
    plain = [i for i in tokenizer.get_vocab().values() if i >= rows and i not in special]
    _refuse(source, max(plain, default=0), rows)


def _ids(words: dict[str, Any]) -> set[int]:
    """Give the ids of a tokenizer's file: of its vocabulary and of what was added."""
    vocab = words.get("model", {}).get("vocab", {})
    ids = set(vocab.values()) if isinstance(vocab, dict) else set(range(len(vocab)))
    ids |= {t["id"] for t in words.get("added_tokens", ())}
    return {i for i in ids if type(i) is int}


def _refuse(source: str, largest: int, rows: int) -> None:
    if largest >= rows:
        raise CheckpointError(
            f"a tokenizer with token {largest} in {source!r}, and a model with a table of {rows}",
            "a row in the table for every token of plain text",
            "take the tokenizer that belongs to the model, or let "
            "`model.resize_token_embeddings(len(tokenizer))` write a larger table",
        )
