"""A transformer that writes the answer of a puzzle cell by cell: an ordinary small Llama."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from transformers import LlamaForCausalLM

from modicum.errors import ConfigError
from modicum.nets.grid import BLANK, Ids, TokenGrid
from modicum.nets.recursive_shape import Size, sized
from modicum.nets.small_llama import LlamaSize, small_llama

__all__ = [
    "AutoregressiveShape",
    "answer_of",
    "autoregressive_net",
    "beside_gram",
    "sequences",
]

_FURTHER = 3
"""Ids beside the grid's own: what ends a question, what ends an answer, what is neither."""


@dataclass(frozen=True)
class AutoregressiveShape:
    """A Llama over the ids of a token grid and three more.

    It reads the question, one id a position, then `begins`, and writes one id an answered position, then
    `ends`.

    Source: Touvron et al. 2023 (2302.13971): norm before each part, rotary positions, SwiGLU.
    """

    length: int
    """Positions of a question, at least 1."""
    vocabulary: int
    """Ids of the grid, at least 2."""
    answered: int
    """Positions of an answer, 1 to `length`."""
    width: int = 64
    """Numbers a position; each head takes an even share."""
    heads: int = 4
    inner: int = 128
    """Hidden width of every SwiGLU."""
    layers: int = 4

    def __post_init__(self) -> None:
        """Refuse what cannot be built.

        Raises:
            ConfigError: sizes below 1, or a width that the heads do not share evenly.
        """
        rules = {
            "length": self.length >= 1,
            "vocabulary": self.vocabulary >= 2,
            "answered": 1 <= self.answered <= self.length,
            "heads": self.heads >= 1,
            "width": self.width >= 1 and self.heads >= 1 and self.width % (2 * self.heads) == 0,
            "inner": self.inner >= 1,
            "layers": self.layers >= 1,
        }
        for name, holds in rules.items():
            if not holds:
                raise ConfigError(
                    f"{name} = {getattr(self, name)!r} in the shape of an autoregressive net",
                    "a number that its field allows (width divisible by twice the heads)",
                    f"set {name} to one of those",
                )

    @property
    def begins(self) -> int:
        """Id that ends the question, so that the answer begins."""
        return self.vocabulary

    @property
    def ends(self) -> int:
        """Id that ends the answer."""
        return self.vocabulary + 1

    @property
    def unknown(self) -> int:
        """Id of text that is none of the grid's; no net learns it."""
        return self.vocabulary + 2

    @property
    def rows(self) -> int:
        """Ids of the net."""
        return self.vocabulary + _FURTHER

    @property
    def places(self) -> int:
        """Positions of a question and its answer with what ends them."""
        return self.length + 1 + self.answered + 1

    @property
    def llama(self) -> LlamaSize:
        """The net's size."""
        sizes = (self.width, self.heads, self.inner, self.layers)
        return LlamaSize(self.rows, self.places, *sizes, self.ends)

    @property
    def numbers(self) -> int:
        """Weights of the net."""
        return self.llama.numbers


def beside_gram(grid: TokenGrid, size: Size) -> AutoregressiveShape:
    """Return the shape to stand beside GRAM of a size: as wide, with layers until it has as many weights.

    >>> grid = TokenGrid(length=16, vocabulary=5, answered=(True,) * 16)
    >>> beside_gram(grid, "mini").numbers, sized("gram", "mini", 16, 5).numbers
    (165440, 175234)
    """
    gram = sized("gram", size, grid.length, grid.vocabulary)
    width, heads, inner = gram.width, gram.heads, gram.inner
    own = (grid.length, grid.vocabulary, grid.n_answered, width, heads, inner)
    one, two = (AutoregressiveShape(*own, layers).numbers for layers in (1, 2))
    return AutoregressiveShape(*own, 1 + max(0, round((gram.numbers - one) / (two - one))))


def autoregressive_net(shape: AutoregressiveShape, rng: np.random.Generator) -> LlamaForCausalLM:
    """Return a net with drawn weights: normal, of variance 1 / (inputs of the matrix).

    Args:
        shape: What is built.
        rng: Stream of the first weights.
    """
    return small_llama(shape.llama, shape.answered + 1, rng)


def sequences(
    shape: AutoregressiveShape,
    questions: Int[Tensor, "rows length"],
    answers: Int[Tensor, "rows answered"],
) -> Int[Tensor, "rows places"]:
    """Return questions and answers as the net reads them, each with the id that ends it."""
    ones = questions.new_ones((len(questions), 1))
    return torch.cat((questions, ones * shape.begins, answers, ones * shape.ends), 1)


def answer_of(grid: TokenGrid, question: Sequence[int], written: Sequence[int]) -> Ids:
    """Return the whole board that was written: the question where nothing is answered.

    Args:
        grid: The puzzle's.
        question: Ids `[length]`.
        written: Ids of answered positions in their order; what is missing or no id of the grid is blank.

    >>> grid = TokenGrid(length=3, vocabulary=3, answered=(False, True, True))
    >>> answer_of(grid, (2, 0, 0), (1, 4)), answer_of(grid, (2, 0, 0), ())
    ((2, 1, 0), (2, 0, 0))
    """
    left = iter(written)
    return tuple(
        _known(grid, next(left, BLANK)) if counts else given
        for given, counts in zip(question, grid.answered, strict=True)
    )


def _known(grid: TokenGrid, token: int) -> int:
    return token if token < grid.vocabulary else BLANK
