"""What the lean paths must know of a family of decoders, as data: a family more is an entry more.

All of them embed, normalise by root mean square, attend with rotated heads, gate an MLP and add to
a residual stream. Where norms stand, what they weigh, what a gate passes through, which heads are
normalised and how far layers look differs, and is said here. Widths, scales, angles and epsilons
are read from the module itself. What a description does not cover takes the module's own pass.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.activations import ACT2FN
from transformers.models.gemma3 import modeling_gemma3 as gemma3
from transformers.models.llama import modeling_llama as llama
from transformers.models.mistral import modeling_mistral as mistral
from transformers.models.qwen2 import modeling_qwen2 as qwen2
from transformers.models.qwen3 import modeling_qwen3 as qwen3

from modicum.sampling.cache import layer_windows
from modicum.sampling.linear import Activation

__all__ = ["Decoder", "Parts", "decoder_of", "has_plain_parts"]


@final
@dataclass(frozen=True)
class Parts:
    """Classes of which a family is made."""

    layer: type[nn.Module]
    attention: type[nn.Module]
    mlp: type[nn.Module]
    norm: type[nn.Module]
    embedding: type[nn.Embedding] = nn.Embedding


@final
@dataclass(frozen=True)
class Decoder:
    """What tells one family from another."""

    parts: Parts
    activation: Activation = "silu"
    """What a gate passes through."""
    before_mlp: str = "post_attention_layernorm"
    """Name of the norm before an MLP."""
    after_attention: str | None = None
    """Name of the norm of what attention adds to the stream; None where there is none."""
    after_mlp: str | None = None
    """Name of the norm of what an MLP adds to the stream; None where there is none."""
    norm_offset: float = 0.0
    """What norms add to their weights before they multiply by them."""
    has_head_norms: bool = False
    """Whether queries and keys are normalised, head by head, before they are rotated."""
    windows: Literal["none", "alike", "by layer"] = "none"
    """Whether layers look at the last tokens alone: none can, all do alike, or each as it says."""
    turns_by_kind: bool = False
    """Whether layers of full and of sliding attention rotate by angles of their own."""


_DECODERS: Mapping[type[PreTrainedModel], Decoder] = {
    llama.LlamaForCausalLM: Decoder(
        Parts(llama.LlamaDecoderLayer, llama.LlamaAttention, llama.LlamaMLP, llama.LlamaRMSNorm)
    ),
    qwen2.Qwen2ForCausalLM: Decoder(
        Parts(qwen2.Qwen2DecoderLayer, qwen2.Qwen2Attention, qwen2.Qwen2MLP, qwen2.Qwen2RMSNorm),
        windows="by layer",
    ),
    qwen3.Qwen3ForCausalLM: Decoder(
        Parts(qwen3.Qwen3DecoderLayer, qwen3.Qwen3Attention, qwen3.Qwen3MLP, qwen3.Qwen3RMSNorm),
        has_head_norms=True,
        windows="by layer",
    ),
    mistral.MistralForCausalLM: Decoder(
        Parts(
            mistral.MistralDecoderLayer,
            mistral.MistralAttention,
            mistral.MistralMLP,
            mistral.MistralRMSNorm,
        ),
        windows="alike",
    ),
    gemma3.Gemma3ForCausalLM: Decoder(
        Parts(
            gemma3.Gemma3DecoderLayer,
            gemma3.Gemma3Attention,
            gemma3.Gemma3MLP,
            gemma3.Gemma3RMSNorm,
            gemma3.Gemma3TextScaledWordEmbedding,
        ),
        activation="gelu",
        before_mlp="pre_feedforward_layernorm",
        after_attention="post_attention_layernorm",
        after_mlp="post_feedforward_layernorm",
        norm_offset=1.0,
        has_head_norms=True,
        windows="by layer",
        turns_by_kind=True,
    ),
}
_ACTIVATIONS: Mapping[Activation, type[nn.Module]] = {
    "silu": type(ACT2FN["silu"]),
    "gelu": type(ACT2FN["gelu_pytorch_tanh"]),
}
_STATIC = frozenset({"default", "linear", "llama3", "yarn"})
"""Kinds of rotation whose angles depend on the position alone."""
_UNSET = ("attn_logit_softcapping", "final_logit_softcapping", "use_bidirectional_attention")
"""Settings that change what is computed, and that no description covers."""


def decoder_of(module: nn.Module) -> Decoder | None:
    """Return the description of a module's family; None where there is none, or it falls short.

    Raises:
        CheckpointError: a layer is neither full nor sliding attention.
    """
    if not isinstance(module, PreTrainedModel):
        return None
    decoder = _DECODERS.get(type(module))
    if decoder is None or any(getattr(module.config, name, None) for name in _UNSET):
        return None
    is_covered = _has_windows_as_said(decoder, module.config) and all(
        map(_is_static, _rotations(decoder, module.config))
    )
    return decoder if is_covered else None


def has_plain_parts(
    module: PreTrainedModel, decoder: Decoder, layers: Collection[type[nn.Module]]
) -> bool:
    """Say whether a module is as described and on the processor: no hooks, nothing added.

    Args:
        module: A transformers model.
        decoder: Its description.
        layers: Classes of layers with weights that may stand in it beside the family's norms.
    """
    if module.training or module.device.type != "cpu":
        return False
    known = {*layers, decoder.parts.norm}
    for part in module.modules():
        if part._forward_hooks or part._forward_pre_hooks or "forward" in vars(part):
            return False
        is_leaf = next(part.children(), None) is None
        has_weights = next(part.parameters(recurse=False), None) is not None
        if is_leaf and has_weights and type(part) not in known:
            return False
    return all(_is_as_described(layer, decoder) for layer in module.model.layers)


def _is_as_described(layer: nn.Module, decoder: Decoder) -> bool:
    parts, activation = decoder.parts, _ACTIVATIONS[decoder.activation]
    wanted = {"": parts.layer, "self_attn": parts.attention, "mlp": parts.mlp}
    wanted["mlp.act_fn"] = activation
    return all(type(layer.get_submodule(name)) is kind for name, kind in wanted.items())


def _has_windows_as_said(decoder: Decoder, config: PretrainedConfig) -> bool:
    if decoder.windows == "none":
        return all(window.width is None for window in layer_windows(config))
    # Mistral's attention does not read kinds of layers, though its configuration may name some.
    return decoder.windows == "by layer" or not getattr(config, "layer_types", None)


def _rotations(decoder: Decoder, config: PretrainedConfig) -> list[Mapping[str, Any]]:
    """Return the settings of a module's angles, one for each set of them."""
    found = config.rope_parameters
    if not decoder.turns_by_kind:
        return [found]
    return [found[kind] for kind in sorted({window.kind for window in layer_windows(config)})]


def _is_static(rotation: Mapping[str, Any]) -> bool:
    is_whole = rotation.get("partial_rotary_factor") in (None, 1.0)
    return is_whole and rotation.get("rope_type", "default") in _STATIC
