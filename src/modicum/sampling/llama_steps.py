"""One-token steps of a described decoder in few operations, with the module's own weights.

At a width of 96 a transformers forward pass spends half of its time between operations, and at any
width much of it on masks and on rows read to the longest. This path copies no weights and is taken
only where the module is exactly as `modicum.sampling.decoder` describes and carries no hooks;
everything else takes the module's own forward pass. `tests/sampling` holds both together. Where the
native kernel was compiled, it rotates, keeps and attends.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from modicum.nudge.attach import Columns
from modicum.nudge.parts import tensor_of
from modicum.nudge.steering import Steering
from modicum.sampling.cache import RowCache
from modicum.sampling.decoder import decoder_of, has_plain_parts
from modicum.sampling.decoder_layers import (
    DecoderLayer,
    embedding_scale,
    lean_layers,
    lean_norm,
    lean_shape,
)
from modicum.sampling.draw import race_noise
from modicum.sampling.linear import linear, linear_activated, linear_add, linear_mul
from modicum.sampling.native import PAGE, Kernel, Norm, load_kernel
from modicum.sampling.pages import RowPages
from modicum.sampling.weights_left import (
    LeftWeights,
    column_takes,
    padded,
    times,
    times_add,
    times_mul,
)

__all__ = [
    "Additions",
    "LeanLlama",
    "Linear",
    "Uniforms",
    "additions",
    "attended",
    "finish",
    "lean_takes",
    "normalise",
    "parts_of",
]

Additions = dict[int, Tensor]
"""What is added to the output of a layer, by its index: `[hidden]`, or `[rows, hidden]`."""

_SCORES = 6_400_000
"""Scores (rows x vocabulary) held at once, about: a few rows at a time where tokens are many."""

Uniforms = npt.NDArray[np.float64]
"""One number in [0, 1) a row."""

Linear = tuple[Tensor, Tensor | None]
"""Weight and bias."""


class LeanLlama:
    """Steps through a decoder's layers without its modules' overhead; made anew for each block."""

    def __init__(self, module: PreTrainedModel, longest: int) -> None:
        """Look up the weights and prepare the rotations of all positions up to `longest`.

        Args:
            module: A module that is described, on any device and in any number format.
            longest: Tokens of the longest row.

        Raises:
            ValueError: the module is not described.
        """
        decoder = decoder_of(module)
        if decoder is None:
            raise ValueError(f"{type(module).__name__} is not described")
        self.embedding: Tensor = module.model.embed_tokens.weight
        self._embedding_scale = embedding_scale(module)
        self.layers = lean_layers(module, decoder, longest, _linear_of)
        self.last = lean_norm(module, decoder, module.model.norm)
        self.head = _linear_of(module.lm_head)
        self.vocab = len(self.head[0])
        self.in_columns = all(map(column_takes, (self.layers[0].gate[0], self.head[0])))
        self.shape = lean_shape(module)
        self.kernel = load_kernel(self.shape)
        self._turns = {layer.heads.kind: layer.heads.turns for layer in self.layers}

    @staticmethod
    def fits(module: PreTrainedModel) -> bool:
        """Say whether the module is described and on the processor: no hooks, no adapters."""
        decoder = decoder_of(module) if module.dtype == torch.float32 else None
        return decoder is not None and has_plain_parts(
            module, decoder, {nn.Linear, decoder.parts.embedding}
        )

    def embedded(self, ids: Int[Tensor, " rows"]) -> Float[Tensor, "rows hidden"]:
        """Return what enters the first layer."""
        hidden = self.embedding[ids]
        return hidden if self._embedding_scale is None else hidden * self._embedding_scale

    def turned(self, places: Int[Tensor, " rows"]) -> dict[str, tuple[Tensor, Tensor]]:
        """Return cosines and signed sines of positions, `[rows, 1, head]`, by kind of layer."""
        return {
            kind: (cos[places][:, None], sin[places][:, None])
            for kind, (cos, sin) in self._turns.items()
        }

    def step(
        self,
        ids: Int[Tensor, " rows"],
        places: Int[Tensor, " rows"],
        cache: RowCache,
        mask: Tensor | Mapping[str, Tensor],
        added: Additions,
    ) -> Float[Tensor, "rows vocab"]:
        """Run one token of each row; gives the scores of the next.

        Args:
            ids: Newest token of each row.
            places: Its position.
            cache: Holds the rows' keys and values, receives the new ones.
            mask: Additive mask of the columns in use, `[rows, 1, 1, columns]`; one for each kind of
                layer where there are several.
            added: What steers this step.
        """
        rows, turned, width = len(ids), self.turned(places), self.shape.head
        hidden = self.embedded(ids)
        for index, layer in enumerate(self.layers):
            kind = layer.heads.kind
            queries, keys, values = attended(hidden, layer, turned[kind])
            seen, shown = cache.buffers[index].update(keys[:, :, None], values[:, :, None])
            # Queries that share keys stand side by side as if they were positions. Batched
            # products beat the fused kernel here, which pays for each row and head.
            grouped = queries.mul_(layer.heads.scale).view(rows, keys.shape[1], -1, width)
            own_mask = mask if isinstance(mask, Tensor) else mask[kind]
            weights = (grouped @ seen.transpose(2, 3)).add_(own_mask).softmax(-1)
            mixed = (weights @ shown).reshape(rows, -1)
            hidden = finish(hidden, mixed, layer)
            if index in added:
                hidden = hidden + added[index]
        return linear(normalise(hidden, self.last), *self.head)

    def step_in_pages(
        self, ids: Int[Tensor, " rows"], pages: RowPages, added: Additions
    ) -> Float[Tensor, "rows hidden"]:
        """Run one token of each row by the native kernel; gives what `scores` scores.

        Args:
            ids: Newest token of each row.
            pages: The rows' pages, opened for that token.
            added: What a nudge adds to layers.
        """
        rows, shape, kernel = len(ids), self.shape, self._native
        size = padded(rows) if self.in_columns else rows
        hidden = self.embedded(ids)
        where = pages.read(rows)
        mixed = torch.zeros(size, shape.keys * shape.group * shape.head)
        scores = torch.empty(shape.group * pages.table.shape[1] * PAGE)

        def attend(projected: tuple[Tensor, Tensor, Tensor], layer: DecoderLayer[Linear]) -> Tensor:
            kernel.attend(projected, where, (mixed, scores), layer.heads)
            return mixed

        if self.in_columns:
            return self._in_columns_through(hidden, size, attend, added)
        for index, layer in enumerate(self.layers):
            normed = normalise(hidden, layer.before_attention)
            projected = (
                linear(normed, *layer.query),
                linear(normed, *layer.key),
                linear(normed, *layer.value),
            )
            hidden = finish(hidden, attend(projected, layer), layer)
            if index in added:
                hidden = hidden + added[index]
        return normalise(hidden, self.last)

    def _in_columns_through(
        self,
        start: Float[Tensor, "rows hidden"],
        size: int,
        attend: Callable[[tuple[Tensor, Tensor, Tensor], DecoderLayer[Linear]], Tensor],
        added: Additions,
    ) -> Float[Tensor, "rows hidden"]:
        """Run the layers with rows as columns; see `modicum.sampling.weights_left`."""
        rows, turn, add = len(start), self._native.turn, self._add_in_columns
        hidden = start.new_zeros(start.shape[1], size)
        hidden[:, :rows] = start.t()
        for index, layer in enumerate(self.layers):
            normed = turn(hidden, *layer.before_attention)
            query, key, value = (
                turn(times(LeftWeights(*part), normed))[:rows]
                for part in (layer.query, layer.key, layer.value)
            )
            mixed = attend((query, key, value), layer)
            hidden = add(hidden, layer.output, mixed, layer.after_attention)
            normed = turn(hidden, *layer.before_mlp)
            gate = times(LeftWeights(*layer.gate), normed, layer.activation)
            gated = times_mul(LeftWeights(*layer.up), normed, gate)
            hidden = add(hidden, layer.down, gated.t(), layer.after_mlp)
            if index in added:
                hidden[:, :rows] += added[index].expand(rows, -1).t()
        return turn(hidden, *self.last)[:rows]

    def _add_in_columns(
        self, hidden: Tensor, part: Linear, x: Tensor, norm: Norm | None
    ) -> Float[Tensor, "hidden columns"]:
        """Return a stream with a product added, which is normalised before where there is a norm."""
        if norm is None:
            return times_add(LeftWeights(*part), x, hidden)
        self._native.add_normed(hidden, times(LeftWeights(*part), x), norm)
        return hidden

    @property
    def _native(self) -> Kernel:
        if self.kernel is None:
            raise RuntimeError("no kernel was compiled")
        return self.kernel

    def parts(self, rows: int) -> list[slice]:
        """Return the rows whose scores are held, or drawn from, at once."""
        return parts_of(rows, self.vocab)

    def scores(
        self, hidden: Float[Tensor, "rows hidden"], part: slice
    ) -> Float[Tensor, "some vocab"]:
        """Return the scores of the next token of some rows."""
        hidden = hidden[part]
        if not self.in_columns:
            return linear(hidden, *self.head)
        return self._native.turn(self._columns_of_scores(hidden))[: len(hidden)]

    def drawn(
        self,
        hidden: Float[Tensor, "rows hidden"],
        part: slice,
        uniforms: Uniforms,
        temperature: float,
    ) -> npt.NDArray[np.int64]:
        """Return the next tokens of some rows, drawn from scores that stay in columns; see `draw`."""
        noise, width = race_noise(uniforms, self.vocab)
        scores = self._columns_of_scores(hidden[part])
        return self._native.race(scores, noise, width, temperature)

    def _columns_of_scores(self, hidden: Tensor) -> Tensor:
        rows = len(hidden)
        wide = functional.pad(hidden, (0, 0, 0, padded(rows) - rows))
        return times(LeftWeights(*self.head), wide)


def parts_of(rows: int, vocab: int) -> list[slice]:
    """Return the rows whose scores are held, or drawn from, at once."""
    size = max(16, _SCORES // vocab)
    return [slice(i, min(rows, i + size)) for i in range(0, rows, size)]


def attended(
    hidden: Tensor, layer: DecoderLayer[Linear], turned: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return a layer's queries, keys and values, rotated, `[rows, heads, head]`.

    Args:
        hidden: The stream, `[rows, hidden]`.
        layer: The layer.
        turned: Cosines and signed sines of the rows' positions, `[rows, 1, head]`.
    """
    rows, width = len(hidden), turned[0].shape[-1]
    normed = normalise(hidden, layer.before_attention)
    queries, keys, values = (
        linear(normed, *part).view(rows, -1, width)
        for part in (layer.query, layer.key, layer.value)
    )
    if layer.heads.norms is not None:
        queries, keys = map(normalise, (queries, keys), layer.heads.norms)
    return _rotated(queries, *turned), _rotated(keys, *turned), values


