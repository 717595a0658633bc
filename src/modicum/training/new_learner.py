"""Which models learn boards from nothing, and a net of the same shape with weights of a trial's own."""

import numpy as np

from modicum.errors import AccessError
from modicum.model import Model
from modicum.nets.autoregressive import autoregressive_net
from modicum.nets.energy import EnergyNet
from modicum.nets.recursive import RecursiveNet
from modicum.nudge.parts import method_of
from modicum.sampling.autoregressive_model import AutoregressiveModel
from modicum.sampling.energy_model import EnergyModel
from modicum.sampling.recursive_model import RecursiveModel
from modicum.training.autoregressive_learner import AutoregressiveLearner
from modicum.training.board_learner import BoardLearner
from modicum.training.energy_learner import EnergyLearner
from modicum.training.measured_net import ReadsBoards
from modicum.training.recursive_learner import RecursiveLearner

__all__ = ["need_new", "new_learner"]


def need_new(model: Model, method: str) -> ReadsBoards:
    """Return the model as a net that reads boards and has learned nothing yet.

    Raises:
        AccessError: it is none, or has learned before.
    """
    if not isinstance(model, ReadsBoards):
        raise AccessError(
            f"{method} on {model.card.name!r}, which is no net that reads boards",
            "a recursive, autoregressive or energy net that has learned nothing yet",
            "give one, such as --model 'recursive:new?task=sudoku', or use fine_tune on this model",
        )
    if not model.is_new:
        kind = "autoregressive" if isinstance(model, AutoregressiveModel) else model.kind
        new = model.made.task.replace("&", "%26")
        raise AccessError(
            f"{method} on {model.card.name!r}, which was trained before",
            "a net that has learned nothing yet",
            f"give {kind}:new?task={new}",
        )
    return model


def new_learner(model: ReadsBoards, rng: np.random.Generator) -> BoardLearner:
    """Return a net of a model's shape on its device, whose weights are drawn anew.

    Args:
        model: It stays as it was.
        rng: Stream of the first weights.
    """
    if isinstance(model, RecursiveModel):
        net = RecursiveNet(model.made.shape, rng).to(model.net.head.device)
        return RecursiveLearner(net, model.made)
    if isinstance(model, EnergyModel):
        return EnergyLearner(EnergyNet(model.made.shape, rng).to(model.net.device), model.made)
    written = autoregressive_net(model.made.shape, rng)
    method_of(written, "to")(model.net.device)
    return AutoregressiveLearner(written, model.made)
