"""A PEFT adapter, loaded back in a process of its own that lacks modicum."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

from modicum.errors import ConfigError
from modicum.export import ExportForm, LoadedBack, Parcel, refuse_more
from modicum.exporting.fresh_process import adapter_logits
from modicum.exporting.logits import apart, limit_of, nudged_logits, probes_of, whitebox_of
from modicum.nudge import Solver
from modicum.training.adapter_folder import CONFIG, WEIGHTS
from modicum.training.changes import Adapter

__all__ = ["Peft"]


@final
@dataclass(frozen=True)
class Peft(ExportForm):
    """For tunings by LoRA or of biases."""

    library: ClassVar[str] = "peft"
    relation: ClassVar[str] = "adapter"

    def check(self, parcel: Parcel) -> None:
        """Refuse nudges without an adapter, and base models that PEFT could not be given.

        Raises:
            ConfigError: there is none.
        """
        if not any(isinstance(change, Adapter) for change in parcel.nudge.changes):
            raise ConfigError(
                f"{parcel.trial.method} left no adapter",
                "a tuning by LoRA or of biases",
                "use the form merged for a tuning of all weights",
            )
        refuse_more(parcel, Adapter)
        if not parcel.origin:
            raise ConfigError(
                f"the base model {parcel.base}, which lies in no folder that PEFT could load",
                "a folder, a GGUF file or a hub id",
                "use the form merged",
            )

    def write(self, parcel: Parcel, solver: Solver, folder: Path) -> None:
        """Copy the adapter and names its base model."""
        del solver
        files = parcel.nudge.files()
        (folder / WEIGHTS).write_bytes(files[WEIGHTS])
        config = json.loads(files[CONFIG])
        config["base_model_name_or_path"] = parcel.base
        (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    def load_back(self, parcel: Parcel, solver: Solver, folder: Path) -> LoadedBack:
        """Load base and adapter with transformers and PEFT alone, modicum out of reach."""
        whitebox = whitebox_of(solver)
        probes = probes_of(parcel, whitebox)
        ours = nudged_logits(whitebox, None, probes)
        theirs = adapter_logits(parcel.origin, folder, probes, whitebox)
        return LoadedBack(
            "PEFT, without modicum",
            "largest logit difference",
            apart(ours, theirs),
            limit_of(whitebox),
        )

    def uses(self, parcel: Parcel, solver: Solver) -> Mapping[str, str]:
        """PEFT anywhere; a LoRA adapter on a server too."""
        del parcel, solver
        return {
            "PEFT": "from peft import PeftModel\n"
            "from transformers import AutoModelForCausalLM\n"
            'model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("BASE"), "FOLDER")',
            "vLLM": "vllm serve BASE --enable-lora --lora-modules nudge=FOLDER",
        }
