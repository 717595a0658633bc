"""Finds a model's layers and their parts by structure, not by name of the architecture."""

from collections.abc import Sequence
from typing import Literal, TypeGuard, get_args

from torch import nn
from transformers import PreTrainedModel

from modicum.errors import TrialError
from modicum.nudge.parts import base_model

__all__ = ["Site", "blocks", "chosen_layers", "is_site", "site_module"]

Site = Literal["block", "attention", "mlp"]
"""Where in a layer: the residual stream after it, or what its attention or MLP adds."""

_WORDS = {
    "attention": ("attention", "attn"),
    "mlp": ("mlp", "feedforward", "feed_forward", "ffn", "moe"),
}
_NO_PART = ("norm", "dropout", "identity", "layerscale", "residual_weight")
"""What only changes another part's output, or nothing."""


def blocks(module: nn.Module) -> nn.ModuleList:
    """Return the list of a model's layers: the one list with as many parts as the config has layers.

    Raises:
        TrialError: there is none, or more than one.
    """
    base = base_model(module)
    config = base.config.get_text_config(decoder=True)
    # Layers that run several times are counted as often in the one, and once in the other.
    wanted = getattr(config, "num_layers_per_stack", None) or getattr(
        config, "num_hidden_layers", None
    )
    found = _lists(base, wanted)
    if len(found) != 1:
        # An encoder of images or texts may have as many layers as the part that writes.
        found = _lists(_writer(base), wanted)
    if len(found) != 1:
        msg = f"{len(found)} lists of {wanted} layers in {type(base).__name__}, expected one"
        raise TrialError(msg)
    return found[0]


def chosen_layers(module: nn.Module, wanted: Sequence[int]) -> tuple[int, ...]:
    """Return the layers that were asked for, or all of them where none was.

    Raises:
        TrialError: one that the model has not.
    """
    n = len(blocks(module))
    beyond = [layer for layer in wanted if not 0 <= layer < n]
    if beyond:
        raise TrialError(f"layers = {list(wanted)}, and the model's {n} are 0 to {n - 1}")
    return tuple(wanted) or tuple(range(n))


def is_site(name: str) -> TypeGuard[Site]:
    """Say whether a text names a place in a layer."""
    return name in get_args(Site)


def _lists(module: nn.Module, wanted: int | None) -> list[nn.ModuleList]:
    return [
        part
        for part in module.modules()
        if isinstance(part, nn.ModuleList) and len(part) == wanted and _are_layers(part)
    ]


def _writer(base: PreTrainedModel) -> nn.Module:
    """Return the part of a model that writes text, or the whole where it names none."""
    try:
        found = base.get_decoder()
    except (AttributeError, NotImplementedError):
        return base
    return found if isinstance(found, nn.Module) else base


def site_module(block: nn.Module, site: Site) -> nn.Module:
    """Return the part of a layer whose output is the site.

    Raises:
        TrialError: the layer has no such part, or several.
    """
    if site == "block":
        return block
    found = _named_like(block, site)
    if not found and site == "mlp":
        # OPT and its kind keep the two matrices in the layer: what the last gives is what is added.
        found = [*filter(lambda part: type(part) is nn.Linear, block.children())][-1:]
    if len(found) != 1:
        msg = f"{len(found)} parts named like {site!r} in {type(block).__name__}, expected one"
        raise TrialError(msg)
    return found[0]


def _named_like(block: nn.Module, site: Site) -> list[nn.Module]:
    """Return the parts of a layer that are called like the site; else those whose class is."""
    parts = {
        name.lower(): child
        for name, child in block.named_children()
        if not any(word in type(child).__name__.lower() for word in _NO_PART)
    }
    named = {kind: [n for n in parts if any(w in n for w in _WORDS[kind])] for kind in _WORDS}
    if named[site]:
        return [parts[name] for name in named[site]]
    taken = {name for names in named.values() for name in names}
    return [
        child
        for name, child in parts.items()
        if name not in taken and any(w in type(child).__name__.lower() for w in _WORDS[site])
    ]


def _are_layers(parts: nn.ModuleList) -> bool:
    """Say whether every part has parts of its own, as a layer has and a list of norms has not."""
    return all(next(part.children(), None) is not None for part in parts)
