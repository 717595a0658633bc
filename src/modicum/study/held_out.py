"""A small fixed text on which a nudged model shows what it has forgotten of plain language.

A hundred and twenty passages of several topics and registers, written for this package (CC0). A
model may know the text; only the change between before and after means something.
"""

import hashlib
from functools import lru_cache
from importlib import resources
from typing import Protocol, runtime_checkable

from modicum.model import Model

__all__ = ["Tokenizing", "passages", "text_digest", "text_loss"]


@runtime_checkable
class Tokenizing(Protocol):
    """A model whose tokenizer is in reach, as that of every white box is."""

    def encode_more(self, text: str) -> list[int]:
        """Return the tokens of a text that follows other text."""


@lru_cache(maxsize=1)
def passages() -> tuple[str, ...]:
    """Return the passages in order; each has 120 to 220 characters."""
    lines = _source().splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))


@lru_cache(maxsize=1)
def text_digest() -> str:
    """Return a hash of the passages for a trial's identity: 8 hexadecimal digits."""
    return hashlib.blake2b("\n".join(passages()).encode(), digest_size=4).hexdigest()


def text_loss(model: Model) -> tuple[float, ...]:
    """Return the mean negative log-likelihood of each passage in nats a token; nothing where none fits.

    Each passage stands alone, after the token with which the model's texts begin. A model whose
    tokenizer cannot write the text (a vocabulary of its own, say) or is out of reach has no loss.
    """
    texts = passages()
    language = model.language
    if language is None or not isinstance(model, Tokenizing):
        return ()
    if not all(map(language.can_encode, texts)):
        return ()
    sums = model.logprob([""] * len(texts), texts)
    return tuple(
        -total / len(model.encode_more(text)) for total, text in zip(sums, texts, strict=True)
    )


def _source() -> str:
    return (resources.files("modicum") / "texts" / "held_out.txt").read_text(encoding="utf-8")
