"""Steering vectors as safetensors, with the lines that add them in plain transformers."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from safetensors.torch import load_file

from modicum.errors import ConfigError
from modicum.export import Form, LoadedBack, Nudge
from modicum.exports._hooks import lay, lines, step_by_step
from modicum.exports._logits import (
    apart,
    limit_of,
    nudged_logits,
    probes_of,
    steering_of,
    whitebox_of,
)
from modicum.steering.nudge import Steering, load_steering
from modicum.workbench import Elicited

__all__ = ["Vector"]

FILE = "vector.safetensors"


@final
@dataclass(frozen=True)
class Vector(Form):
    """For every nudge that adds directions to activations, wherever they act."""

    def check(self, nudge: Nudge) -> None:
        """Refuses nudges without a vector.

        Raises:
            ConfigError: there is none.
        """
        if steering_of(nudge) is None:
            raise ConfigError(
                f"{nudge.trial.method} left no vector", "a vector", "use the form that fits"
            )

    def write(self, nudge: Nudge, elicited: Elicited, folder: Path) -> None:  # noqa: ARG002
        """Copies the vectors; where they act stands in the file's metadata."""
        shutil.copyfile(nudge.folder / FILE, folder / FILE)

    def load_back(self, nudge: Nudge, elicited: Elicited, folder: Path) -> LoadedBack:
        """Adds them by plain hooks while answers are generated token by token with a cache."""
        whitebox = whitebox_of(elicited)
        steering = _steering(folder)
        probes = probes_of(nudge, whitebox)
        ours = nudged_logits(whitebox, steering_of(nudge), probes)
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

    def uses(self, nudge: Nudge, elicited: Elicited) -> Mapping[str, str]:
        """Plain hooks; where a vector lies inside a layer the hook goes to that part of it."""
        steering = steering_of(nudge) or _steering(nudge.folder)
        module = whitebox_of(elicited).module
        return {"transformers": lines(module, steering.where, steering.offset)}


def _steering(folder: Path) -> Steering:
    return load_steering(folder / FILE)
