"""All weights of an autoregressive net as a nudge changes them: what it learned of boards from nothing."""

from dataclasses import dataclass
from typing import final

from transformers import LlamaForCausalLM

from modicum.errors import AccessError
from modicum.model import Model
from modicum.nets.autoregressive_folder import AutoregressiveCard, AutoregressiveFolder
from modicum.sampling.autoregressive_model import AutoregressiveModel
from modicum.training.learned_of_boards import LearnedOfBoards

__all__ = ["LearnedTransformer"]


@final
@dataclass(frozen=True, eq=False)
class LearnedTransformer(LearnedOfBoards[LlamaForCausalLM, AutoregressiveCard]):
    """The net that answers instead of the model's own, of the same shape."""

    @classmethod
    def folder(cls) -> AutoregressiveFolder:
        """Return how autoregressive nets are kept."""
        return AutoregressiveFolder()

    def taker(self, model: Model) -> AutoregressiveModel:
        """Return an autoregressive model as such.

        Raises:
            AccessError: the model is no autoregressive net.
        """
        if isinstance(model, AutoregressiveModel):
            return model
        raise AccessError(
            f"a learned transformer on {model.card.name!r}, which is no autoregressive net",
            "the model that it was learned from",
            "give it, such as --model 'autoregressive:new?task=sudoku'",
        )
