"""One-token steps of a plain Llama or Qwen2 whose weights are bfloat16.

Only products and what is kept for later tokens are bfloat16: sums, the residual stream, norms,
rotations, attention and scores are single precision, so that a step rounds once a product where
transformers' own modules round after every operation.
"""

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from modicum.sampling.draw import race_noise
from modicum.sampling.llama_steps import (
    Additions,
    Layer,
    Linear,
    Norm,
    Uniforms,
    has_plain_parts,
    lean_layers,
    lean_shape,
    turns,
)
from modicum.sampling.native import PAGE, load_kernel
from modicum.sampling.pages import RowPages
from modicum.sampling.products import COLUMNS, HalfProducts, half_products
from modicum.sampling.weights_left import LeftWeights

__all__ = ["LeanHalf"]

_AT_ONCE = 64
"""Rows whose scores are held at once."""


class LeanHalf:
    """Steps through a Llama's layers in bfloat16 products; made anew for each block."""

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
            RuntimeError: no kernel was compiled.
        """
        model = module.model
        self.embedding = model.embed_tokens.weight
        self.layers = [_half(layer) for layer in lean_layers(module)]
        self.last = Norm(model.norm.weight.float(), model.norm.variance_epsilon)
        self.head = LeftWeights(module.lm_head.weight, None)
        self.vocab = len(self.head.weight)
        self.scale = model.layers[0].self_attn.scaling
        self.shape = lean_shape(module)
        kernel = load_kernel(self.shape)
        if kernel is None:
            raise RuntimeError("no kernel was compiled")
        self.kernel = kernel
        self.products = products or half_products(kernel)
        self.cos, self.sin = turns(module, longest)

    @staticmethod
    def fits(module: PreTrainedModel) -> bool:
        """Say whether the module is a plain Llama in bfloat16 on the processor, and a kernel there is."""
        if not has_plain_parts(module) or module.dtype != torch.bfloat16:
            return False
        sizes = (module.config.hidden_size, module.config.intermediate_size)
        return not any(size % 2 for size in sizes) and load_kernel(lean_shape(module)) is not None

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
        heads = self.shape.keys * self.shape.group * self.shape.head
        mixed = torch.zeros(size, heads)
        spare = (mixed, torch.empty(self.shape.group * pages.table.shape[1] * PAGE))
        hidden = torch.zeros(self.embedding.shape[1], size)
        hidden[:, :rows] = self.embedding[ids].t()
        for index, layer in enumerate(self.layers):
            x = products.normed(hidden, layer.before)
            query, key, value = (
                kernel.turn(products.product(LeftWeights(*part), x))[:rows]
                for part in (layer.query, layer.key, layer.value)
            )
            kernel.attend((query, key, value), (self.cos, self.sin), where, spare, index, self.scale)
            products.add_product(LeftWeights(*layer.output), products.taken(mixed), hidden)
            x = products.normed(hidden, layer.after)
            x = products.gated(LeftWeights(*layer.gate), LeftWeights(*layer.up), x)
            products.add_product(LeftWeights(*layer.down), x, hidden)
            if index in added:
                hidden[:, :rows] += added[index].expand(rows, -1).t()
        return hidden

    def parts(self, rows: int) -> list[slice]:
        """Return the rows whose scores are held, or drawn from, at once."""
        return [slice(i, min(rows, i + _AT_ONCE)) for i in range(0, rows, _AT_ONCE)]

    def scores(
        self, hidden: Float[Tensor, "width columns"], part: slice
    ) -> Float[Tensor, "rows vocab"]:
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
        wide = slice(part.start, part.start - (part.start - part.stop) // COLUMNS * COLUMNS)
        some = hidden[:, wide].contiguous()
        return self.products.product(self.head, self.products.normed(some, self.last))


def _half(layer: Layer) -> Layer:
    """Return a layer whose norms and biases, which are small, are in single precision."""
    norms = {name: getattr(layer, name) for name in ("before", "after")}
    others = {name: part for name, part in layer._asdict().items() if name not in norms}
    return Layer(
        **{name: Norm(norm.weight.float(), norm.epsilon) for name, norm in norms.items()},
        **{name: _in_single(part) for name, part in others.items()},
    )


def _in_single(part: Linear) -> Linear:
    weight, bias = part
    return weight, None if bias is None else bias.float()
