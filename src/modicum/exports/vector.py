"""Steering vectors as safetensors, with the lines that add them in plain transformers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from safetensors.torch import load_file

from modicum.errors import ConfigError
from modicum.export import ExportForm, LoadedBack, Parcel, refuse_more
from modicum.exporting.logits import (
    apart,
    limit_of,
    nudged_logits,
    probes_of,
    steering_of,
    whitebox_of,
)
from modicum.exporting.plain_hooks import lay, lines, step_by_step
from modicum.nudge import Solver
from modicum.nudge.steering import Steering, load_steering
from modicum.training.changes import Vectors

__all__ = ["Vector"]

FILE = "vector.safetensors"


@final
@dataclass(frozen=True)
class Vector(ExportForm):
    """For every nudge that adds directions to activations, wherever they act."""

    def check(self, parcel: Parcel) -> None:
        """Refuse nudges without a vector.

        Raises:
            ConfigError: there is none.
        """
        if steering_of(parcel) is None:
            raise ConfigError(
                f"{parcel.trial.method} left no vector", "a vector", "use the form that fits"
            )
        refuse_more(parcel, Vectors)

    def write(self, parcel: Parcel, solver: Solver, folder: Path) -> None:
        """Copy the vectors; where they act stands in the file's metadata."""
        del solver
        (folder / FILE).write_bytes(parcel.nudge.files()[FILE])

    def load_back(self, parcel: Parcel, solver: Solver, folder: Path) -> LoadedBack:
        """Add them by plain hooks while answers are generated token by token with a cache."""
        whitebox = whitebox_of(solver)
        steering = _steering(folder)
        probes = probes_of(parcel, whitebox)
        ours = nudged_logits(whitebox, steering_of(parcel), probes)
        theirs = []
        for probe in probes:
            tensors = load_file(folder / FILE)
            handles = lay(whitebox.module, tensors, steering.where, steering.offset)
            try:
                theirs.append(step_by_step(whitebox.module, probe))
            finally:
                for handle in handles:
                    handle.remove()
        return LoadedBack(
            "transformers, plain hooks",
            "largest logit difference",
            apart(ours, theirs),
            limit_of(whitebox),
        )

    def uses(self, parcel: Parcel, solver: Solver) -> Mapping[str, str]:
        """Plain hooks; where a vector lies inside a layer the hook goes to that part of it."""
        [steering] = [c.steering for c in parcel.nudge.changes if isinstance(c, Vectors)]
        module = whitebox_of(solver).module
        return {"transformers": lines(module, steering.where, steering.offset)}


def _steering(folder: Path) -> Steering:
    return load_steering(folder / FILE)
