"""The weights and figures of a described decoder, looked up once: a module's attributes are slow to reach.

Weights are the module's own, nothing is copied, but for those of norms: they are small, and stand
here as they multiply.
"""

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from modicum.nudge.parts import tensor_of
from modicum.sampling.cache import layer_windows
from modicum.sampling.decoder import Decoder
from modicum.sampling.half import activation_dtype
from modicum.sampling.linear import Activation
from modicum.sampling.native import CacheShape, LayerHeads, Norm

__all__ = ["DecoderLayer", "embedding_scale", "lean_layers", "lean_norm", "lean_shape", "turns"]

_Weights = TypeVar("_Weights")


class DecoderLayer(NamedTuple, Generic[_Weights]):
    """One layer; what a product needs is as a path wants it."""

    heads: LayerHeads
    before_attention: Norm
    query: _Weights
    key: _Weights
    value: _Weights
    output: _Weights
    after_attention: Norm | None
    before_mlp: Norm
    gate: _Weights
    up: _Weights
    activation: Activation
    down: _Weights
    after_mlp: Norm | None


def lean_layers(
    module: PreTrainedModel,
    decoder: Decoder,
    longest: int,
    weigh: Callable[[nn.Module], _Weights],
) -> list[DecoderLayer[_Weights]]:
    """Return the layers of a module.

    Args:
        module: A transformers model.
        decoder: Its description.
        longest: Tokens of the longest row; a window as wide hides nothing.
        weigh: Gives what products with a linear layer need.
    """

    def norm(layer: nn.Module, name: str | None) -> Norm | None:
        return None if name is None else lean_norm(module, decoder, layer.get_submodule(name))

    def layer_of(layer: nn.Module, heads: LayerHeads) -> DecoderLayer[_Weights]:
        query, key, value, output = (
            weigh(layer.get_submodule(f"self_attn.{name}_proj")) for name in "qkvo"
        )
        gate, up, down = (
            weigh(layer.get_submodule(f"mlp.{name}_proj")) for name in ("gate", "up", "down")
        )
        before_attention = lean_norm(module, decoder, layer.get_submodule("input_layernorm"))
        before_mlp = lean_norm(module, decoder, layer.get_submodule(decoder.before_mlp))
        return DecoderLayer(
            heads,
            before_attention,
            query,
            key,
            value,
            output,
            norm(layer, decoder.after_attention),
            before_mlp,
            gate,
            up,
            decoder.activation,
            down,
            norm(layer, decoder.after_mlp),
        )

    return list(map(layer_of, module.model.layers, _heads(module, decoder, longest)))


def _heads(module: PreTrainedModel, decoder: Decoder, longest: int) -> list[LayerHeads]:
    """Return what each layer does with its heads."""
    windows = layer_windows(module.config)
    kinds = {window.kind if decoder.turns_by_kind else None for window in windows}
    angles = {kind: turns(module, longest, kind) for kind in kinds}
    heads = []
    for index, (window, layer) in enumerate(zip(windows, module.model.layers, strict=True)):
        attention, width = layer.self_attn, window.width
        norms = None
        if decoder.has_head_norms:
            of_queries, of_keys = (
                lean_norm(module, decoder, part) for part in (attention.q_norm, attention.k_norm)
            )
            norms = of_queries, of_keys
        heads.append(
            LayerHeads(
                index,
                window.kind,
                None if width is None or width >= longest else width,
                angles[window.kind if decoder.turns_by_kind else None],
                attention.scaling,
                norms,
            )
        )
    return heads


def lean_norm(module: PreTrainedModel, decoder: Decoder, norm: nn.Module) -> Norm:
    """Return a norm of a module, with the weights that it multiplies by."""
    weight = tensor_of(norm, "weight").to(activation_dtype(module))
    if decoder.norm_offset:
        weight = weight + decoder.norm_offset
    return Norm(weight, module.config.rms_norm_eps)


def embedding_scale(module: PreTrainedModel) -> float | None:
    """Return what a module multiplies its embeddings by, rounded as it rounds; None for nothing."""
    scale = getattr(module.model.embed_tokens, "embed_scale", None)
    rounded = module.model.embed_tokens.weight.dtype
    return float(scale.to(rounded)) if isinstance(scale, Tensor) else None


def lean_shape(module: PreTrainedModel) -> CacheShape:
    """Return the heads of a described module's layers, and what a number of theirs takes."""
    config = module.config
    heads, keys = config.num_attention_heads, config.num_key_value_heads
    head = module.model.layers[0].self_attn.head_dim
    return CacheShape(head, heads // keys, keys, module.dtype.itemsize)


def turns(module: PreTrainedModel, longest: int, kind: str | None) -> tuple[Tensor, Tensor]:
    """Return cosines and signed sines of all positions up to `longest`, `[longest, head]`.

    Args:
        module: A transformers model.
        longest: Tokens of the longest row.
        kind: Kind of layer, where each rotates by angles of its own.
    """
    model = module.model
    half = model.layers[0].self_attn.head_dim // 2
    named = () if kind is None else (kind,)
    # An empty single-precision tensor says in which format they are wanted.
    cos, sin = model.rotary_emb(torch.empty(0), torch.arange(longest)[None], *named)
    # rotate_half(x) * sin as one roll: the first half takes the second's negative.
    return cos[0], torch.cat([-sin[0, :, :half], sin[0, :, half:]], -1)