def finish(hidden: Tensor, mixed: Tensor, layer: DecoderLayer[Linear]) -> Tensor:
    """Return a layer's result from what its attention mixed."""
    hidden = _add(hidden, layer.output, mixed, layer.after_attention)
    normed = normalise(hidden, layer.before_mlp)
    gate = linear_activated(normed, layer.activation, *layer.gate)
    return _add(hidden, layer.down, linear_mul(normed, *layer.up, gate), layer.after_mlp)


def _add(hidden: Tensor, part: Linear, x: Tensor, norm: Norm | None) -> Tensor:
    if norm is None:
        return linear_add(x, *part, hidden)
    return normalise(linear(x, *part), norm).add_(hidden)


def lean_takes(steering: Steering | None) -> bool:
    """Say whether this path can carry a nudge: directions on the residual stream, or none."""
    return steering is None or all(d.site == "block" for d in steering.directions)


def additions(
    steering: Steering | None, columns: Columns, which: Int[Tensor, " rows"] | None = None
) -> Additions:
    """Return what a one-token step adds, for columns as `columns_of` gives them.

    Args:
        steering: The nudge, or a stack of them.
        columns: Where the step is steered.
        which: The nudge of each row in a stack.
    """
    if steering is None or (isinstance(columns, slice) and columns == slice(0, 0)):
        return {}
    added: Additions = {}
    for direction in steering.directions:
        values = direction.values if which is None else direction.values[which]
        if isinstance(columns, Tensor):
            values = columns * values
        added[direction.layer] = added.get(direction.layer, 0) + values
    return added


def _linear_of(module: nn.Module) -> Linear:
    bias = module.bias
    return tensor_of(module, "weight"), bias if isinstance(bias, Tensor) else None


def normalise(hidden: Tensor, norm: Norm) -> Tensor:
    """Return activations divided by their root mean square, times the norm's weights."""
    return functional.rms_norm(hidden, norm.weight.shape, norm.weight, norm.epsilon)


def _rotated(
    heads: Float[Tensor, "rows heads head"],
    cos: Float[Tensor, "rows 1 head"],
    sin: Float[Tensor, "rows 1 head"],
) -> Float[Tensor, "rows heads head"]:
    """Turn heads by their position; the sines carry the sign of the first half."""
    return torch.addcmul(heads * cos, heads.roll(heads.shape[-1] // 2, -1), sin)
