"""The attention kernel, compiled on first use where there is a C compiler; nothing depends on it.

One token a row reads keys and values to each row's own length, which batched products cannot: they
read every row to the longest. Compiling takes half a second, once a processor and shape of heads;
the result lies in the user's cache. Without a compiler the sampler uses torch's operations.
"""

import ctypes
import functools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

from modicum.files.compiled import built

__all__ = [
    "PAGE",
    "CacheShape",
    "Kernel",
    "LayerHeads",
    "Norm",
    "load_kernel",
]

PAGE = 16
"""Tokens in a page; the same in the source."""
_WIDE = 16
"""Columns that are drawn from side by side where there are so many; the tokens are the same."""
_SOURCE = Path(__file__).with_name("attend.c")
_ALL = 2**62
"""Width of a window that hides nothing."""


class CacheShape(NamedTuple):
    """Heads of one layer."""

    head: int
    """Numbers a head, even."""
    group: int
    """Query heads that share a key head."""
    keys: int
    """Key heads."""
    size: int = 4
    """Bytes of a number that is kept: 4 for single precision, 2 for bfloat16."""


class Norm(NamedTuple):
    """A norm by root mean square."""

    weight: Tensor
    epsilon: float


class LayerHeads(NamedTuple):
    """What one layer does with its heads between the projections."""

    layer: int
    """Which layer."""
    kind: str
    """Name of the layer type, as the model's masks are keyed."""
    width: int | None
    """Tokens that a token sees, itself included; None for all."""
    turns: tuple[Tensor, Tensor]
    """Cosines and signed sines of every position, `[positions, head]`."""
    scale: float
    """Multiplies the queries."""
    norms: tuple[Norm, Norm] | None = None
    """Of queries and of keys, `[head]`; None where they are not normalised."""


class Kernel:
    """The compiled functions for one shape of heads."""

    def __init__(self, library: ctypes.CDLL, shape: CacheShape) -> None:
        """Name the types of the arguments."""
        self.shape = shape
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        self._attend: Any = library.attend
        self._attend.argtypes = [*[pointer] * 13, *[number] * 4, *[ctypes.c_float] * 2]
        self._attend.restype = None
        self._keep: Any = library.keep
        self._keep.argtypes = [*[pointer] * 3, *[number] * 2, *[pointer] * 2]
        self._keep.restype = None
        self._turn: Any = library.turn
        self._turn.argtypes = [*[pointer] * 3, *[number] * 2, ctypes.c_float]
        self._turn.restype = None
        self._add_normed: Any = library.add_normed
        self._add_normed.argtypes = self._turn.argtypes
        self._add_normed.restype = None
        self._races: dict[bool, Any] = {False: library.race, True: library.race_wide}
        for race in self._races.values():
            race.argtypes = [*[pointer] * 3, *[number] * 4, ctypes.c_float]
            race.restype = None

    def attend(
        self,
        projected: tuple[Tensor, Tensor, Tensor],
        pages: tuple[npt.NDArray[np.int64], ...],
        spare: tuple[Tensor, Tensor],
        heads: LayerHeads,
    ) -> None:
        """Keep new keys and values and attends, for one token of each row.

        Args:
            projected: Queries, keys and values, `[rows, heads x head]`, contiguous.
            pages: Addresses of pages `[rows, width]`, prompts' lengths, rows' own lengths with the
                new token, and the rows in an order that puts those of one prompt side by side.
            spare: Receives the result `[rows, heads x head]`; room for the scores of one key head.
            heads: The layer; its norms are single precision.
        """
        table, prompt, own, order = pages
        norms = heads.norms
        self._attend(
            spare[0].data_ptr(),
            *(part.data_ptr() for part in projected),
            *(turn.data_ptr() for turn in heads.turns),
            *((None, None) if norms is None else (norm.weight.data_ptr() for norm in norms)),
            table.ctypes.data,
            prompt.ctypes.data,
            own.ctypes.data,
            order.ctypes.data,
            spare[1].data_ptr(),
            len(projected[0]),
            table.shape[1],
            heads.layer,
            _ALL if heads.width is None else heads.width,
            heads.scale,
            0.0 if norms is None else norms[0].epsilon,
        )

    def add_normed(self, hidden: Tensor, x: Tensor, norm: Norm) -> None:
        """Add to `[in, columns]`, in place, another whose columns are normalised first.

        Args:
            hidden: Contiguous; columns in multiples of eight.
            x: What is normalised and added, likewise.
            norm: Its weight is `[in]`, single precision.
        """
        weight = norm.weight.data_ptr()
        self._add_normed(hidden.data_ptr(), x.data_ptr(), weight, *x.shape, norm.epsilon)

    def turn(self, x: Tensor, weight: Tensor | None = None, epsilon: float = 0.0) -> Tensor:
        """Return `[in, columns]` as `[columns, in]`; with a weight, each column normalised by it.

        Args:
            x: Contiguous; columns in multiples of eight.
            weight: `[in]`, of a norm by root mean square; None for a bare turn.
            epsilon: Of that norm.
        """
        out = x.new_empty(x.shape[1], x.shape[0])
        named = None if weight is None else weight.data_ptr()
        self._turn(out.data_ptr(), x.data_ptr(), named, *x.shape, epsilon)
        return out

    def race(
        self, scores: Tensor, noise: Tensor, width: int, temperature: float
    ) -> npt.NDArray[np.int64]:
        """Return a token for each row of the noise, drawn from the softmax of a column of scores.

        Args:
            scores: `[vocab, columns]`, contiguous, at least as many columns as rows.
            noise: Gumbel numbers, `[rows, stretches + width]`, double precision, contiguous.
            width: Tokens of a stretch.
            temperature: Above 0.
        """
        tokens = np.empty(len(noise), dtype=np.int64)
        sizes = (*scores.shape, len(noise), width)
        named = (tokens.ctypes.data, scores.data_ptr(), noise.data_ptr())
        self._races[scores.shape[1] % _WIDE == 0](*named, *sizes, 1.0 / temperature)
        return tokens

    def keep(self, table: npt.NDArray[np.int64], keys: Tensor, values: Tensor, layer: int) -> None:
        """Write one layer of a prompt into its pages.

        Args:
            table: Addresses of the prompt's pages.
            keys: Rotated keys, `[heads, tokens, head]`; a head's numbers lie together.
            values: Values, likewise.
            layer: Which layer.
        """
        strides = [np.array(part.stride()[:2], dtype=np.int64) for part in (keys, values)]
        self._keep(
            table.ctypes.data,
            keys.data_ptr(),
            values.data_ptr(),
            keys.shape[1],
            layer,
            *(stride.ctypes.data for stride in strides),
        )


@functools.cache
def load_kernel(shape: CacheShape) -> Kernel | None:
    """Return the kernel for a shape of heads; None without a compiler or with MODICUM_NATIVE=0."""
    if shape.head % 2:
        return None
    sizes = [f"-DHEAD={shape.head}", f"-DGROUP={shape.group}", f"-DKEYS={shape.keys}"]
    library = built(_SOURCE, [*sizes, *(["-DHALF"] if shape.size == 2 else [])])
    return None if library is None else Kernel(library, shape)
