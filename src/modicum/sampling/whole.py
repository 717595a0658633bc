"""Whole texts in one pass and without a cache: what every architecture can do."""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["whole_logits", "whole_pass"]


def whole_pass(module: nn.Module, ids: Tensor, mask: Tensor | None = None) -> Any:  # noqa: ANN401 - an output of transformers
    """Run texts from their beginning, and keep nothing for later tokens.

    Args:
        module: A causal language model, in a PEFT wrapper or not.
        ids: Tokens, `[rows, width]`.
        mask: 1 at tokens and 0 at the padding on the right; None where there is none.
    """
    given: dict[str, Any] = {"input_ids": ids}
    if mask is not None and not bool(mask.all()):
        given["attention_mask"] = mask
    unwrap = getattr(module, "get_base_model", None)  # PEFT's wrapper passes everything on
    base = module if unwrap is None else unwrap()
    if "use_cache" in inspect.signature(base.forward).parameters:
        given["use_cache"] = False
    return module(**given)


def whole_logits(
    module: nn.Module, rows: Sequence[Sequence[int]]
) -> Float[Tensor, "rows width vocab"]:
    """Give the scores at every token of each row; anything at the padding on the right."""
    device = next(module.parameters()).device
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows], device=device)
    sizes = torch.tensor([len(row) for row in rows], device=device)
    mask = (torch.arange(width, device=device) < sizes[:, None]).long()
    logits: Tensor = whole_pass(module, ids, mask).logits
    return logits
