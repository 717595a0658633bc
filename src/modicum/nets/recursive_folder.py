"""A recursive net as a folder holds it: its shape and origin as JSON, its weights as safetensors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from safetensors.torch import save
from torch import Tensor

from modicum.nets.halting import Halting
from modicum.nets.net_folder import NetCard, NetFolder
from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_shape import RecursiveShape
from modicum.plain import JsonObject, JsonValue, thawed

__all__ = [
    "CONFIG",
    "WEIGHTS",
    "RecursiveCard",
    "RecursiveFolder",
    "read_recursive_card",
    "read_recursive_net",
]

CONFIG, WEIGHTS = "recursive.json", "recursive.safetensors"
_UPPER, _LOWER = "upper.", "lower."
"""Names of the two stacks; one that updates both states is kept once, as the upper."""
_MOST: Mapping[str, int] = {
    "length": 4096,
    "prefix": 1024,
    "n_inner": 256,
    "n_outer": 1024,
    "n_steps": 1024,
}
"""Largest sizes that no tensor vouches for, but that time or memory goes by."""


@final
@dataclass(frozen=True)
class RecursiveCard(NetCard):
    """What a folder says of a recursive net."""

    shape: RecursiveShape
    preset: str = ""
    """Name of the preset that the shape comes from."""
    trained: JsonObject = field(default_factory=dict)
    """How it was trained, for the reader."""
    halting: Halting | None = None
    """When trajectories end, as training chose it; None where it chose nothing."""

    @property
    def origin(self) -> str:
        """Preset and task, in words."""
        return f"preset {self.preset}, {super().origin}"

    def files(self, net: RecursiveNet) -> dict[str, bytes]:
        """Return the files of a net of this shape, by name."""
        return RecursiveFolder().files(self, net)


@final
class RecursiveFolder(NetFolder[RecursiveCard, RecursiveNet]):
    """How recursive nets are kept."""

    kind: ClassVar[str] = "recursive"
    article: ClassVar[str] = "a"
    config: ClassVar[str] = CONFIG
    weights: ClassVar[str] = WEIGHTS
    signs: ClassVar[tuple[str, ...]] = (CONFIG, WEIGHTS)
    whole: ClassVar[str] = f"{CONFIG} and {WEIGHTS}"

    def files(self, card: RecursiveCard, net: RecursiveNet) -> dict[str, bytes]:
        """Return the files of a net, by name."""
        last: dict[str, object] = {"trained": card.trained}
        if card.halting is not None:
            last["halting"] = card.halting
        weights = {
            name: part.detach().cpu().contiguous()
            for name, part in net.state_dict().items()
            if not (net.lower is net.upper and name.startswith(_LOWER))
        }
        return {
            CONFIG: self.written(card, {"preset": card.preset}, last),
            WEIGHTS: save(weights),
        }

    def card_of(self, said: Mapping[str, JsonValue]) -> RecursiveCard:
        """Return what a table says; see `NetFolder`."""
        shape = thawed(RecursiveShape, said.get("shape"), "shape")
        for name, most in _MOST.items():
            if getattr(shape, name) > most:
                raise ValueError(f"{name} = {getattr(shape, name):,}, where {most:,} are the most")
        halting = said.get("halting")
        return RecursiveCard(
            shape,
            thawed(str, said.get("task"), "task"),
            thawed(str, said.get("preset", ""), "preset"),
            thawed(dict[str, JsonValue], said.get("trained", {}), "trained"),
            None if halting is None else thawed(Halting, halting, "halting"),
        )

    def lack(self, card: RecursiveCard, numbers: int) -> str:
        """Say so of fewer than its shape has, so that no small file has a large net built."""
        return "fewer than its shape has" if numbers < _least_numbers(card.shape) else ""

    def drawn(self, card: RecursiveCard, rng: np.random.Generator) -> RecursiveNet:
        """Return a net of a card's shape."""
        return RecursiveNet(card.shape, rng)

    def named(self, net: RecursiveNet, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of both stacks, where one that updates both states is kept once."""
        if net.lower is not net.upper:
            return weights
        upper = {name: part for name, part in weights.items() if name.startswith(_UPPER)}
        return weights | {_LOWER + n.removeprefix(_UPPER): part for n, part in upper.items()}


def read_recursive_card(folder: Path) -> RecursiveCard:
    """Read what a folder says of its net.

    Raises:
        CheckpointError: missing, broken, of another format, or a shape that cannot be built or that
            its weights do not have.
    """
    return RecursiveFolder().read_card(folder)


def read_recursive_net(folder: Path, card: RecursiveCard) -> RecursiveNet:
    """Read the weights into a net, single precision, on the processor.

    Raises:
        CheckpointError: tensors that are missing, of wrong shape, or not readable.
    """
    return RecursiveFolder().read_net(folder, card)


def _least_numbers(shape: RecursiveShape) -> int:
    """Return numbers that the net holds at least."""
    mixing = 3 * shape.inner * shape.places if shape.mixer == "mlp" else 4 * shape.width**2
    stacks = 1 if shape.is_shared or not shape.n_inner else 2
    found = stacks * shape.layers * (3 * shape.inner * shape.width + mixing)
    if shape.is_guided:
        found += 8 * shape.guide_inner * shape.width
    return found + 2 * shape.vocabulary * shape.width
