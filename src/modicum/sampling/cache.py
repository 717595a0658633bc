"""Keys and values of the rows in flight, in buffers that are written in place.

Every row ends in the same column: the newest token of all rows stands at `now`, a row's first at
`now - its length`. A step therefore writes one column, nothing is concatenated, and a mask changes
only when rows come, go or move. A sliding window is the same slice of columns for all rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PretrainedConfig
from transformers.cache_utils import Cache, CacheLayerMixin

from modicum.errors import CheckpointError

__all__ = ["PrefixCache", "RowCache", "Window", "layer_windows"]

_FULL, _SLIDING = "full_attention", "sliding_attention"


@dataclass(frozen=True)
class Window:
    """How far back a layer looks."""

    kind: str
    """Name of the layer type, as the model's masks are keyed."""
    width: int | None
    """Columns seen, the newest included; None for all."""

    def first(self, start: int, now: int) -> int:
        """Gives the first column seen from column `now`."""
        return start if self.width is None else max(start, now + 1 - self.width)


def layer_windows(config: PretrainedConfig) -> list[Window]:
    """Gives the window of each layer.

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


class _Layer(CacheLayerMixin):
    """What both caches' layers share: transformers asks for sizes that our masks already settle."""

    is_sliding = False

    def __init__(self, window: Window) -> None:
        super().__init__()
        self.window = window

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Does nothing: buffers come from the first prompts."""

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Gives sizes that nobody reads: masks are handed in ready."""
        return query_length, 0

    def get_seq_length(self) -> int:
        """Gives zero: positions are handed in ready."""
        return 0

    def get_max_length(self) -> int:
        """Gives no limit."""
        return -1


class _PrefixLayer(_Layer):
    """Holds the keys and values of one prefill, after a shared past."""

    def __init__(self, window: Window, past: tuple[Tensor, Tensor] | None) -> None:
        super().__init__(window)
        self.past = past

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Keeps the new keys and values; gives them with the past before them."""
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
        """Takes the layers' windows and the past's keys and values, `[1, heads, past, head]`."""
        layers = [
            _PrefixLayer(window, past[i] if past is not None else None)
            for i, window in enumerate(windows)
        ]
        super().__init__(layers=layers)
        self.windows = tuple(windows)

    def pairs(self) -> list[tuple[Tensor, Tensor]]:
        """Gives the new keys and values of each layer."""
        return [(layer.keys, layer.values) for layer in self.layers]


class _RowLayer(_Layer):
    """One layer's buffers; a step writes a column and gives a view of the columns in use."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self.start = self.now = 0

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Writes the newest column of the first rows; gives all columns that they may see."""
        rows, now = key_states.shape[0], self.now
        first = self.window.first(self.start, now)
        self.keys[:rows, :, now] = key_states[:, :, 0]
        self.values[:rows, :, now] = value_states[:, :, 0]
        return self.keys[:rows, :, first : now + 1], self.values[:rows, :, first : now + 1]


class RowCache(Cache):
    """Keys and values of up to `rows` completions in flight, all ending in column `now`."""

    def __init__(self, windows: Sequence[Window], *, rows: int, columns: int, now: int) -> None:
        """Sets the sizes; buffers are allocated when the first prompts come.

        Args:
            windows: The window of each layer.
            rows: Most rows in flight.
            columns: Width of the buffers: the longest row and some room to move.
            now: First column to be written: at least the longest prompt's length.
        """
        super().__init__(layers=[_RowLayer(window) for window in windows])
        self.rows, self.columns, self.now = rows, columns, now
        self.starts = torch.zeros(rows, dtype=torch.long)
        self._mask: Tensor | None = None
        self._lengths = range(columns)

    def insert(
        self, pairs: Sequence[tuple[Tensor, Tensor]], rows: slice, which: Int[Tensor, " rows"],
        lengths: Int[Tensor, " rows"],
    ) -> None:
        """Copies prompts into rows, ending at the column before `now`.

        Args:
            pairs: Each layer's keys and values, right-aligned, `[prompts, heads, width, head]`.
            rows: Rows that are filled.
            which: The prompt that each of them gets.
            lengths: Length of that prompt.
        """
        for layer, (keys, values) in zip(self.layers, pairs, strict=True):
            if layer.keys is None:
                _, heads, _, head = keys.shape
                layer.keys = keys.new_zeros(self.rows, heads, self.columns, head)
                layer.values = values.new_zeros(
                    self.rows, values.shape[1], self.columns, values.shape[3]
                )
            width = keys.shape[2]
            layer.keys[rows, :, self.now - width : self.now] = keys[which]
            layer.values[rows, :, self.now - width : self.now] = values[which]
        self.starts[rows] = self.now - lengths

    def move(self, sources: Int[Tensor, " moved"], targets: Int[Tensor, " moved"]) -> None:
        """Copies rows over others; no row may be both."""
        self.starts[targets] = self.starts[sources]
        first = int(self.starts[sources].min())
        for layer in self.layers:
            for buffer in (layer.keys, layer.values):
                buffer[targets, :, first : self.now] = buffer[sources, :, first : self.now]

    def settle(self, n_rows: int, *, longest_prompt: int) -> None:
        """Makes mask and columns right after rows came, went or moved; makes room at the end.

        Args:
            n_rows: Rows in flight, the first ones.
            longest_prompt: Columns that must stay free before `now` for prompts still to come.
        """
        start = int(self.starts[:n_rows].min())
        if self.now >= self.columns:
            start = self._shift(n_rows, start, max(self.now - start, longest_prompt))
        self.start = start
        buffer = self.layers[0].keys
        blocked = torch.arange(self.columns) < self.starts[:n_rows, None]
        mask = torch.zeros(n_rows, 1, 1, self.columns, dtype=buffer.dtype, device=buffer.device)
        low = torch.finfo(buffer.dtype).min
        self._mask = mask.masked_fill_(blocked[:, None, None].to(buffer.device), low)

    def open_column(self) -> Tensor | dict[str, Tensor]:
        """Points the layers at column `now` and gives the mask that a step there needs."""
        masks: dict[str, Tensor] = {}
        assert self._mask is not None
        for layer in self.layers:
            layer.start, layer.now = self.start, self.now
            window = layer.window
            if window.kind not in masks:
                first = window.first(self.start, self.now)
                masks[window.kind] = self._mask[..., first : self.now + 1]
        return masks if len(masks) > 1 else next(iter(masks.values()))

    @property
    def is_full(self) -> bool:
        """Whether no column is left, so that rows must be moved to the left."""
        return self.now >= self.columns

    def _shift(self, n_rows: int, start: int, now: int) -> int:
        """Moves the used columns to the left so that they end before column `now`."""
        step = self.now - now
        for layer in self.layers:
            for buffer in (layer.keys, layer.values):
                used = buffer[:n_rows, :, start : self.now].clone()
                buffer[:n_rows, :, start - step : now] = used
        self.starts[:n_rows] -= step
        self.now = now
        return start - step
