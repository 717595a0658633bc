"""A net of boards as a folder holds it, whatever its kind: a card as JSON, weights as safetensors."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar, final

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from modicum.errors import CheckpointError, ConfigError
from modicum.files.foreign import read_table, words_of
from modicum.files.headers import safetensors_head
from modicum.plain import JsonValue, plain, table_of
from modicum.seeds import stream

__all__ = ["BoardShape", "NetCard", "NetFolder"]

_FORMAT = 1
_MOST_BYTES = 1 << 20


class BoardShape(Protocol):
    """What the shape of every net of boards says."""

    @property
    def length(self) -> int:
        """Positions of a question."""

    @property
    def vocabulary(self) -> int:
        """Ids of the grid."""


@dataclass(frozen=True)
class NetCard:
    """What a folder says of its net; known before the weights are read."""

    shape: BoardShape
    task: str
    """Reference of the task whose boards it reads; a stranger may have written it."""

    @property
    def origin(self) -> str:
        """What its shape comes from, in words."""
        return f"task {self.task}"


CardT = TypeVar("CardT", bound=NetCard)
NetT = TypeVar("NetT", bound=nn.Module)


class NetFolder(ABC, Generic[CardT, NetT]):
    """How nets of one kind are kept; subclasses are final and hold nothing."""

    kind: ClassVar[str]
    """Name of the net, in words and in references."""
    article: ClassVar[str]
    config: ClassVar[str]
    """File of the card."""
    weights: ClassVar[str]
    """File of the weights."""
    signs: ClassVar[tuple[str, ...]]
    """Files any of which says that a folder holds such a net, whole or not."""
    whole: ClassVar[str]
    """What a whole folder holds, in words."""

    @abstractmethod
    def files(self, card: CardT, net: NetT) -> dict[str, bytes]:
        """Return the files of a net, by name."""

    @abstractmethod
    def card_of(self, said: Mapping[str, JsonValue]) -> CardT:
        """Return what a table says.

        Raises:
            ValueError: sizes beyond what is taken.
            TypeError: something missing, or of another type.
            ConfigError: what cannot be built.
        """

    @abstractmethod
    def lack(self, card: CardT, numbers: int) -> str:
        """Return why weights of so many numbers are not those of a shape; empty where they may be."""

    @abstractmethod
    def drawn(self, card: CardT, rng: np.random.Generator) -> NetT:
        """Return a net of a card's shape on the processor, with weights drawn anew."""

    def named(self, net: NetT, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return tensors as a net takes them, from those that a file holds."""
        del net
        return weights

    @final
    def holds(self, folder: Path) -> bool:
        """Say whether a folder holds such a net, whole or not."""
        return any((folder / name).is_file() for name in self.signs)

    @final
    def written(
        self, card: CardT, first: Mapping[str, JsonValue], last: Mapping[str, object]
    ) -> bytes:
        """Return a card as its file holds it.

        Args:
            card: Its task and its shape stand in every card.
            first: What stands before the shape.
            last: What stands behind it.
        """
        shape = table_of(card.shape)
        said = {"format": _FORMAT, "task": card.task, **first, "shape": shape, **last}
        return json.dumps(plain(said), indent=1).encode()

    @final
    def read_card(self, folder: Path) -> CardT:
        """Read what a folder says of its net; files of other tools are not asked.

        Raises:
            CheckpointError: missing, broken, of another format, or a shape that cannot be built or that
                its weights do not have.
        """
        for name in (self.config, self.weights):
            if not (folder / name).is_file():
                raise CheckpointError(
                    f"no {name} in {str(folder)!r:.200}",
                    f"a folder with {self.config} and {self.weights}",
                    f"make one with `modicum pretrain {self.kind}`, or give another folder",
                )
        try:
            said = read_table(folder / self.config, _MOST_BYTES)
            if said.get("format") != _FORMAT:
                raise ValueError(f"format {said.get('format')!r:.40}, where {_FORMAT} is read")
            card = self.card_of(said)
            held = safetensors_head(folder / self.weights).numbers
        except (ValueError, TypeError, ConfigError) as error:
            raise self._broken(folder, words_of(error)) from error
        if why := self.lack(card, held):
            raise self._broken(folder, f"{held:,} numbers in {self.weights}, {why}")
        return card

    @final
    def read_net(self, folder: Path, card: CardT) -> NetT:
        """Read the weights into a net, single precision, on the processor.

        Raises:
            CheckpointError: tensors that are missing, of wrong shape, or not readable.
        """
        net = self.drawn(card, stream(self.kind, "to be read"))
        try:
            net.load_state_dict(self.named(net, load_file(folder / self.weights)))
        except (OSError, RuntimeError, SafetensorError, ValueError) as error:
            raise self._broken(folder, words_of(error)) from error
        net.requires_grad_(requires_grad=False).eval()
        return net

    @final
    def _broken(self, folder: Path, why: str) -> CheckpointError:
        return CheckpointError(
            f"the {self.kind} net in {str(folder)!r:.200}: {why}",
            f"{self.whole} as `modicum pretrain {self.kind}` writes them",
            "make it again, or give another folder",
        )
