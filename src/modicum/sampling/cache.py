"""Keys and values of the rows in flight, in buffers that are written in place.

Every row ends in the same column: the newest token of all rows stands at `now`, a row's first at
`now - its length`. A step therefore writes one column, nothing is concatenated, and a mask changes
only when rows come, go or move. A sliding window is the same slice of columns for all rows. When
the columns are used up, those still needed move to new buffers, once in many steps.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Int
from torch import Tensor
from transformers import PretrainedConfig
from transformers.cache_utils import Cache, CacheLayerMixin

from modicum.errors import CheckpointError

__all__ = ["Arena", "PrefixCache", "RowCache", "Window", "column_floats", "layer_windows"]

_LEAST_ROOM = 16
"""Fewest columns that new buffers have to spare."""

_WIDTH = 4096
"""Width of a model that does not say it, about."""

_FULL, _SLIDING = "full_attention", "sliding_attention"


@dataclass(frozen=True)
class Window:
    """How far back a layer looks."""

    kind: str
    """Name of the layer type, as the model's masks are keyed."""
    width: int | None
    """Columns seen, the newest included; None for all."""

    def first(self, start: int, now: int) -> int:
        """Return the first column seen from column `now`."""
        return start if self.width is None else max(start, now + 1 - self.width)


def layer_windows(config: PretrainedConfig) -> list[Window]:
    """Return the window of each layer.

    Raises:
        CheckpointError: a layer is neither full nor sliding attention.
    """
    text = config.get_text_config()
    width = getattr(text, "sliding_window", None)
    kinds = getattr(text, "layer_types", None)
    if kinds is None:
        sliding = width is not None and getattr(text, "use_sliding_window", True)
        kinds = [_SLIDING if sliding else _FULL] * text.num_hidden_layers
    strange = sorted({kind for kind in kinds if kind not in (_FULL, _SLIDING)})
    if strange:
        raise CheckpointError(
            f"layers of kind {', '.join(strange)}",
            "full or sliding attention",
            "serve this model from an OpenAI-compatible server",
        )
    return [Window(kind, width if kind == _SLIDING else None) for kind in kinds]


def column_floats(config: PretrainedConfig) -> int:
    """Give about how many numbers a token's keys and values take; states of recurrences are less."""
    text = config.get_text_config(decoder=True)
    heads = _size(text, "num_attention_heads") or _size(text, "num_heads") or 1
    shared = _size(text, "num_key_value_heads") or heads
    head = _size(text, "head_dim") or (_size(text, "hidden_size") or _WIDTH) // heads
    return 2 * (_size(text, "num_hidden_layers") or 1) * shared * head


def _size(text: PretrainedConfig, name: str) -> int:
    """Give a setting, the largest where layers differ; 0 where it is not said in one place."""
    try:
        value = getattr(text, name, None) or 0
        return max(map(int, value)) if isinstance(value, (list, tuple)) else int(value)
    except (RuntimeError, TypeError, ValueError):  # each layer has its own, and no common one
        return 0


class _Layer(CacheLayerMixin):
    """What both caches' layers share: transformers asks for sizes that our masks already settle."""

    is_sliding = False

    def __init__(self, window: Window) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.window = window

    @property
    def held(self) -> tuple[Tensor, Tensor]:
        """Keys and values.

        Raises:
            RuntimeError: no prompt has come yet.
        """
        if self.keys is None or self.values is None:
            raise RuntimeError("insert prompts first")
        return self.keys, self.values

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Do nothing: buffers come from the first prompts."""

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return sizes that nobody reads: masks are handed in ready."""
        return query_length, 0

    def get_seq_length(self) -> int:
        """Return zero: positions are handed in ready."""
        return 0

    def get_max_length(self) -> int:
        """Return no limit."""
        return -1


