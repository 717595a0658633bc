"""One-token steps of a plain Llama in few operations, for models so small that calls cost most.

At a width of 96 a transformers forward pass spends half of its time between operations. This path
reads the same weights at every step (nothing is copied, so training in between is seen) and is
taken only where the module is exactly the plain architecture; everything else takes the module's
own forward pass. `tests/test_sampling.py` holds both together.
"""

from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from transformers import LlamaForCausalLM, PreTrainedModel
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaMLP, LlamaRMSNorm

from modicum.sampling.cache import RowCache

__all__ = ["LeanLlama"]


class LeanLlama:
    """Steps through a Llama's layers without its modules' overhead."""

    def __init__(self, module: LlamaForCausalLM, longest: int) -> None:
        """Prepares the rotations of all positions up to `longest`."""
        self._module: Final = module
        model = module.model
        like = model.embed_tokens.weight
        places = torch.arange(longest, device=like.device)[None]
        cos, sin = model.rotary_emb(like, places)
        half = cos.shape[-1] // 2
        self._cos: Final = cos[0]
        # rotate_half(x) * sin as one roll: the first half takes the second's negative.
        self._sin: Final = torch.cat([-sin[0, :, :half], sin[0, :, half:]], -1)

    @staticmethod
    def fits(module: PreTrainedModel) -> bool:
        """Says whether the module is a plain Llama: no hooks, adapters or odd settings."""
        if type(module) is not LlamaForCausalLM or module.training:
            return False
        config = module.config
        known = {nn.Linear, nn.Embedding, LlamaRMSNorm, LlamaAttention, LlamaMLP}
        for part in module.modules():
            if part._forward_hooks or part._forward_pre_hooks or "forward" in vars(part):
                return False
            is_leaf = next(part.children(), None) is None
            has_weights = next(part.parameters(recurse=False), None) is not None
            if is_leaf and has_weights and type(part) not in known:
                return False
        is_default = config.rope_parameters.get("rope_type", "default") == "default"
        return is_default and config.hidden_act == "silu"

    def step(
        self, ids: Int[Tensor, " rows"], places: Int[Tensor, " rows"], cache: RowCache, mask: Tensor
    ) -> Float[Tensor, "rows vocab"]:
        """Runs one token of each row; gives the scores of the next.

        Args:
            ids: Newest token of each row.
            places: Its position.
            cache: Holds the rows' keys and values, receives the new ones.
            mask: Additive mask of the columns in use, `[rows, 1, 1, columns]`.
        """
        model = self._module.model
        hidden = model.embed_tokens.weight[ids]
        cos, sin = self._cos[places][:, None], self._sin[places][:, None]
        for index, layer in enumerate(model.layers):
            attention = layer.self_attn
            normed = _norm(hidden, layer.input_layernorm)
            queries = _rotate(_heads(normed, attention.q_proj, attention.head_dim), cos, sin)
            keys = _rotate(_heads(normed, attention.k_proj, attention.head_dim), cos, sin)
            values = _heads(normed, attention.v_proj, attention.head_dim)
            seen, shown = cache.layers[index].update(keys[:, :, None], values[:, :, None])
            rows, n_heads, width = queries.shape
            # Queries that share keys stand side by side as if they were positions. Batched products
            # beat the fused kernel here, which pays for each row and head.
            grouped = queries.mul_(attention.scaling).view(rows, keys.shape[1], -1, width)
            weights = (grouped @ seen.transpose(2, 3)).add_(mask).softmax(-1)
            mixed = weights @ shown
            hidden = hidden + _linear(mixed.reshape(rows, n_heads * width), attention.o_proj)
            normed = _norm(hidden, layer.post_attention_layernorm)
            mlp = layer.mlp
            gate = functional.silu(_linear(normed, mlp.gate_proj))
            hidden += _linear(gate.mul_(_linear(normed, mlp.up_proj)), mlp.down_proj)
        return _linear(_norm(hidden, model.norm), self._module.lm_head)


def _norm(hidden: Tensor, norm: LlamaRMSNorm) -> Tensor:
    return functional.rms_norm(hidden, norm.weight.shape, norm.weight, norm.variance_epsilon)


def _linear(hidden: Tensor, linear: nn.Linear) -> Tensor:
    return functional.linear(hidden, linear.weight, linear.bias)


def _heads(hidden: Tensor, linear: nn.Linear, width: int) -> Float[Tensor, "rows heads head"]:
    return _linear(hidden, linear).view(hidden.shape[0], -1, width)


def _rotate(
    heads: Float[Tensor, "rows heads head"],
    cos: Float[Tensor, "rows 1 head"],
    sin: Float[Tensor, "rows 1 head"],
) -> Float[Tensor, "rows heads head"]:
    return torch.addcmul(heads * cos, heads.roll(heads.shape[-1] // 2, -1), sin)
