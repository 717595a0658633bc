"""All weights of an energy net as a nudge changes them: what it learned of boards from nothing."""

from dataclasses import dataclass
from typing import final

from modicum.errors import AccessError
from modicum.model import Model
from modicum.nets.energy import EnergyNet
from modicum.nets.energy_folder import EnergyCard, EnergyFolder
from modicum.sampling.energy_model import EnergyModel
from modicum.training.learned_of_boards import LearnedOfBoards

__all__ = ["LearnedThinking"]


@final
@dataclass(frozen=True, eq=False)
class LearnedThinking(LearnedOfBoards[EnergyNet, EnergyCard]):
    """The net that answers instead of the model's own, of the same shape."""

    @classmethod
    def folder(cls) -> EnergyFolder:
        """Return how energy nets are kept."""
        return EnergyFolder()

    def taker(self, model: Model) -> EnergyModel:
        """Return an energy model as such.

        Raises:
            AccessError: the model is no energy net.
        """
        if isinstance(model, EnergyModel):
            return model
        raise AccessError(
            f"a learned energy net on {model.card.name!r}, which is none",
            "the model that it was learned from",
            "give it, such as --model 'energy:new?task=sudoku'",
        )
