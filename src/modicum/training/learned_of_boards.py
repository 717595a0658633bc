"""All weights of a net of boards as a nudge changes them, whatever its kind."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Generic, Protocol, Self, TypeVar, final

from torch import nn

from modicum.errors import CheckpointError
from modicum.model import Model
from modicum.nets.net_folder import NetCard, NetFolder
from modicum.nudge import Change
from modicum.nudge.parts import method_of

__all__ = ["BoardModel", "LearnedOfBoards"]

NetT = TypeVar("NetT", bound=nn.Module)
CardT = TypeVar("CardT", bound=NetCard)


class BoardModel(Protocol[NetT, CardT]):
    """A model that answers with a net of boards."""

    net: NetT
    """On its device."""
    made: CardT
    """What is known of it."""

    def with_net(self, net: NetT, card: CardT) -> Model:
        """Return the same model around another net of its shape."""


@dataclass(frozen=True, eq=False)
class LearnedOfBoards(Change, Generic[NetT, CardT]):
    """The net that answers instead of the model's own, of the same shape."""

    order: ClassVar[int] = 0

    net: NetT = field(repr=False)
    """On the processor."""
    card: CardT
    """How it was learned."""

    @classmethod
    @abstractmethod
    def folder(cls) -> NetFolder[CardT, NetT]:
        """Return how such nets are kept."""

    @abstractmethod
    def taker(self, model: Model) -> BoardModel[NetT, CardT]:
        """Return a model as one whose net this can be.

        Raises:
            AccessError: it is none.
        """

    @final
    def applied(self, model: Model) -> Model:
        """Return the model with this net.

        Raises:
            AccessError: the model has no net of this kind.
            CheckpointError: the model's net has another shape.
        """
        own = self.taker(model)
        if own.made.shape != self.card.shape:
            raise CheckpointError(
                f"a learned net of {own.made.task} with another shape than the model's",
                "the model that it was learned from",
                f"give the model as it was: {self.card.origin}",
            )
        net = method_of(self.net, "to")(next(own.net.parameters()).device)
        return own.with_net(net, self.card)

    @final
    def files(self) -> Mapping[str, bytes]:
        """Return what a reference to the folder opens."""
        return self.folder().files(self.card, self.net)

    @final
    @classmethod
    def found(cls, folder: Path) -> Self | None:
        """Return the net that a folder holds, None where it holds none.

        Raises:
            CheckpointError: its files are broken.
        """
        kept = cls.folder()
        if not kept.holds(folder):
            return None
        card = kept.read_card(folder)
        return cls(kept.read_net(folder, card), card)