class _PrefixLayer(_Layer):
    """Holds the keys and values of one prefill, after a shared past."""

    def __init__(self, window: Window, past: tuple[Tensor, Tensor] | None) -> None:
        super().__init__(window)
        self.past = past

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: object, **__: object
    ) -> tuple[Tensor, Tensor]:
        """Keep the new keys and values; gives them with the past before them."""
        self.keys, self.values = key_states, value_states
        if self.past is None:
            return key_states, value_states
        rows = key_states.shape[0]
        keys, values = (part.expand(rows, -1, -1, -1) for part in self.past)
        return torch.cat([keys, key_states], 2), torch.cat([values, value_states], 2)


class PrefixCache(Cache):
    """The cache of one prefill: rows of new tokens after one shared past."""

    def __init__(
        self, windows: Sequence[Window], past: Sequence[tuple[Tensor, Tensor]] | None
    ) -> None:
        """Take the layers' windows and the past's keys and values, `[1, heads, past, head]`."""
        layers = [
            _PrefixLayer(window, past[i] if past is not None else None)
            for i, window in enumerate(windows)
        ]
        super().__init__(layers=[*layers])
        self.windows = tuple(windows)
        self._own = layers

    def pairs(self) -> list[tuple[Tensor, Tensor]]:
        """Return the new keys and values of each layer."""
        return [layer.held for layer in self._own]


