"""Every causal architecture of the installed transformers, shrunk by rule to a few thousand weights.

A rule is a pattern of a setting's name with the value it gets; relations between settings (heads
times width is the width of all) hold because the values are the same few powers of two. Of the
layers as many are kept as show every kind. No architecture is named.
"""

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from modicum.seeds import stream
from tests.support.tiny_models import BOS, EOS, VOCAB

LEAST_LAYERS, MOST_LAYERS = 4, 6
HIDDEN, HEADS, SHARED, HEAD = 64, 4, 2, 16
"""Width, heads, heads of keys and values, width of a head."""

_RULES: tuple[tuple[str, int], ...] = (
    # tokens
    (r"(task_)?type_vocab_size", 2),
    (r"encoder_hash_byte_group_vocab|ngram_vocab_size_base", 64),
    (r".*vocab_size(_.*)?", VOCAB),
    (r"eos_token_id|sep_token_id|eod_token_id|forced_eos_token_id", EOS),
    (r"bos_token_id|(decoder_)?start_token_id|cls_token_id", BOS),
    (r"(pad|mask|image|audio|video|boi|eoi)_token_id|lang_id|mask_index|unk_index", EOS),
    # depth
    (r"num_nextn_predict_layers|num_kv_shared_layers", 0),
    (r"first_k_dense_replace|num_dense_layers|moe_layer_start_index|.*_layer_offset", 1),
    (r".*_(layer_)?(period|interval)|.*every_n_layers|.*window_pattern|layer_group_size", 2),
    (r"(n|num)_(input|output)_layers|loop_layer_index_start|n_layers_per_attn_res_block", 1),
    (r"(n|num)_recurrent_layers|loop_layer_index_end", 2),
    # heads
    (r".*(key_value_heads|num_kv_heads|num_key_heads|num_query_groups)", SHARED),
    (r"mamba_n_heads|mamba_num_heads|n_mamba_heads", 8),
    (
        r"(n|num)?_?(attention|encoder|decoder|linear|swa|index|.*_attention)?_?(n_|num_)?heads?",
        HEADS,
    ),
    (r"(linear_num_value|num_attention|.*_attention)_heads", HEADS),
    (r"mamba_(d_head|head_dim|headdim)|mamba_dt_rank|time_step_rank", HEAD),
    (r"qk_rope_head_dim|rotary_dim", HEAD // 2),
    (r"qk_head_dim", HEAD + HEAD // 2),
    (
        r".*head_(dim|size)|d_head|dim_head|kv_channels|query_pre_attn_scalar|attention_head_dim",
        HEAD,
    ),
    # widths
    (r".*(lora_rank|_rank|lowrank)|adapter_reduction_factor|d_rel", 8),
    (r"hidden_size_per_layer_input", HEAD),
    (r"mamba_d_ssm", 2 * HIDDEN),
    (r".*(hidden_size|embed_dim|embedding_size|embed_proj_dim|embedding_dim|emb_dim)", HIDDEN),
    (
        r"d_model|n_embd|lru_width|dim_model_base|d_inner|dim_ff|dff|ffn_dim|feed_forward_size",
        HIDDEN,
    ),
    (r".*(intermediate_size|ffn_dim|ffn_hidden_size|intermediate_size_mlp)|prompt_mid_dim", HIDDEN),
    (r"original_max_position_embeddings|floor_scale|log_scaling_n_floor|rel_extent", 64),
    (r".*max_(target_|source_)?position.*|n_ctx|n_positions|max_seq_len|context_length", 512),
    # experts
    (r"(n|num)_(expert_)?groups?|topk_group|mamba_n_?groups|o_groups", 1),
    (r".*experts_per_tok(en)?|moe_topk|moe_k", 2),
    (r".*shared_experts", 1),
    (r".*experts|zero_expert_num", 4),
    (r"index_topk|keep_window_size", 64),  # fewer would tie: their scores are cut off at zero
    (r"index_topk_blocks|indexer_compress_ratio|indexer_n_heads", 4),
    (r"indexer_kv_heads", 1),
    (r"indexer_budget", 8),
    # how far layers look
    (r".*sliding_window(_size)?|local_attention(_window_len)?|.*window_size|mem_len", 8),
    (r"(attention_|mamba_)?chunk_size|block_size|index_block_size|.*attn_chunk_length", 8),
    (r".*state_size|mamba_d_state", HEAD),
    (r".*round_up_to_multiple_of", 8),
)
"""Patterns of whole names, of which the first that fits counts; they change whole numbers above 0."""

_NEEDED = (
    r"head_dim|num_key_value_heads|n_routed_experts|n_shared_experts|num_attention_heads"
    r"|num_experts_per_tok|indexer_.*"
)
"""Settings that some architectures leave open and cannot do without."""

_DEPTH = re.compile(
    r"(n_layers?|num_layers|num_blocks|(num_)?(hidden|decoder|encoder)_layers|num_layers_per_stack)"
)
"""Settings that hold the number of layers."""


def model_types() -> list[str]:
    """Give the name of every causal architecture that transformers knows."""
    return sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def shrunk(kind: str) -> PreTrainedConfig:
    """Give the configuration of an architecture, shrunk."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _shrunk(CONFIG_MAPPING[kind]())


def _shrunk(config: PreTrainedConfig) -> PreTrainedConfig:
    settings = {
        name: vars(config).get(name, value)
        for name, value in config.to_dict().items()
        if name
        not in ("model_type", "architectures", "transformers_version", "id2label", "label2id")
    }
    kept = _layers(settings)
    depth = _depth(settings)
    for name, value in settings.items():
        part = vars(config).get(name)
        if isinstance(part, PreTrainedConfig):
            settings[name] = _shrunk(part)
        elif isinstance(value, Mapping):
            settings[name] = _fitting(value, kept)
        elif name == "axial_pos_embds_dim":
            settings[name] = [HEAD, HIDDEN - HEAD]
        elif isinstance(value, (list, tuple)):
            few = _few(value, depth, kept)
            sizes = name.endswith("size") or "heads" in name
            settings[name] = [_ruled(name, one) for one in few] if sizes else few
        elif value is None and re.fullmatch(_NEEDED, name):
            settings[name] = _ruled(name, HIDDEN)
        elif isinstance(value, int) and not isinstance(value, bool) and value > 0:
            settings[name] = len(kept) if _DEPTH.fullmatch(name) else _ruled(name, value)
    return type(config)(**_related(settings))


def _related(settings: dict[str, Any]) -> dict[str, Any]:
    """Give the settings with those that follow from others, and every model looking back alone."""
    found = dict(settings)
    if "qk_rope_head_dim" in found:  # latent attention: every head has keys of its own
        found["head_dim"] = found["qk_rope_head_dim"]
        own = [
            layer["qk_nope_head_dim"] for layer in (found.get("per_layer_config") or {}).values()
        ]
        found["head_dim"] += max(own, default=0)
        found["num_key_value_heads"] = HEADS
    if "n_recurrent_layers" in found:
        found["n_recurrent_layers"] = found["num_hidden_layers"] - 2
    if found.get("num_layers_per_stack"):
        passes = found["H_cycles"] * (found["L_cycles"] + 1)
        found["num_hidden_layers"] = found["num_layers_per_stack"] * passes
    if "expand" in found and "num_heads" in found:
        found["num_heads"] = found["expand"] * HIDDEN // HEAD
    if "attention_hidden_size" in found and "attention_head_dim" in found:
        found["attention_hidden_size"] = 2 * HIDDEN
        found["attention_head_dim"] = 2 * HIDDEN // found["num_attention_heads"]
    if "qk_dim_factor" in found:
        found["qk_dim_factor"] = 1.0  # the state is rounded up to a width that half is below
    adapters = ("adapter_input_size", "adapter_in_dim", "adapter_out_dim")
    found.update({name: HIDDEN for name in adapters if name in found})
    if "is_decoder" in found:
        found["is_decoder"] = True
    return _brought(found)


def _brought(settings: dict[str, Any]) -> dict[str, Any]:
    """Give the settings with those that a checkpoint brings and the defaults leave open."""
    found = dict(settings)
    kinds = found.get("layer_types")
    if "conv_L_cache" in found and not (kinds and "conv" in kinds):
        found["layer_types"] = ["conv", "full_attention"] * (found["num_hidden_layers"] // 2)
    elif isinstance(kinds, list) and set(kinds) == {"linear_attention"}:
        found["layer_types"] = [*kinds[1:], "full_attention"]
    if "attn_layer_indices" in found and found["attn_layer_indices"] is None:
        found["attn_layer_indices"] = [1]
    if found.get("rope_parameters") == {}:
        plain = {"rope_type": "default", "rope_theta": 10_000.0}
        found["rope_parameters"] = dict.fromkeys(kinds or (), plain) or plain
    if "clip_qkv" in found and "attn_pdrop" in found:
        found.update(rope_theta=10_000.0, clip_qkv=8.0)
    if found.get("languages") and not found.get("default_language"):
        found["default_language"] = found["languages"][0]
    return found


def _ruled(name: str, value: int) -> int:
    """Give what the first rule says of a setting."""
    for pattern, small in _RULES:
        if re.fullmatch(pattern, name):
            return min(small, value) if "per_tok" in name else small
    return value


def _depth(settings: Mapping[str, Any]) -> int:
    """Give the number of layers before."""
    return next((v for n, v in settings.items() if _DEPTH.fullmatch(n) and isinstance(v, int)), 0)


def _layers(settings: Mapping[str, Any]) -> list[int]:
    """Give the layers that are kept: the first two of every kind, and as many as show patterns."""
    depth = _depth(settings)
    lists = [v for v in settings.values() if isinstance(v, (list, tuple)) and len(v) == depth]
    kinds = [str([one[i] for one in lists]) for i in range(depth)]
    firsts = [i for i, kind in enumerate(kinds) if kind not in kinds[:i]][:MOST_LAYERS]
    seconds = [i for i, kind in enumerate(kinds) if kinds[:i].count(kind) == 1]
    rest = [*seconds, *(i for i in range(depth) if i not in firsts and i not in seconds)]
    wanted = max(LEAST_LAYERS, min(MOST_LAYERS, 2 * len(firsts)))
    return sorted([*firsts, *rest[: max(0, wanted - len(firsts))]]) or [0, 1]


def _few(values: Sequence[Any], depth: int, kept: Sequence[int]) -> list[Any]:
    """Give the entries of the layers that are kept; a list of layers' places loses the others."""
    if len(values) == depth and depth:
        return [values[i] for i in kept]
    if values and all(type(v) is int and v < depth for v in values) and len(values) > 2:
        return [kept.index(i) for i in values if i in kept]
    return list(values)


def _fitting(values: Mapping[str, Any], kept: Sequence[int]) -> dict[str, Any]:
    """Give a table of settings: of the layers that are kept, with rotations that fit into heads."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if str(name).isdigit() and isinstance(value, Mapping):
            if int(name) in kept:  # what a layer has of its own stays unlike the others'
                own = {n: 2 * _ruled(n, v) if type(v) is int else v for n, v in value.items()}
                if value.get("num_key_value_heads", 0) == value.get("num_attention_heads"):
                    own["num_key_value_heads"] = own["num_attention_heads"]
                found[f"{kept.index(int(name)):02}"] = own
        elif isinstance(value, Mapping):
            found[name] = _fitting(value, kept)
        elif name in ("short_factor", "long_factor"):
            found[name] = [1.0] * (HEAD // 2)
        elif name == "mrope_section":
            found[name] = [HEAD // 8, HEAD // 8, HEAD // 4][: len(value)]
        elif isinstance(value, int) and not isinstance(value, bool) and value > 0:
            found[name] = _ruled(name, value)
        else:
            found[name] = value
    return found


def tiny_module_of(kind: str, *, name: str = "") -> PreTrainedModel:
    """Give a module of an architecture with the same random weights each time."""
    config = shrunk(kind)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.random.manual_seed(7)
        module: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for key, weight in module.named_parameters():
            rng = stream("tiny", kind, name, key)
            if weight.ndim > 1:
                weight.copy_(torch.from_numpy(rng.normal(0.0, 0.12, size=tuple(weight.shape))))
    return module.eval()
