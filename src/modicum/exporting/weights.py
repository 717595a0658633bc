"""Whole models as transformers folders: written, and loaded back as any user would."""

import contextlib
import json
import warnings
from collections.abc import Iterator
from pathlib import Path

from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging as transformers_logging

from modicum.nudge.parts import method_of
from modicum.whitebox import WhiteBox

__all__ = ["USE", "load_folder", "quiet", "save_folder"]

USE = """from transformers import AutoModelForCausalLM, AutoTokenizer
model, tokenizer = (A.from_pretrained("FOLDER") for A in (AutoModelForCausalLM, AutoTokenizer))
print(tokenizer.decode(model.generate(**tokenizer(PROMPT, return_tensors="pt"))[0]))"""
"""Lines that load a whole model."""


def save_folder(whitebox: WhiteBox, module: nn.Module, folder: Path) -> None:
    """Write weights as safetensors, configuration and tokenizer."""
    with quiet():
        method_of(module, "save_pretrained")(folder, safe_serialization=True)
        whitebox.tokenizer.save_pretrained(str(folder))
    for path in folder.glob("*.safetensors"):
        path.chmod(0o644)  # the library writes for its owner alone
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config.pop("_name_or_path", None)  # a path of this machine
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def load_folder(folder: Path, like: WhiteBox) -> PreTrainedModel:
    """Load a folder with transformers alone, where the nudged model lies and in its numbers."""
    with quiet():
        module: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            folder, use_safetensors=True, dtype=like.dtype, trust_remote_code=False
        )
    method_of(module, "to")(like.device)
    module.eval()
    return module


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep other libraries' bars and deprecations off the screen."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()
