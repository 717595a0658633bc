"""An adapter loaded by PEFT in a process of its own that cannot import modicum."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import load_file

from modicum.errors import CheckpointError
from modicum.exporting.logits import Logits, LogitTrace
from modicum.whitebox import WhiteBox

__all__ = ["SCRIPT", "adapter_logits"]

SCRIPT = """
import json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "modicum":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
asked = json.load(sys.stdin)
import torch
from peft import PeftModel
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, GgufConfig

plain = {"gguf_file": asked["gguf"], "quantization_config": GgufConfig(dequantize=True)}
model = AutoModelForCausalLM.from_pretrained(
    asked["base"],
    dtype=getattr(torch, asked["dtype"]),
    trust_remote_code=False,
    use_safetensors=None if asked["gguf"] else True,
    **(plain if asked["gguf"] else {}),
)
model = PeftModel.from_pretrained(model, asked["adapter"]).eval()
with torch.inference_mode():
    found = {
        str(i): model(torch.tensor([row["tokens"]])).logits[0, row["start"] :].float().contiguous()
        for i, row in enumerate(asked["rows"])
    }
try:
    import modicum
except ModuleNotFoundError:
    save_file(found, asked["out"])
"""
"""What the process runs; it answers only where modicum cannot be imported."""
_LONGEST_S = 900


def adapter_logits(
    origin: str, adapter: Path, probes: Sequence[LogitTrace], like: WhiteBox
) -> list[Logits]:
    """Return the scores of the base model with an adapter, computed on the processor.

    Args:
        origin: Folder, GGUF file or hub id of the base model.
        adapter: A PEFT folder.
        probes: What is scored.
        like: Whose number format and threads are used.

    Raises:
        CheckpointError: it does not load there.
    """
    path = Path(origin).expanduser()
    is_file = path.is_file()
    base = str((path.parent if is_file else path).resolve()) if path.exists() else origin
    with tempfile.TemporaryDirectory(prefix="modicum-fresh-") as scratch:
        out = Path(scratch) / "logits.safetensors"
        asked = {
            "base": base,
            "gguf": path.name if is_file else "",
            "dtype": str(like.dtype).removeprefix("torch."),
            "adapter": str(adapter.resolve()),
            "rows": [{"tokens": p.tokens, "start": len(p.prompt) - 1} for p in probes],
            "out": str(out),
        }
        done = subprocess.run(
            [sys.executable, "-I", "-W", "ignore", "-c", SCRIPT],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            check=False,
            timeout=_LONGEST_S,
            env={**os.environ, "OMP_NUM_THREADS": str(like.threads)},
        )
        if done.returncode or not out.is_file():
            raise CheckpointError(
                f"the adapter does not load without modicum: {done.stderr.strip()[-400:]}",
                "an adapter that PEFT loads",
                "report this",
            )
        found = load_file(out)
    return [found[str(i)] for i in range(len(probes))]
