"""One-token steps of a plain Llama or Qwen2 in few operations.

At a width of 96 a transformers forward pass spends half of its time between operations, and at any
width much of it on masks and on rows read to the longest. This path computes with the module's own
weights (nothing is copied) and is taken only where the module is exactly the plain architecture and
carries no hooks; everything else takes the module's own forward pass. `tests/sampling/test_sampling.py`
holds both together. Where the native kernel was compiled, it rotates, keeps and attends.
"""

from collections.abc import Callable, Collection
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from transformers import LlamaForCausalLM, PreTrainedModel, Qwen2ForCausalLM
from transformers.models.llama.modeling_llama import (
    LlamaAttention,
    LlamaDecoderLayer,
    LlamaMLP,
    LlamaRMSNorm,
)
from transformers.models.qwen2.modeling_qwen2 import (
    Qwen2Attention,
    Qwen2DecoderLayer,
    Qwen2MLP,
    Qwen2RMSNorm,
)

from modicum.nudge.attach import Columns
from modicum.nudge.steering import Steering
from modicum.sampling.cache import RowCache, layer_windows
from modicum.sampling.draw import race_noise
from modicum.sampling.linear import linear, linear_add, linear_mul, linear_silu
from modicum.sampling.native import PAGE, CacheShape, Kernel, load_kernel
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
    "Layer",
    "LeanLlama",
    "Linear",
    "Norm",
    "Uniforms",
    "additions",
    "finish",
    "has_plain_parts",
    "is_plain",
    "lean_layers",
    "lean_shape",
    "lean_takes",
    "normalise",
    "parts_of",
    "rotate",
    "turns",
]

Additions = dict[int, Tensor]
"""What is added to the output of a layer, by its index: `[hidden]`, or `[rows, hidden]`."""

_PLAIN = {
    LlamaForCausalLM: {LlamaRMSNorm, LlamaAttention, LlamaMLP},
    Qwen2ForCausalLM: {Qwen2RMSNorm, Qwen2Attention, Qwen2MLP},
}
"""Architectures that this path computes, and their parts."""

_SINGLE = frozenset({nn.Linear, nn.Embedding})
_SCORES = 6_400_000
"""Scores (rows x vocabulary) held at once, about: a few rows at a time where tokens are many."""

Uniforms = npt.NDArray[np.float64]
"""One number in [0, 1) a row."""

Linear = tuple[Tensor, Tensor | None]
"""Weight and bias."""


class Norm(NamedTuple):
    """A norm by root mean square."""

    weight: Tensor
    epsilon: float


class Layer(NamedTuple):
    """The weights of one layer, looked up once: a module's attributes are slow to reach."""

    before: Norm
    query: Linear
    key: Linear
    value: Linear
    output: Linear
    after: Norm
    gate: Linear
    up: Linear
    down: Linear


