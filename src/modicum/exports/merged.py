"""Merged weights: the whole model with what was tuned in it, as a transformers folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

from modicum.errors import ConfigError
from modicum.export import ExportForm, LoadedBack, Parcel, refuse_more
from modicum.exporting.logits import (
    apart,
    limit_of,
    nudged_logits,
    plain_logits,
    probes_of,
    whitebox_of,
)
from modicum.exporting.weights import USE, load_folder, save_folder
from modicum.nudge import Solver
from modicum.training.changes import Adapter, Weights

__all__ = ["Merged"]


@final
@dataclass(frozen=True)
class Merged(ExportForm):
    """For adapters and for tunings of all weights; in the number format that was measured."""

    relation: ClassVar[str] = "finetune"

    def check(self, parcel: Parcel) -> None:
        """Refuse nudges that changed no weights.

        Raises:
            ConfigError: nothing was tuned.
        """
        if not any(isinstance(change, Adapter | Weights) for change in parcel.nudge.changes):
            raise ConfigError(
                f"{parcel.trial.method} left no tuned weights",
                "an adapter or a tuning of all weights",
                "use the form that fits: vector, prompt or generation",
            )
        refuse_more(parcel, Adapter, Weights)

    def write(self, parcel: Parcel, solver: Solver, folder: Path) -> None:
        """Write the model with the nudge in its weights."""
        del parcel
        whitebox = whitebox_of(solver)
        save_folder(whitebox, whitebox.module, folder)

    def load_back(self, parcel: Parcel, solver: Solver, folder: Path) -> LoadedBack:
        """Load it with transformers alone."""
        whitebox = whitebox_of(solver)
        probes = probes_of(parcel, whitebox)
        ours = nudged_logits(whitebox, None, probes)
        theirs = plain_logits(load_folder(folder, whitebox), probes)
        return LoadedBack(
            "transformers", "largest logit difference", apart(ours, theirs), limit_of(whitebox)
        )

    def uses(self, parcel: Parcel, solver: Solver) -> Mapping[str, str]:
        """Any runtime that reads such folders."""
        del parcel, solver
        return {"transformers": USE, "vLLM": "vllm serve FOLDER"}
