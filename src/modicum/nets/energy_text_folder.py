"""An autoregressive energy net as a folder: a card as JSON, weights as safetensors."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save

from modicum.errors import CheckpointError, ConfigError
from modicum.files.foreign import read_table, words_of
from modicum.files.headers import safetensors_head
from modicum.nets.energy_text import EnergyTextNet
from modicum.nets.energy_text_shape import EnergyTextShape
from modicum.plain import JsonObject, JsonValue, plain, table_of, thawed
from modicum.seeds import stream

__all__ = ["ENERGY_TEXT_CONFIG", "ENERGY_TEXT_WEIGHTS", "EnergyTextCard", "read_energy_text"]

ENERGY_TEXT_CONFIG, ENERGY_TEXT_WEIGHTS = "text_net.json", "energy_text.safetensors"
_FORMAT, _KIND = 1, "energy"
_MOST_BYTES = 1 << 22
_MOST_LENGTH = 1 << 16
"""Ids seen at most: tables of positions are built, and no tensor vouches for them."""


@dataclass(frozen=True)
class EnergyTextCard:
    """What a folder says of its net."""

    shape: EnergyTextShape
    alphabet: str
    """Characters, each once; an id is a place in it."""
    trained: JsonObject = field(default_factory=dict)
    """How it was trained, for the reader."""

    def files(self, net: EnergyTextNet) -> dict[str, bytes]:
        """Return the files of a net of this shape, by name."""
        weights = {n: part.detach().cpu().contiguous() for n, part in net.state_dict().items()}
        said = {
            "format": _FORMAT,
            "kind": _KIND,
            "alphabet": self.alphabet,
            "shape": table_of(self.shape),
            "trained": self.trained,
        }
        card = json.dumps(plain(said), indent=1, ensure_ascii=False) + "\n"
        return {ENERGY_TEXT_WEIGHTS: save(weights), ENERGY_TEXT_CONFIG: card.encode()}


def read_energy_text(folder: Path) -> tuple[EnergyTextCard, EnergyTextNet]:
    """Read a folder that a stranger may have written; the net is on the processor and frozen.

    Raises:
        CheckpointError: missing, broken, of another kind or format, or weights of another shape.
    """
    try:
        said = read_table(folder / ENERGY_TEXT_CONFIG, _MOST_BYTES)
        if (said.get("format"), said.get("kind")) != (_FORMAT, _KIND):
            raise ValueError(f"no {_KIND} net of format {_FORMAT}")
        shape = thawed(EnergyTextShape, said.get("shape"), "shape")
        alphabet = thawed(str, said.get("alphabet"), "alphabet")
        held = safetensors_head(folder / ENERGY_TEXT_WEIGHTS).numbers
        if held != shape.numbers or shape.length > _MOST_LENGTH:
            raise ValueError(f"{held:,} numbers, where its shape has {shape.numbers:,}")
        if len(set(alphabet)) != shape.vocabulary or len(alphabet) != shape.vocabulary:
            raise ValueError(f"{len(alphabet)} characters for {shape.vocabulary} ids")
        net = EnergyTextNet(shape, stream(_KIND, "to be read"))
        net.load_state_dict(load_file(folder / ENERGY_TEXT_WEIGHTS))
        told = thawed(dict[str, JsonValue], said.get("trained", {}), "trained")
    except (
        OSError,
        RuntimeError,
        SafetensorError,
        TypeError,
        ValueError,
        ConfigError,
    ) as error:
        raise CheckpointError(
            f"the energy net of text in {str(folder)!r:.200}: {words_of(error)}",
            f"{ENERGY_TEXT_CONFIG} and {ENERGY_TEXT_WEIGHTS} as `modicum pretrain energy` writes them",
            "make it again, or give another folder",
        ) from error
    net.requires_grad_(requires_grad=False).eval()
    return EnergyTextCard(shape, alphabet, told), net