class _RowLayer(_Layer):
    """One layer's buffers; a step writes a column and gives a view of the columns in use."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self.start = self.now = 0

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: object, **__: object
    ) -> tuple[Tensor, Tensor]:
        """Write the newest column of the first rows; gives all columns that they may see."""
        rows, now = key_states.shape[0], self.now
        first = self.window.first(self.start, now)
        keys, values = self.held
        keys[:rows, :, now] = key_states[:, :, 0]
        values[:rows, :, now] = value_states[:, :, 0]
        return keys[:rows, :, first : now + 1], values[:rows, :, first : now + 1]


class Arena:
    """Memory that small models' caches use again, block after block.

    The operating system hands out fresh memory page by page, which costs a small model as much as
    several steps. What lies in it belongs to one cache at a time.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self._flat: dict[object, Tensor] = {}

    def take(self, slot: object, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Return a tensor of this shape with anything in it: the slot's memory, or larger new."""
        size = math.prod(shape)
        flat = self._flat.get(slot)
        if flat is None or flat.numel() < size or flat.dtype != like.dtype:
            # Zeros, because what a mask hides must still be a number.
            flat = self._flat[slot] = like.new_zeros(size)
        return flat[:size].view(shape)


class RowCache(Cache):
    """Keys and values of the completions in flight, all ending in the column before `now`."""

    def __init__(
        self,
        windows: Sequence[Window],
        *,
        rows: int,
        longest_prompt: int,
        arena: Arena | None = None,
    ) -> None:
        """Set the sizes; buffers are allocated when the first prompts come.

        Args:
            windows: The window of each layer.
            rows: Most rows in flight.
            longest_prompt: Columns that there must be before `now` for prompts still to come.
            arena: Where buffers come from; fresh memory if not given.
        """
        self.buffers = [_RowLayer(window) for window in windows]
        """The layers, which transformers knows as well."""
        super().__init__(layers=[*self.buffers])
        self.arena = arena
        self._turn = 0
        self.now = self._longest_prompt = longest_prompt
        self._columns = _roomy(longest_prompt)
        self._rows = rows
        self._starts = torch.zeros(rows, dtype=torch.long)
        self._start = longest_prompt
        self._mask: Tensor | None = None

    def insert(
        self,
        pairs: Sequence[tuple[Tensor, Tensor]],
        rows: slice,
        which: Int[Tensor, " rows"],
        lengths: Int[Tensor, " rows"],
    ) -> None:
        """Copies prompts into rows, ending at the column before `now`.

        Args:
            pairs: Each layer's keys and values, right-aligned, `[prompts, heads, width, head]`.
            rows: Rows that are filled, after those in flight.
            which: The prompt that each of them gets.
            lengths: Length of that prompt.
        """
        for index, (layer, (keys, values)) in enumerate(zip(self.buffers, pairs, strict=True)):
            if layer.keys is None:
                layer.keys = self._buffer((index, "keys"), keys, self._rows)
                layer.values = self._buffer((index, "values"), values, self._rows)
            first = self.now - keys.shape[2]
            for buffer, prompts in zip(layer.held, (keys, values), strict=True):
                # What a mask hides must still be a number.
                buffer[rows, :, :first] = 0
                _spread(prompts, which, buffer[rows, :, first : self.now])
        self._starts[rows] = self.now - lengths

    def move(self, sources: Int[Tensor, " moved"], targets: Int[Tensor, " moved"]) -> None:
        """Copies rows over others; no row may be both."""
        self._starts[targets] = self._starts[sources]
        for layer in self.buffers:
            for buffer in layer.held:
                buffer[targets, :, : self.now] = buffer[sources, :, : self.now]

    def free(self, rows: npt.NDArray[np.int64]) -> None:
        """Do nothing: rows that ended are overwritten."""

    def settle(self, n_rows: int, *, is_final: bool) -> None:
        """Make mask and room right after rows came, went or moved.

        Args:
            n_rows: Rows in flight, the first ones.
            is_final: Whether no row will come any more, so that buffers may shrink.
        """
        self._start = int(self._starts[:n_rows].min())
        if self.is_full:
            self._repack(n_rows, is_final=is_final)
        buffer, _ = self.buffers[0].held
        blocked = torch.arange(self._columns) < self._starts[:n_rows, None]
        mask = torch.zeros(n_rows, 1, 1, self._columns, dtype=buffer.dtype)
        mask.masked_fill_(blocked[:, None, None], torch.finfo(buffer.dtype).min)
        self._mask = mask.to(buffer.device)

    def open_column(self) -> Tensor | dict[str, Tensor]:
        """Points the layers at column `now` and gives the mask that a step there needs."""
        masks: dict[str, Tensor] = {}
        mask = self._mask
        if mask is None:
            raise RuntimeError("settle first")
        for layer in self.buffers:
            layer.start, layer.now = self._start, self.now
            window = layer.window
            if window.kind not in masks:
                first = window.first(self._start, self.now)
                masks[window.kind] = mask[..., first : self.now + 1]
        return masks if len(masks) > 1 else next(iter(masks.values()))

    @property
    def is_full(self) -> bool:
        """Whether no column is left, so that `settle` must make room."""
        return self.now >= self._columns

    def _repack(self, n_rows: int, *, is_final: bool) -> None:
        """Move the columns in use to the left of new buffers with room behind them."""
        start, end = self._start, self.now
        used = end - start
        self.now = used if is_final else max(used, self._longest_prompt)
        self._columns = _roomy(self.now)
        rows = n_rows if is_final else self._rows
        first = self.now - used
        self._turn += 1
        for index, layer in enumerate(self.buffers):
            # One after the other, so that only one layer's buffers exist twice.
            for name in ("keys", "values"):
                old = getattr(layer, name)
                new = self._buffer((index, name), old, rows)
                new[:n_rows, :, :first] = 0
                new[:n_rows, :, first : self.now] = old[:n_rows, :, start:end]
                setattr(layer, name, new)
        self._starts[:n_rows] += first - start
        self._start = first

    def _buffer(self, slot: tuple[int, str], like: Tensor, rows: int) -> Tensor:
        shape = (rows, like.shape[1], self._columns, like.shape[3])
        if self.arena is None:
            return like.new_empty(shape)
        # Two memories a slot, in turn: repacking copies from one to the other.
        return self.arena.take((*slot, self._turn % 2), shape, like)


def _spread(prompts: Tensor, which: Tensor, target: Tensor) -> None:
    """Copies prompts into their rows, those of one prompt at once where they are many."""
    runs = [(prompt, len(list(run))) for prompt, run in groupby(which.tolist())]
    if 4 * len(runs) > len(which):
        target.copy_(prompts[which])
        return
    end = 0
    for prompt, count in runs:
        target[end : end + count] = prompts[prompt]
        end += count


def _roomy(columns: int) -> int:
    """Return a buffer's width: small enough to stay in the processor's caches, seldom refilled."""
    return columns + max(_LEAST_ROOM, columns // 2)
