"""Turns tokens into text: whole completions, one piece a token, and stop strings met on the way."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from modicum.whitebox import decoded

__all__ = ["Stops", "TextMaker", "end_tokens"]

_BROKEN = "\ufffd"
"""What half a character decodes to."""


class TextMaker:
    """Decodes tokens of one tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Find an anchor: a token put before each text, so that no leading space is lost."""
        self._tokenizer = tokenizer
        self._specials = set(tokenizer.all_special_ids)
        anchor = tokenizer("a", add_special_tokens=False)["input_ids"][-1:]
        self._anchor: list[int] = [i for i in anchor if i not in self._specials]
        self._anchor_text = self._decode([self._anchor])[0] if self._anchor else ""
        self._stops: dict[tuple[str, ...], Stops] = {}

    def texts(self, rows: Sequence[Sequence[int]]) -> list[str]:
        """Return the text of each row of tokens, without specials."""
        decoded = self._decode([[*self._anchor, *row] for row in rows])
        return [text[len(self._anchor_text) :] for text in decoded]

    def pieces(self, tokens: Sequence[int]) -> tuple[str, ...]:
        """Return a text for each token; joined they are the text of all.

        A character of several tokens belongs to the last of them.
        """
        [text] = self.texts([tokens])
        table = self._table
        # A model may know more tokens than its tokenizer, for padding.
        pieces = [table[token] if token < len(table) else "" for token in tokens]
        if "".join(pieces) == text:
            return tuple(pieces)
        ends = [self.texts([tokens[: i + 1]])[0] for i in range(len(tokens))]
        pieces, done = [], 0
        for i, end in enumerate(ends):
            # A cut character is not yet text; the token that completes it brings it.
            keep = end.rstrip(_BROKEN) if i + 1 < len(ends) else text
            whole = keep if text.startswith(keep) and len(keep) >= done else text[:done]
            pieces.append(text[done : len(whole)])
            done = len(whole)
        return tuple(pieces)

    def stops(self, strings: tuple[str, ...]) -> "Stops | None":
        """Return the finder of these stop strings, or None where there are none."""
        strings = tuple(s for s in strings if s)
        if not strings:
            return None
        if strings not in self._stops:
            self._stops[strings] = Stops(self, strings)
        return self._stops[strings]

    @cached_property
    def _table(self) -> list[str]:
        """The text of every token by itself."""
        return self.texts([[i] for i in range(len(self._tokenizer))])

    @cached_property
    def _names(self) -> list[str]:
        """The vocabulary's own spelling of every token."""
        names = self._tokenizer.convert_ids_to_tokens(list(range(len(self._tokenizer))))
        return [name or "" for name in names]

    def can_end(self, strings: tuple[str, ...]) -> npt.NDArray[np.bool_]:
        """Say for every token whether a stop string could end in it."""
        last = {s[-1] for s in strings}
        spaced = " " in last
        return np.array(
            [
                not last.isdisjoint(text) or _BROKEN in text or (spaced and "\u2581" in name)
                for text, name in zip(self._table, self._names, strict=True)
            ],
            dtype=np.bool_,
        )

    def _decode(self, rows: list[list[int]]) -> list[str]:
        return decoded(self._tokenizer, rows)


class Stops:
    """Finds stop strings while tokens come, decoding only where one could end."""

    def __init__(self, maker: TextMaker, strings: tuple[str, ...]) -> None:
        """Mark the tokens in which a stop string could end."""
        self._maker = maker
        self.strings = strings
        self._can_end = maker.can_end(strings)
        # A character takes at most four byte tokens.
        self._tail = 4 * max(map(len, strings)) + 4

    def suspects(self, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Say for each newest token whether its row must be looked at."""
        known = np.minimum(tokens, len(self._can_end) - 1)
        return self._can_end[known]

    def met(self, tokens: npt.NDArray[np.int64]) -> bool:
        """Say whether a stop string stands at the end of a row's tokens."""
        [text] = self._maker.texts([tokens[-self._tail :].tolist()])
        return any(s in text for s in self.strings)

    def cut(self, text: str) -> str:
        """Return the text before the first stop string."""
        found = [place for s in self.strings if (place := text.find(s)) >= 0]
        return text[: min(found)] if found else text


def end_tokens(module: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Give every token that ends a text: a chat model often has several."""
    settings = getattr(module, "generation_config", None)
    named = [
        getattr(settings, "eos_token_id", None),
        getattr(module.config.get_text_config(decoder=True), "eos_token_id", None),
        tokenizer.eos_token_id,
    ]
    lists = [x if isinstance(x, (list, tuple)) else [x] for x in named if x is not None]
    return frozenset(int(token) for tokens in lists for token in tokens)
