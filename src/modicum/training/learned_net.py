"""All weights of a recursive net as a nudge changes them: what a net that knew nothing has learned."""

from dataclasses import dataclass
from typing import final

from modicum.model import Model
from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_folder import RecursiveCard, RecursiveFolder
from modicum.sampling.recursive_model import RecursiveModel, need_recursive
from modicum.training.learned_of_boards import LearnedOfBoards

__all__ = ["LearnedNet"]


@final
@dataclass(frozen=True, eq=False)
class LearnedNet(LearnedOfBoards[RecursiveNet, RecursiveCard]):
    """The net that answers instead of the model's own, of the same shape."""

    @classmethod
    def folder(cls) -> RecursiveFolder:
        """Return how recursive nets are kept."""
        return RecursiveFolder()

    def taker(self, model: Model) -> RecursiveModel:
        """Return a recursive model as such.

        Raises:
            AccessError: the model is no recursive net.
        """
        return need_recursive(model, "a learned net")
