"""An autoregressive net as a folder: what transformers loads, and what modicum knows of it as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from safetensors.torch import save
from transformers import LlamaForCausalLM

from modicum.nets.autoregressive import AutoregressiveShape, autoregressive_net
from modicum.nets.board_tokens import tokenizer_files
from modicum.nets.net_folder import NetCard, NetFolder
from modicum.plain import JsonObject, JsonValue, thawed

__all__ = [
    "AUTOREGRESSIVE_CONFIG",
    "AUTOREGRESSIVE_WEIGHTS",
    "AutoregressiveCard",
    "AutoregressiveFolder",
    "read_autoregressive_card",
    "read_autoregressive_net",
]

AUTOREGRESSIVE_CONFIG, AUTOREGRESSIVE_WEIGHTS = "autoregressive.json", "model.safetensors"
_MOST_LENGTH = 4096
"""Positions of a question that are taken: no tensor vouches for them."""


@final
@dataclass(frozen=True)
class AutoregressiveCard(NetCard):
    """What a folder says of an autoregressive net."""

    shape: AutoregressiveShape
    trained: JsonObject = field(default_factory=dict)
    """How it was trained, for the reader."""

    def files(self, net: LlamaForCausalLM) -> dict[str, bytes]:
        """Return the files of a net of this shape, by name: transformers loads them too."""
        return AutoregressiveFolder().files(self, net)


@final
class AutoregressiveFolder(NetFolder[AutoregressiveCard, LlamaForCausalLM]):
    """How autoregressive nets are kept."""

    kind: ClassVar[str] = "autoregressive"
    article: ClassVar[str] = "an"
    config: ClassVar[str] = AUTOREGRESSIVE_CONFIG
    weights: ClassVar[str] = AUTOREGRESSIVE_WEIGHTS
    signs: ClassVar[tuple[str, ...]] = (AUTOREGRESSIVE_CONFIG,)  # weights may be any model's
    whole: ClassVar[str] = "the files"

    def files(self, card: AutoregressiveCard, net: LlamaForCausalLM) -> dict[str, bytes]:
        """Return the files of a net, by name: transformers loads them too."""
        weights = {
            name: part.detach().cpu().contiguous() for name, part in net.state_dict().items()
        }
        return {
            AUTOREGRESSIVE_CONFIG: self.written(card, {}, {"trained": card.trained}),
            AUTOREGRESSIVE_WEIGHTS: save(weights, {"format": "pt"}),
            "config.json": net.config.to_json_string().encode(),
            "generation_config.json": net.generation_config.to_json_string().encode(),
            **tokenizer_files(card.shape),
        }

    def card_of(self, said: Mapping[str, JsonValue]) -> AutoregressiveCard:
        """Return what a table says; see `NetFolder`."""
        shape = thawed(AutoregressiveShape, said.get("shape"), "shape")
        if shape.length > _MOST_LENGTH:
            raise ValueError(f"length = {shape.length:,}, where {_MOST_LENGTH:,} are the most")
        return AutoregressiveCard(
            shape,
            thawed(str, said.get("task"), "task"),
            thawed(dict[str, JsonValue], said.get("trained", {}), "trained"),
        )

    def lack(self, card: AutoregressiveCard, numbers: int) -> str:
        """Say so of any other number than its shape has."""
        has = card.shape.numbers
        return f"where its shape has {has:,}" if numbers != has else ""

    def drawn(self, card: AutoregressiveCard, rng: np.random.Generator) -> LlamaForCausalLM:
        """Return a net of a card's shape."""
        return autoregressive_net(card.shape, rng)


def read_autoregressive_card(folder: Path) -> AutoregressiveCard:
    """Read what a folder says of its net; the files of other tools are not asked.

    Raises:
        CheckpointError: missing, broken, of another format, or a shape that cannot be built or that
            its weights do not have.
    """
    return AutoregressiveFolder().read_card(folder)


def read_autoregressive_net(folder: Path, card: AutoregressiveCard) -> LlamaForCausalLM:
    """Read the weights into a net, single precision, on the processor.

    Raises:
        CheckpointError: tensors that are missing, of wrong shape, or not readable.
    """
    return AutoregressiveFolder().read_net(folder, card)
