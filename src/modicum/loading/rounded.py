"""A folder's weights rounded to bfloat16 while they are read: no wider copy of them lies in memory.

transformers maps a file and rounds what it finds there: of a single-precision file every page stays
resident beside the rounded weights until the last one is read, three times what the model takes.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedConfig, PreTrainedModel

__all__ = ["load_rounded"]

_AT_ONCE = 16_000_000
"""Numbers that are read before they are rounded, about."""
_SETTINGS = "generation_config.json"


def load_rounded(
    folder: Path, config: PreTrainedConfig
) -> tuple[PreTrainedModel, dict[str, Any]] | None:
    """Load a model from a folder of single-precision safetensors, with bfloat16 weights.

    Bits are those of `from_pretrained`. None where that must do it: files of another format, a model
    that keeps some of its weights in single precision, code that is not transformers' own.

    Args:
        folder: Holds the weights.
        config: The model's configuration.

    Returns:
        The module, and what transformers says of missing and unexpected tensors.
    """
    files = _files(folder)
    if (
        not files
        or getattr(config, "auto_map", None)
        or getattr(config, "quantization_config", None)
    ):
        return None
    with torch.device("meta"):
        kind = type(AutoModelForCausalLM.from_config(config))
    if kind._keep_in_fp32_modules or kind._keep_in_fp32_modules_strict:
        return None
    weights = _rounded(files)
    if weights is None:
        return None
    module, found = kind.from_pretrained(
        None, config=config, state_dict=weights, dtype=torch.bfloat16, output_loading_info=True
    )
    module.config.name_or_path = module.name_or_path = str(folder)
    if (folder / _SETTINGS).exists():
        module.generation_config = GenerationConfig.from_pretrained(folder)
    return module, found


def _files(folder: Path) -> list[Path]:
    """Return the files that hold the weights, as transformers chooses them; none where that is unclear."""
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.exists():
        return [whole]
    if not index.exists():
        return []
    names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    is_plain = all(isinstance(name, str) and Path(name).name == name for name in names)
    return [folder / name for name in sorted(names)] if is_plain else []


def _rounded(files: Iterable[Path]) -> dict[str, Tensor] | None:
    """Return all tensors, rounded; None where one is not single precision."""
    weights: dict[str, Tensor] = {}
    for path in files:
        # read instead of mapped: what was read is given back once it is rounded
        with safe_open(path, framework="pt", device="cpu", backend="pread") as file:
            for name in file.keys():  # noqa: SIM118 - no dictionary
                part = file.get_slice(name)
                if part.get_dtype() != "F32":
                    return None
                weights[name] = _tensor(part)
    return weights


def _tensor(part: Any) -> Tensor:  # noqa: ANN401 - safetensors leaves it untyped
    """Return one tensor, rounded a stretch at a time."""
    shape = part.get_shape()
    tensor = torch.empty(shape, dtype=torch.bfloat16)
    step = max(1, _AT_ONCE * shape[0] // max(tensor.numel(), 1)) if shape else 1
    if not shape or step >= shape[0]:
        return tensor.copy_(part[...])
    for first in range(0, shape[0], step):
        end = min(first + step, shape[0])
        tensor[first:end].copy_(part[first:end])
    return tensor
