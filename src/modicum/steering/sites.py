"""Finds a model's layers and their parts by structure, not by name of the architecture."""

from typing import Literal, cast

from torch import nn
from transformers import PreTrainedModel

from modicum.errors import TrialError

__all__ = ["Site", "blocks", "site_module"]

Site = Literal["block", "attention", "mlp"]
"""Where in a layer: the residual stream after it, or what its attention or MLP adds."""

_WORDS = {"attention": ("attention", "attn"), "mlp": ("mlp", "feedforward", "moe")}


def blocks(module: nn.Module) -> nn.ModuleList:
    """Gives the list of a model's layers: the one list with as many parts as the config has layers.

    Raises:
        TrialError: there is none, or more than one.
    """
    unwrap = getattr(module, "get_base_model", None)  # PEFT's wrapper
    base = cast(PreTrainedModel, module if unwrap is None else unwrap())
    wanted = base.config.get_text_config().num_hidden_layers
    found = [
        part
        for part in base.modules()
        if isinstance(part, nn.ModuleList) and len(part) == wanted and _are_layers(part)
    ]
    if len(found) != 1:
        msg = f"{len(found)} lists of {wanted} layers in {type(base).__name__}, expected one"
        raise TrialError(msg)
    return found[0]


def site_module(block: nn.Module, site: Site) -> nn.Module:
    """Gives the part of a layer whose output is the site.

    Raises:
        TrialError: the layer has no such part, or several.
    """
    if site == "block":
        return block
    found = [
        child
        for name, child in block.named_children()
        if any(word in f"{name} {type(child).__name__}".lower() for word in _WORDS[site])
        and "norm" not in f"{name} {type(child).__name__}".lower()
    ]
    if len(found) != 1:
        msg = f"{len(found)} parts named like {site!r} in {type(block).__name__}, expected one"
        raise TrialError(msg)
    return found[0]


def _are_layers(parts: nn.ModuleList) -> bool:
    """Says whether every part has parts of its own, as a layer has and a list of norms has not."""
    return all(next(part.children(), None) is not None for part in parts)