class LeanLlama:
    """Steps through a Llama's layers without its modules' overhead; made anew for each block."""

    def __init__(self, module: PreTrainedModel, longest: int) -> None:
        """Look up the weights and prepares the rotations of all positions up to `longest`."""
        model = module.model
        self.embedding = model.embed_tokens.weight
        self.layers = lean_layers(module)
        self.last = _norm_of(model.norm)
        self.head = _linear_of(module.lm_head)
        self.vocab = len(self.head[0])
        self.in_columns = all(map(column_takes, (self.layers[0].gate[0], self.head[0])))
        self._width = model.layers[0].self_attn.head_dim
        self.scale = model.layers[0].self_attn.scaling
        self.shape = lean_shape(module)
        self.kernel = load_kernel(self.shape)
        self.cos, self.sin = turns(module, longest)

    @staticmethod
    def fits(module: PreTrainedModel) -> bool:
        """Say whether the module is a plain Llama on the processor: no hooks, no adapters."""
        return module.dtype == torch.float32 and has_plain_parts(module, _SINGLE)

    def step(
        self,
        ids: Int[Tensor, " rows"],
        places: Int[Tensor, " rows"],
        cache: RowCache,
        mask: Tensor,
        added: Additions,
    ) -> Float[Tensor, "rows vocab"]:
        """Run one token of each row; gives the scores of the next.

        Args:
            ids: Newest token of each row.
            places: Its position.
            cache: Holds the rows' keys and values, receives the new ones.
            mask: Additive mask of the columns in use, `[rows, 1, 1, columns]`.
            added: What steers this step.
        """
        rows, width = len(ids), self._width
        hidden = self.embedding[ids]
        cos, sin = self.cos[places][:, None], self.sin[places][:, None]
        for index, layer in enumerate(self.layers):
            normed = normalise(hidden, layer.before)
            queries = rotate(linear(normed, *layer.query).view(rows, -1, width), cos, sin)
            keys = rotate(linear(normed, *layer.key).view(rows, -1, width), cos, sin)
            values = linear(normed, *layer.value).view(rows, -1, width)
            seen, shown = cache.buffers[index].update(keys[:, :, None], values[:, :, None])
            # Queries that share keys stand side by side as if they were positions. Batched
            # products beat the fused kernel here, which pays for each row and head.
            grouped = queries.mul_(self.scale).view(rows, keys.shape[1], -1, width)
            weights = (grouped @ seen.transpose(2, 3)).add_(mask).softmax(-1)
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
        hidden = self.embedding[ids]
        where = pages.read(rows)
        mixed = torch.zeros(size, shape.keys * shape.group * shape.head)
        scores = torch.empty(shape.group * pages.table.shape[1] * PAGE)

        def attend(projected: tuple[Tensor, Tensor, Tensor], index: int) -> Tensor:
            turns = (self.cos, self.sin)
            kernel.attend(projected, turns, where, (mixed, scores), index, self.scale)
            return mixed

        if self.in_columns:
            return self._in_columns_through(hidden, size, attend, added)
        for index, layer in enumerate(self.layers):
            normed = normalise(hidden, layer.before)
            projected = (
                linear(normed, *layer.query),
                linear(normed, *layer.key),
                linear(normed, *layer.value),
            )
            hidden = finish(hidden, attend(projected, index), layer)
            if index in added:
                hidden = hidden + added[index]
        return normalise(hidden, self.last)

    def _in_columns_through(
        self,
        start: Float[Tensor, "rows hidden"],
        size: int,
        attend: Callable[[tuple[Tensor, Tensor, Tensor], int], Tensor],
        added: Additions,
    ) -> Float[Tensor, "rows hidden"]:
        """Run the layers with rows as columns; see `modicum.sampling.weights_left`."""
        rows, turn = len(start), self._native.turn
        hidden = start.new_zeros(start.shape[1], size)
        hidden[:, :rows] = start.t()
        for index, layer in enumerate(self.layers):
            normed = turn(hidden, *layer.before)
            query, key, value = (
                turn(times(LeftWeights(*part), normed))[:rows]
                for part in (layer.query, layer.key, layer.value)
            )
            mixed = attend((query, key, value), index)
            hidden = times_add(LeftWeights(*layer.output), mixed, hidden)
            normed = turn(hidden, *layer.after)
            gate = times(LeftWeights(*layer.gate), normed, "swish")
            gated = times_mul(LeftWeights(*layer.up), normed, gate)
            hidden = times_add(LeftWeights(*layer.down), gated.t(), hidden)
            if index in added:
                hidden[:, :rows] += added[index].expand(rows, -1).t()
        return turn(hidden, *self.last)[:rows]

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


def is_plain(module: nn.Module) -> bool:
    """Say whether a module is of an architecture that this path was written for."""
    return type(module) in _PLAIN


