"""One-token steps of a described decoder whose weights are bfloat16, with or without an adapter.

Only products and what is kept for later tokens are bfloat16: sums, the residual stream, norms,
rotations, attention and scores are single precision, as in `modicum.sampling.half`. An adapter's
two products stand beside those of its layer: added to half-precision weights, the small changes at
the beginning of a training would be rounded away.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from modicum.nudge.parts import base_model, tensor_of
from modicum.sampling.decoder import decoder_of, has_plain_parts
from modicum.sampling.decoder_layers import (
    DecoderLayer,
    embedding_scale,
    lean_layers,
    lean_norm,
    lean_shape,
)
from modicum.sampling.draw import race_noise
from modicum.sampling.half import HalfEmbedding, HalfLinear, HalfLora, half_class, is_simple
from modicum.sampling.linear import activated
from modicum.sampling.llama_steps import Additions, Uniforms
from modicum.sampling.native import PAGE, Norm, load_kernel
from modicum.sampling.pages import RowPages
from modicum.sampling.products import COLUMNS, HalfProducts, half_products
from modicum.sampling.weights_left import LeftWeights

__all__ = ["LeanHalf"]

_AT_ONCE = 64
"""Rows whose scores are held at once."""
_BESIDE = frozenset({LoraLinear, HalfLora, nn.Linear})
"""What an adapter brings along: its layers, and single-precision matrices in them."""


class _Linear(NamedTuple):
    """A linear layer, and the two factors of an adapter's change to it."""

    plain: LeftWeights
    down: LeftWeights | None = None
    up: LeftWeights | None = None


