"""Weight deltas: what a tuned adapter adds to each weight of its base model, as plain numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

from safetensors.torch import load_file, save_file
from torch import nn

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
from modicum.exporting.weights import load_folder
from modicum.nudge import Solver
from modicum.training.changes import Adapter

__all__ = ["WeightDeltas"]

FILE = "weight_deltas.safetensors"


@final
@dataclass(frozen=True)
class WeightDeltas(ExportForm):
    """For adapters: any library that can add two tensors can load them."""

    library: ClassVar[str] = "safetensors"
    relation: ClassVar[str] = "adapter"
    is_model: ClassVar[bool] = False

    def check(self, parcel: Parcel) -> None:
        """Refuse what left no adapter, and a base model whose weights lie in no folder.

        Raises:
            ConfigError: it does not fit.
        """
        if not any(isinstance(change, Adapter) for change in parcel.nudge.changes):
            raise ConfigError(
                f"{parcel.trial.method} left no adapter",
                "a tuning by LoRA or of biases",
                "use the form that fits: merged, vector, prompt or generation",
            )
        refuse_more(parcel, Adapter)
        if not parcel.origin or Path(parcel.origin).is_file():
            raise ConfigError(
                f"the base model {parcel.base}, whose weights lie in no folder",
                "a folder or a hub id",
                "use the form merged",
            )

    def write(self, parcel: Parcel, solver: Solver, folder: Path) -> None:
        """Write the difference of each weight that is another one."""
        whitebox = whitebox_of(solver)
        base = load_folder(Path(parcel.origin), whitebox).state_dict()
        tuned = whitebox.module.state_dict()
        deltas = {name: tuned[name] - base[name] for name in base}
        save_file({name: d.contiguous() for name, d in deltas.items() if d.any()}, folder / FILE)

    def load_back(self, parcel: Parcel, solver: Solver, folder: Path) -> LoadedBack:
        """Add them to the base model, loaded anew, and compare its scores."""
        whitebox = whitebox_of(solver)
        probes = probes_of(parcel, whitebox)
        ours = nudged_logits(whitebox, None, probes)
        theirs = plain_logits(_added(load_folder(Path(parcel.origin), whitebox), folder), probes)
        return LoadedBack(
            "transformers, deltas added",
            "largest logit difference",
            apart(ours, theirs),
            limit_of(whitebox),
        )

    def uses(self, parcel: Parcel, solver: Solver) -> Mapping[str, str]:
        """Return the lines that add them."""
        del parcel, solver
        return {
            "transformers": "from safetensors.torch import load_file\n"
            "from transformers import AutoModelForCausalLM\n"
            'model = AutoModelForCausalLM.from_pretrained("BASE")\n'
            f'for name, delta in load_file("FOLDER/{FILE}").items():\n'
            "    model.state_dict()[name].add_(delta)"
        }


def _added(module: nn.Module, folder: Path) -> nn.Module:
    """Return the module with the deltas of a folder in its weights."""
    weights = module.state_dict()
    for name, delta in load_file(folder / FILE).items():
        weights[name].add_(delta.to(weights[name].device))
    return module
