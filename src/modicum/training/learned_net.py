"""All weights of a recursive net as a nudge changes them: what a net that knew nothing has learned."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self, final

from modicum.errors import CheckpointError
from modicum.model import Model
from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_folder import (
    CONFIG,
    WEIGHTS,
    RecursiveCard,
    read_recursive_card,
    read_recursive_net,
)
from modicum.nudge import Change
from modicum.sampling.recursive_model import need_recursive

__all__ = ["LearnedNet"]


@final
@dataclass(frozen=True, eq=False)
class LearnedNet(Change):
    """The net that answers instead of the model's own, of the same shape."""

    order: ClassVar[int] = 0

    net: RecursiveNet = field(repr=False)
    """On the processor."""
    card: RecursiveCard
    """How it was learned."""

    def applied(self, model: Model) -> Model:
        """Return the model with this net.

        Raises:
            AccessError: the model is no recursive net.
            CheckpointError: the model's net has another shape.
        """
        recursive = need_recursive(model, "a learned net")
        if recursive.made.shape != self.card.shape:
            raise CheckpointError(
                f"a learned net of {recursive.made.task} with another shape than the model's",
                "the model that it was learned from",
                f"give the model as it was: preset {self.card.preset}, task {self.card.task}",
            )
        return recursive.with_net(self.net.to(recursive.net.head.device), self.card)

    def files(self) -> Mapping[str, bytes]:
        """Return what `recursive:FOLDER` opens."""
        return self.card.files(self.net)

    @classmethod
    def found(cls, folder: Path) -> Self | None:
        """Return the net that a folder holds, None where it holds none.

        Raises:
            CheckpointError: its files are broken.
        """
        if not any((folder / name).is_file() for name in (CONFIG, WEIGHTS)):
            return None
        card = read_recursive_card(folder)
        return cls(read_recursive_net(folder, card), card)
