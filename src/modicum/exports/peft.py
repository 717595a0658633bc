"""A PEFT adapter, loaded back in a process of its own that lacks modicum."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

from modicum.errors import ConfigError
from modicum.export import Form, LoadedBack, Nudge
from modicum.exports._fresh import adapter_logits
from modicum.exports._logits import apart, limit_of, nudged_logits, probes_of, whitebox_of
from modicum.workbench import Elicited

__all__ = ["Peft"]

_WEIGHTS, _CONFIG = "adapter_model.safetensors", "adapter_config.json"


@final
@dataclass(frozen=True)
class Peft(Form):
    """For tunings by LoRA or of biases."""

    library: ClassVar[str] = "peft"
    relation: ClassVar[str] = "adapter"

    def check(self, nudge: Nudge) -> None:
        """Refuses nudges without an adapter, and base models that PEFT could not be given.

        Raises:
            ConfigError: there is none.
        """
        if not (nudge.folder / _WEIGHTS).is_file():
            raise ConfigError(
                f"{nudge.trial.method} left no adapter",
                "a tuning by LoRA or of biases",
                "use the form merged for a tuning of all weights",
            )
        if not nudge.origin:
            raise ConfigError(
                f"the base model {nudge.base}, which lies in no folder that PEFT could load",
                "a folder, a GGUF file or a hub id",
                "use the form merged",
            )

    def write(self, nudge: Nudge, elicited: Elicited, folder: Path) -> None:  # noqa: ARG002
        """Copies the adapter and names its base model."""
        shutil.copyfile(nudge.folder / _WEIGHTS, folder / _WEIGHTS)
        config = json.loads((nudge.folder / _CONFIG).read_text(encoding="utf-8"))
        config["base_model_name_or_path"] = nudge.base
        (folder / _CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    def load_back(self, nudge: Nudge, elicited: Elicited, folder: Path) -> LoadedBack:
        """Loads base and adapter with transformers and PEFT alone, modicum out of reach."""
        whitebox = whitebox_of(elicited)
        probes = probes_of(nudge, whitebox)
        ours = nudged_logits(whitebox, None, probes)
        theirs = adapter_logits(nudge.origin, folder, probes, whitebox)
        return LoadedBack(
            "PEFT, without modicum",
            "largest logit difference",
            apart(ours, theirs),
            limit_of(whitebox),
        )

    def uses(self, nudge: Nudge, elicited: Elicited) -> Mapping[str, str]:  # noqa: ARG002
        """PEFT anywhere; a LoRA adapter on a server too."""
        return {
            "PEFT": "from peft import PeftModel\n"
            "from transformers import AutoModelForCausalLM\n"
            'model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("BASE"), "FOLDER")',
            "vLLM": "vllm serve BASE --enable-lora --lora-modules nudge=FOLDER",
        }