class LeanHalf:
    """Steps through a decoder's layers in bfloat16 products; made anew for each block."""

    in_columns = True

    def __init__(
        self, module: PreTrainedModel, longest: int, products: HalfProducts | None = None
    ) -> None:
        """Look up the weights and prepare the rotations of all positions up to `longest`.

        Args:
            module: A module that `fits`.
            longest: Tokens of the longest row.
            products: How products are computed; what suits the processor if not given.

        Raises:
            ValueError: the module is not described.
            RuntimeError: no kernel was compiled.
        """
        base = base_model(module)
        decoder = decoder_of(base)
        if decoder is None:
            raise ValueError(f"{type(base).__name__} is not described")
        self.embedding: Tensor = base.model.embed_tokens.weight
        self._embedding_scale = embedding_scale(base)
        self.layers = lean_layers(base, decoder, longest, _linear)
        self.last = lean_norm(base, decoder, base.model.norm)
        self.head = LeftWeights(base.lm_head.weight, None)
        self.vocab = len(self.head.weight)
        self.shape = lean_shape(base)
        kernel = load_kernel(self.shape)
        if kernel is None:
            raise RuntimeError("no kernel was compiled")
        self.kernel = kernel
        self.products = products or half_products(kernel)

    @staticmethod
    def fits(module: PreTrainedModel) -> bool:
        """Say whether the module is described and made half, with one adapter at most, and compiled for."""
        base = base_model(module)
        if not isinstance(base.get_input_embeddings(), HalfEmbedding):
            return False
        adapters = [part for part in base.modules() if isinstance(part, LoraLinear)]
        if not all(map(is_simple, adapters)):
            return False
        decoder = decoder_of(base)
        if decoder is None:
            return False
        layers = {HalfLinear, half_class(decoder.parts.embedding), *(_BESIDE if adapters else ())}
        if not has_plain_parts(base, decoder, layers):
            return False
        sizes = (base.config.hidden_size, base.config.intermediate_size)
        return not any(size % 2 for size in sizes) and load_kernel(lean_shape(base)) is not None

    def step_in_pages(
        self, ids: Int[Tensor, " rows"], pages: RowPages, added: Additions
    ) -> Float[Tensor, "width columns"]:
        """Run one token of each row; gives what `scores` scores, a column each.

        Args:
            ids: Newest token of each row.
            pages: The rows' pages, opened for that token.
            added: What a nudge adds to layers.
        """
        rows, products, kernel = len(ids), self.products, self.kernel
        where = pages.read(rows)
        size = -(-rows // COLUMNS) * COLUMNS
        mixed = torch.zeros(size, self.shape.keys * self.shape.group * self.shape.head)
        spare = (mixed, torch.empty(self.shape.group * pages.table.shape[1] * PAGE))
        hidden = torch.zeros(self.embedding.shape[1], size)
        hidden[:, :rows] = self._embedded(ids).t()
        for index, layer in enumerate(self.layers):
            x = products.normed(hidden, layer.before_attention)
            query, key, value = (
                kernel.turn(self._product(part, x))[:rows]
                for part in (layer.query, layer.key, layer.value)
            )
            kernel.attend((query, key, value), where, spare, layer.heads)
            self._add(hidden, layer.output, products.taken(mixed), layer.after_attention)
            x = products.normed(hidden, layer.before_mlp)
            self._add(hidden, layer.down, self._gated(layer, x), layer.after_mlp)
            if index in added:
                hidden[:, :rows] += added[index].expand(rows, -1).t()
        return hidden

    def _embedded(self, ids: Int[Tensor, " rows"]) -> Float[Tensor, "rows hidden"]:
        hidden = self.embedding[ids]
        return hidden if self._embedding_scale is None else hidden.float() * self._embedding_scale

    def _product(self, layer: _Linear, x: Tensor) -> Tensor:
        out = self.products.product(layer.plain, x)
        self._change(layer, x, out)
        return out

    def _add(self, hidden: Tensor, layer: _Linear, x: Tensor, norm: Norm | None) -> None:
        """Add a product to the stream, normalised before where there is a norm."""
        if norm is not None:
            self.kernel.add_normed(hidden, self._product(layer, x), norm)
            return
        self.products.add_product(layer.plain, x, hidden)
        self._change(layer, x, hidden)

    def _change(self, layer: _Linear, x: Tensor, out: Tensor) -> None:
        """Add what an adapter changes."""
        if layer.down is not None and layer.up is not None:
            low = self.products.product(layer.down, x)
            self.products.add_product(layer.up, self.products.normed(low, None), out)

    def _gated(self, layer: DecoderLayer[_Linear], x: Tensor) -> Tensor:
        plain = (layer.gate.plain.bias, layer.up.plain.bias, layer.gate.down, layer.up.down)
        if all(part is None for part in plain):
            return self.products.gated(layer.gate.plain, layer.up.plain, x, layer.activation)
        opened = activated(self._product(layer.gate, x), layer.activation)
        return self.products.normed(opened.mul_(self._product(layer.up, x)), None)

    def parts(self, rows: int) -> list[slice]:
        """Return the rows whose scores are held, or drawn from, at once."""
        return [slice(i, min(rows, i + _AT_ONCE)) for i in range(0, rows, _AT_ONCE)]

    def scores(
        self, hidden: Float[Tensor, "width columns"], part: slice
    ) -> Float[Tensor, "some vocab"]:
        """Return the scores of the next token of some rows."""
        return self.kernel.turn(self._columns_of_scores(hidden, part))[: part.stop - part.start]

    def drawn(
        self,
        hidden: Float[Tensor, "width columns"],
        part: slice,
        uniforms: Uniforms,
        temperature: float,
    ) -> npt.NDArray[np.int64]:
        """Return the next tokens of some rows, drawn from scores that stay in columns; see `draw`."""
        noise, width = race_noise(uniforms, self.vocab)
        return self.kernel.race(self._columns_of_scores(hidden, part), noise, width, temperature)

    def _columns_of_scores(self, hidden: Tensor, part: slice) -> Tensor:
        end = part.start - (part.start - part.stop) // COLUMNS * COLUMNS
        some = hidden[:, part.start : end].contiguous()
        return self.products.product(self.head, self.products.normed(some, self.last))


def _linear(part: nn.Module) -> _Linear:
    if not isinstance(part, LoraLinear):
        return _Linear(_weights(part))
    down, up = (tensor_of(side["default"], "weight") for side in (part.lora_A, part.lora_B))
    rows = functional.pad(down.detach(), (0, 0, 0, len(down) % 2)).bfloat16()
    columns = functional.pad(up.detach() * part.scaling["default"], (0, len(down) % 2)).bfloat16()
    return _Linear(
        _weights(part.get_base_layer()), LeftWeights(rows, None), LeftWeights(columns, None)
    )


def _weights(part: nn.Module) -> LeftWeights:
    bias = part.bias
    return LeftWeights(
        tensor_of(part, "weight"), bias.float() if isinstance(bias, Tensor) else None
    )
