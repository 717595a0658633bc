"""A control vector in GGUF, as llama.cpp adds it to every position."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch

from modicum.errors import ConfigError
from modicum.export import ExportForm, LoadedBack, Parcel, refuse_more
from modicum.exporting.logits import steering_of, whitebox_of
from modicum.nudge import Solver
from modicum.nudge.control_vector import (
    check_control_vector,
    load_control_vector,
    save_control_vector,
)
from modicum.nudge.steering import Steering
from modicum.training.changes import Vectors

__all__ = ["Gguf"]

FILE = "control_vector.gguf"


@final
@dataclass(frozen=True)
class Gguf(ExportForm):
    """For vectors that act at every position after whole layers, the first layer left out."""

    def check(self, parcel: Parcel) -> None:
        """Refuse what llama.cpp could not add.

        Raises:
            ConfigError: no vector, or one that acts elsewhere.
        """
        steering = _steering(parcel)
        refuse_more(parcel, Vectors)
        check_control_vector(steering)

    def write(self, parcel: Parcel, solver: Solver, folder: Path) -> None:
        """Write the directions, strength included."""
        kind = whitebox_of(solver).module.config.get_text_config().model_type
        save_control_vector(_steering(parcel), folder / FILE, str(kind))

    def load_back(self, parcel: Parcel, solver: Solver, folder: Path) -> LoadedBack:
        """Read it with the gguf package; every number must be the same."""
        del solver
        wrote, read = _sums(_steering(parcel)), _sums(load_control_vector(folder / FILE))
        is_same = wrote.keys() == read.keys()
        worst = (
            max(float((wrote[layer] - read[layer]).abs().max()) for layer in wrote)
            if is_same
            else float("inf")
        )
        return LoadedBack("gguf reader", "largest difference", worst, 0.0)

    def uses(self, parcel: Parcel, solver: Solver) -> Mapping[str, str]:
        """The strength is in the numbers: a scale of 1 gives what was measured."""
        del solver
        layers = sorted(d.layer for d in _steering(parcel).directions)
        return {
            "llama.cpp": "llama-cli -m BASE.gguf --control-vector FOLDER/" + FILE + " "
            f"--control-vector-layer-range {layers[0]} {layers[-1]} --temp 0 -p PROMPT",
            "repeng": "from repeng import ControlVector\n"
            f'vector = ControlVector.import_gguf("FOLDER/{FILE}")',
        }


def _steering(parcel: Parcel) -> Steering:
    steering = steering_of(parcel)
    if steering is None:
        raise ConfigError(
            f"{parcel.trial.method} left no vector", "a vector", "use the form that fits"
        )
    return steering


def _sums(steering: Steering) -> dict[int, torch.Tensor]:
    """Return what is added after each layer."""
    sums: dict[int, torch.Tensor] = {}
    for direction in steering.directions:
        values = direction.values.detach().to("cpu", torch.float32)
        sums[direction.layer] = sums.get(direction.layer, torch.zeros_like(values)) + values
    return sums
