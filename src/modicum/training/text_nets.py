"""Kinds of nets that learn text, by the name that commands and plans give them."""

from collections.abc import Mapping

from modicum.catalog import fill
from modicum.errors import UnknownNameError
from modicum.training.energy_text_learner import EnergyTextKind
from modicum.training.looped_text_learner import LoopedTextKind
from modicum.training.text_learner import TextNet
from modicum.training.transformer_learner import TransformerNet

__all__ = ["TEXT_NETS", "text_net"]

TEXT_NETS: Mapping[str, type[TextNet]] = {
    one.kind: one for one in (EnergyTextKind, LoopedTextKind, TransformerNet)
}
"""A further kind is a `TextNet` and an entry here; `modicum scale` and `pretrain` then know it."""


def text_net(kind: str, settings: Mapping[str, object]) -> TextNet:
    """Return a kind of net with its sizes.

    >>> text_net("transformer", {"width": 32}).width
    32

    Raises:
        UnknownNameError: no such kind, or no such setting.
        ConfigError: a setting of the wrong type.
    """
    if kind not in TEXT_NETS:
        raise UnknownNameError("net of text", kind, TEXT_NETS)
    return fill(TEXT_NETS[kind], settings, where=f"net {kind}")
