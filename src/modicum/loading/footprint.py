"""What a model in files will take in memory, read from their heads without loading a weight."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from modicum.files.foreign import at, read_table
from modicum.files.headers import gguf_head, safetensors_head
from modicum.loading.precision import known_precision, precision_key
from modicum.model import Footprint

__all__ = ["footprint_of"]

_SINGLE, _HALF = 4, 2
"""Bytes of a number in memory: float32, the processor's own, and bfloat16."""
_TRAINED = {_SINGLE: 12, _HALF: 16}
"""Bytes that training a weight adds: its gradient, two moments and, of bfloat16, a wide master."""


def footprint_of(source: str, device: str, dtype: str = "auto") -> Footprint | None:
    """Return the footprint on the processor of a folder of safetensors or of one GGUF file.

    Numbers count as in the format that will be taken: as asked, or as it was measured for this model
    on this machine; single precision where nothing was measured yet. None for a hub id, on a GPU, or
    where the files do not say: nothing is guessed.
    """
    if not _is_processor(device):
        return None
    path = at(source)
    try:
        size = _HALF if _is_half(source, dtype) else _SINGLE
        files = [path] if path.is_file() else sorted(path.glob("*.gguf"))
        if path.is_dir() and (path / "config.json").exists() and list(path.glob("*.safetensors")):
            return _of_folder(path, size)
        return _of_gguf(files[0], size) if len(files) == 1 else None
    except (OSError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError):
        return None  # whatever a stranger's file says instead of sizes


def _is_processor(device: str) -> bool:
    if device == "auto":
        return not (torch.cuda.is_available() or torch.backends.mps.is_available())
    return device == "cpu"


def _is_half(source: str, dtype: str) -> bool:
    """Say whether weights will be bfloat16, as far as that is known before they load."""
    if dtype != "auto":
        return dtype == "bfloat16"
    found = known_precision(precision_key(source))
    return found is not None and found.is_half


def _of_folder(folder: Path, size: int) -> Footprint:
    said: dict[str, Any] = read_table(folder / "config.json")
    config = said.get("text_config", said)
    heads = int(config["num_attention_heads"])
    width = int(config.get("head_dim") or config["hidden_size"] // heads)
    shared = int(config.get("num_key_value_heads") or heads)
    count = sum(safetensors_head(path).numbers for path in folder.glob("*.safetensors"))
    return _footprint(count, int(config["num_hidden_layers"]), shared * width, size)


def _of_gguf(path: Path, size: int) -> Footprint:
    head = gguf_head(path)
    values: Mapping[str, Any] = head.values
    kind = values["general.architecture"]

    def of(name: str) -> int:
        return int(values[f"{kind}.{name}"])

    heads = of("attention.head_count")
    width = _first(values, f"{kind}.attention.key_length", of("embedding_length") // heads)
    shared = _first(values, f"{kind}.attention.head_count_kv", heads)
    return _footprint(head.numbers, of("block_count"), shared * width, size)


def _first(values: Mapping[str, Any], name: str, otherwise: int) -> int:
    """Return a number of the file's head; the largest where it is one a layer."""
    found = values.get(name, otherwise)
    return max(map(int, found)) if isinstance(found, list) else int(found)


def _footprint(count: int, layers: int, width: int, size: int) -> Footprint:
    return Footprint(count * size, 2 * layers * width * size, count * _TRAINED[size])
