"""One-token steps in a cache of fixed size, replayed as CUDA graphs on a GPU.

Every tensor keeps its place, so that a whole step is one launch. A graph is recorded for each
length rounded up to a stretch of columns: a step then reads little more than the longest row. On
the processor the same steps run one operation after the other, which is how they are tested.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from modicum.sampling.linear import linear
from modicum.sampling.llama_steps import LeanLlama, attended, finish, normalise

__all__ = ["StaticSteps"]

_STRETCH = 512
"""Columns by which the part of the cache grows that a step reads."""


class StaticSteps:
    """Rows of a described decoder that are stepped together, each at its own place."""

    def __init__(self, module: PreTrainedModel, *, rows: int, columns: int) -> None:
        """Allocate the cache.

        Args:
            module: A described module on any device, in any number format.
            rows: Completions in flight.
            columns: Most tokens of prompt and completion.

        Raises:
            RuntimeError: the cache does not fit into memory.
        """
        self._lean = LeanLlama(module, columns)
        table = self._lean.embedding
        self.shape = self._lean.shape
        size = rows, self.shape.keys, columns, self.shape.head
        self.keys, self.values = (
            [table.new_zeros(size) for _ in self._lean.layers] for _ in range(2)
        )
        device = table.device
        self._ids = torch.zeros(rows, dtype=torch.long, device=device)
        self.places = torch.zeros(rows, dtype=torch.long, device=device)
        """Position of the next token of each row."""
        self._rows = torch.arange(rows, device=device)
        self._all_columns = torch.arange(columns, device=device)
        self._graphs: dict[int, tuple[torch.cuda.CUDAGraph, Tensor]] = {}
        # Graphs run one at a time, so that all may compute in the same memory.
        self._pool = torch.cuda.graph_pool_handle() if device.type == "cuda" else None

    @property
    def cache_bytes(self) -> int:
        """Size of all keys and values."""
        return sum(t.numel() * t.element_size() for t in [*self.keys, *self.values])

    def fill(self, pairs: list[tuple[Tensor, Tensor]], rows: slice) -> None:
        """Return rows the prompt that they share.

        Args:
            pairs: Each layer's rotated keys and values, `[heads, tokens, head]`.
            rows: The rows.
        """
        length = pairs[0][0].shape[1]
        for layer, (keys, values) in enumerate(pairs):
            self.keys[layer][rows, :, :length] = keys
            self.values[layer][rows, :, :length] = values
        self.places[rows] = length

    def step(self, ids: Int[Tensor, " rows"], longest: int) -> Float[Tensor, "rows vocab"]:
        """Run one token of each row; gives the scores of the next, overwritten by the next step.

        Args:
            ids: Newest token of each row.
            longest: Tokens of the longest row, the new one included.
        """
        self._ids.copy_(ids)
        columns = min(len(self._all_columns), -(-longest // _STRETCH) * _STRETCH)
        with torch.inference_mode():
            if self._ids.device.type != "cuda":
                logits = self._run(columns)
            else:
                if columns not in self._graphs:
                    self._graphs[columns] = self._record(columns)
                graph, logits = self._graphs[columns]
                graph.replay()
            self.places += 1
        return logits

    def _record(self, columns: int) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        """Record one step; running it twice before writes the same keys again, no others."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(2):
                self._run(columns)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            logits = self._run(columns)
        return graph, logits

    def _run(self, columns: int) -> Tensor:
        lean, rows, shape = self._lean, len(self._ids), self.shape
        hidden = lean.embedded(self._ids)
        turned, seen = lean.turned(self.places), {}
        for width in {layer.heads.width for layer in lean.layers}:
            is_seen = self._all_columns[:columns] <= self.places[:, None]
            if width is not None:
                is_seen &= self._all_columns[:columns] > self.places[:, None] - width
            seen[width] = is_seen[:, None, None].expand(rows, 1, shape.group, columns)
        for index, layer in enumerate(lean.layers):
            queries, keys, values = attended(hidden, layer, turned[layer.heads.kind])
            self.keys[index][self._rows, :, self.places] = keys
            self.values[index][self._rows, :, self.places] = values
            # Queries that share a key head stand side by side as if they were positions.
            mixed = functional.scaled_dot_product_attention(
                queries.view(rows, shape.keys, shape.group, shape.head),
                self.keys[index][:, :, :columns],
                self.values[index][:, :, :columns],
                attn_mask=seen[layer.heads.width],
                scale=layer.heads.scale,
            )
            hidden = finish(hidden, mixed.reshape(rows, -1), layer)
        return linear(normalise(hidden, lean.last), *lean.head)