def has_plain_parts(module: PreTrainedModel, layers: Collection[type[nn.Module]]) -> bool:
    """Say whether the module is a plain Llama on the processor: no hooks, nothing added.

    Args:
        module: A transformers model.
        layers: Classes of layers that may stand in it beside the architecture's own.
    """
    if type(module) not in _PLAIN or module.training or module.device.type != "cpu":
        return False
    config = module.config
    if any(window.width is not None for window in layer_windows(config)):
        return False
    known = {*layers, *_PLAIN[type(module)]}
    for part in module.modules():
        if part._forward_hooks or part._forward_pre_hooks or "forward" in vars(part):
            return False
        is_leaf = next(part.children(), None) is None
        has_weights = next(part.parameters(recurse=False), None) is not None
        if is_leaf and has_weights and type(part) not in known:
            return False
    is_default = config.rope_parameters.get("rope_type", "default") == "default"
    return bool(is_default and config.hidden_act == "silu")


def lean_layers(module: PreTrainedModel) -> list[Layer]:
    """Return the weights of a plain module's layers."""
    return [_layer(layer) for layer in module.model.layers]


def lean_shape(module: PreTrainedModel) -> CacheShape:
    """Return the heads of a plain module's layers, and what a number of theirs takes."""
    config = module.config
    heads, keys = config.num_attention_heads, config.num_key_value_heads
    head = module.model.layers[0].self_attn.head_dim
    return CacheShape(head, heads // keys, keys, module.dtype.itemsize)


def turns(module: PreTrainedModel, longest: int) -> tuple[Tensor, Tensor]:
    """Return cosines and signed sines of all positions up to `longest`, `[longest, head]`."""
    model = module.model
    half = model.layers[0].self_attn.head_dim // 2
    # An empty single-precision tensor says in which format they are wanted.
    cos, sin = model.rotary_emb(torch.empty(0), torch.arange(longest)[None])
    # rotate_half(x) * sin as one roll: the first half takes the second's negative.
    return cos[0], torch.cat([-sin[0, :, :half], sin[0, :, half:]], -1)


def parts_of(rows: int, vocab: int) -> list[slice]:
    """Return the rows whose scores are held, or drawn from, at once."""
    size = max(16, _SCORES // vocab)
    return [slice(i, min(rows, i + size)) for i in range(0, rows, size)]


def finish(hidden: Tensor, mixed: Tensor, layer: Layer) -> Tensor:
    """Return a layer's result from what its attention mixed."""
    hidden = linear_add(mixed, *layer.output, hidden)
    normed = normalise(hidden, layer.after)
    gated = linear_mul(normed, *layer.up, linear_silu(normed, *layer.gate))
    return linear_add(gated, *layer.down, hidden)


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


def _layer(layer: LlamaDecoderLayer | Qwen2DecoderLayer) -> Layer:
    attention, mlp = layer.self_attn, layer.mlp
    return Layer(
        before=_norm_of(layer.input_layernorm),
        query=_linear_of(attention.q_proj),
        key=_linear_of(attention.k_proj),
        value=_linear_of(attention.v_proj),
        output=_linear_of(attention.o_proj),
        after=_norm_of(layer.post_attention_layernorm),
        gate=_linear_of(mlp.gate_proj),
        up=_linear_of(mlp.up_proj),
        down=_linear_of(mlp.down_proj),
    )


def _norm_of(norm: LlamaRMSNorm | Qwen2RMSNorm) -> Norm:
    return Norm(norm.weight, norm.variance_epsilon)


def _linear_of(module: nn.Linear) -> Linear:
    return module.weight, module.bias


def normalise(hidden: Tensor, norm: Norm) -> Tensor:
    """Return activations divided by their root mean square, times the norm's weights."""
    return functional.rms_norm(hidden, norm.weight.shape, norm.weight, norm.epsilon)


def rotate(
    heads: Float[Tensor, "rows heads head"],
    cos: Float[Tensor, "rows 1 head"],
    sin: Float[Tensor, "rows 1 head"],
) -> Float[Tensor, "rows heads head"]:
    """Turns heads by their position; the sines carry the sign of the first half."""
    return torch.addcmul(heads * cos, heads.roll(heads.shape[-1] // 2, -1), sin)
