"""All weights of an autoregressive net as a nudge changes them: what it learned of boards from nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self, final

from transformers import LlamaForCausalLM

from modicum.errors import AccessError, CheckpointError
from modicum.model import Model
from modicum.nets.autoregressive_folder import (
    AUTOREGRESSIVE_CONFIG,
    AutoregressiveCard,
    read_autoregressive_card,
    read_autoregressive_net,
)
from modicum.nudge import Change
from modicum.nudge.parts import method_of
from modicum.sampling.autoregressive_model import AutoregressiveModel

__all__ = ["LearnedTransformer"]


@final
@dataclass(frozen=True, eq=False)
class LearnedTransformer(Change):
    """The net that answers instead of the model's own, of the same shape."""

    order: ClassVar[int] = 0

    net: LlamaForCausalLM = field(repr=False)
    """On the processor."""
    card: AutoregressiveCard
    """How it was learned."""

    def applied(self, model: Model) -> Model:
        """Return the model with this net.

        Raises:
            AccessError: the model is no autoregressive net.
            CheckpointError: the model's net has another shape.
        """
        if not isinstance(model, AutoregressiveModel):
            raise AccessError(
                f"a learned transformer on {model.card.name!r}, which is no autoregressive net",
                "the model that it was learned from",
                "give it, such as --model 'autoregressive:new?task=sudoku'",
            )
        if model.made.shape != self.card.shape:
            raise CheckpointError(
                f"a learned net of {model.made.task} with another shape than the model's",
                "the model that it was learned from",
                f"give the model as it was: task {self.card.task}",
            )
        net = method_of(self.net, "to")(model.net.device)
        return model.with_net(net, self.card)

    def files(self) -> Mapping[str, bytes]:
        """Return what `autoregressive:FOLDER` and transformers open."""
        return self.card.files(self.net)

    @classmethod
    def found(cls, folder: Path) -> Self | None:
        """Return the net that a folder holds, None where it holds none.

        Raises:
            CheckpointError: its files are broken.
        """
        if not (folder / AUTOREGRESSIVE_CONFIG).is_file():
            return None
        card = read_autoregressive_card(folder)
        return cls(read_autoregressive_net(folder, card), card)
