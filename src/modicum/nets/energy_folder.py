"""An energy net as a folder holds it: its shape and origin as JSON, its weights as safetensors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np
from safetensors.torch import save

from modicum.nets.energy import EnergyNet
from modicum.nets.energy_shape import EnergyShape
from modicum.nets.net_folder import NetCard, NetFolder
from modicum.nets.stopping import Stopping
from modicum.plain import JsonObject, JsonValue, thawed

__all__ = ["ENERGY_CONFIG", "ENERGY_WEIGHTS", "EnergyCard", "EnergyFolder"]

ENERGY_CONFIG, ENERGY_WEIGHTS = "energy.json", "energy.safetensors"
_MOST: Mapping[str, int] = {"length": 4096, "most_steps": 1024}
"""Largest sizes that no tensor vouches for, but that time or memory goes by."""


@final
@dataclass(frozen=True)
class EnergyCard(NetCard):
    """What a folder says of an energy net."""

    shape: EnergyShape
    preset: str = ""
    """Name of the preset that the shape comes from."""
    trained: JsonObject = field(default_factory=dict)
    """How it was trained, for the reader."""
    stopping: Stopping | None = None
    """When candidates end that may, as training chose it; None where it chose nothing."""

    @property
    def origin(self) -> str:
        """Preset and task, in words."""
        return f"preset {self.preset}, {super().origin}"


@final
class EnergyFolder(NetFolder[EnergyCard, EnergyNet]):
    """How energy nets are kept."""

    kind: ClassVar[str] = "energy"
    article: ClassVar[str] = "an"
    config: ClassVar[str] = ENERGY_CONFIG
    weights: ClassVar[str] = ENERGY_WEIGHTS
    signs: ClassVar[tuple[str, ...]] = (ENERGY_CONFIG, ENERGY_WEIGHTS)
    whole: ClassVar[str] = f"{ENERGY_CONFIG} and {ENERGY_WEIGHTS}"

    def files(self, card: EnergyCard, net: EnergyNet) -> dict[str, bytes]:
        """Return the files of a net, by name."""
        last: dict[str, object] = {"trained": card.trained}
        if card.stopping is not None:
            last["stopping"] = card.stopping
        weights = {
            name: part.detach().cpu().contiguous() for name, part in net.state_dict().items()
        }
        return {
            ENERGY_CONFIG: self.written(card, {"preset": card.preset}, last),
            ENERGY_WEIGHTS: save(weights),
        }

    def card_of(self, said: Mapping[str, JsonValue]) -> EnergyCard:
        """Return what a table says; see `NetFolder`."""
        shape = thawed(EnergyShape, said.get("shape"), "shape")
        for name, most in _MOST.items():
            if getattr(shape, name) > most:
                raise ValueError(f"{name} = {getattr(shape, name):,}, where {most:,} are the most")
        stopping = said.get("stopping")
        return EnergyCard(
            shape,
            thawed(str, said.get("task"), "task"),
            thawed(str, said.get("preset", ""), "preset"),
            thawed(dict[str, JsonValue], said.get("trained", {}), "trained"),
            None if stopping is None else thawed(Stopping, stopping, "stopping"),
        )

    def lack(self, card: EnergyCard, numbers: int) -> str:
        """Say so of any other number than its shape has."""
        has = card.shape.numbers
        return f"where its shape has {has:,}" if numbers != has else ""

    def drawn(self, card: EnergyCard, rng: np.random.Generator) -> EnergyNet:
        """Return a net of a card's shape."""
        return EnergyNet(card.shape, rng)
