"""An adapter as a folder holds it: its configuration, by what training writes and by nothing else.

PEFT follows what a configuration says: it imports modules, reads caches, loads other models, runs
decompositions and searches by its patterns. A folder may be a stranger's, so that its configuration is
read here, and PEFT is given one of plain numbers and names.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from peft import LoraConfig, PeftConfig, TinyLoraConfig
from torch import nn

from modicum.errors import CheckpointError
from modicum.foreign import read_table
from modicum.heads import Head, safetensors_head

__all__ = ["CONFIG", "WEIGHTS", "adapter_config"]

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_MARKS = {"LORA": ".lora_A.weight", "TINYLORA": ".tinylora_A"}
"""What ends the name of the first factor of each layer's adapter."""
_PROJECTION = ".tinylora_P"
_BEFORE = "base_model.model."
_IGNORED = frozenset(
    {"auto_mapping", "base_model_name_or_path", "inference_mode", "peft_version", "revision"}
)
"""Entries that say where an adapter comes from; they are never followed."""
_NAME = re.compile(r"\w+(\.\w+)*")
_MOST_TARGETS = 10_000


def adapter_config(folder: Path, module: nn.Module) -> PeftConfig:
    """Gives PEFT's configuration of the adapter in a folder, for a model.

    Args:
        folder: Holds `adapter_config.json` and `adapter_model.safetensors`.
        module: The model that it is for: its tensors must be there, no fewer and of its rank.

    Raises:
        CheckpointError: missing or broken, beyond what training writes, or of another model.
    """
    try:
        table, head = read_table(folder / CONFIG), safetensors_head(folder / WEIGHTS)
        kind = table.get("peft_type")
        config = _tiny(table) if kind == "TINYLORA" else _lora(table)
        _refuse_more(table, config)
        _check_tensors(config, head, module)
    except (ValueError, TypeError) as error:
        raise CheckpointError(
            f"the adapter in {str(folder)!r} ({CONFIG}, {WEIGHTS}): {error}",
            "an adapter as training writes it: LoRA or TinyLoRA on linear layers",
            "take the folder that modicum wrote, or merge the adapter into its model",
        ) from error
    return config


def _lora(table: Mapping[str, object]) -> LoraConfig:
    if table.get("peft_type") != "LORA":
        raise ValueError(f"peft_type = {table.get('peft_type')!r:.60}")
    bias = table.get("bias", "none")
    if bias not in ("none", "all"):
        raise ValueError(f"bias = {bias!r:.60}")
    return LoraConfig(
        r=_count(table, "r"),
        lora_alpha=cast(int, _number(table, "lora_alpha")),  # PEFT only divides it
        target_modules=_targets(table),
        bias="all" if bias == "all" else "none",
        task_type="CAUSAL_LM",
    )


def _tiny(table: Mapping[str, object]) -> TinyLoraConfig:
    return TinyLoraConfig(
        r=_count(table, "r"),
        u=_count(table, "u"),
        weight_tying=_number(table, "weight_tying"),
        projection_seed=_count(table, "projection_seed", least=0),
        target_modules=_targets(table),
        task_type="CAUSAL_LM",
    )


def _count(table: Mapping[str, object], name: str, least: int = 1) -> int:
    value = table.get(name)
    if type(value) is int and least <= value < 2**32:
        return value
    raise ValueError(f"{name} = {value!r:.60}")


def _number(table: Mapping[str, object], name: str) -> float:
    value = table.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e6:
        return float(value)
    raise ValueError(f"{name} = {value!r:.60}")


def _targets(table: Mapping[str, object]) -> list[str]:
    """Gives the names of layers; a text would be a pattern to PEFT, and is none here."""
    value = table.get("target_modules")
    names = value if isinstance(value, list) and len(value) <= _MOST_TARGETS else []
    if names and all(isinstance(name, str) and _NAME.fullmatch(name) for name in names):
        return [str(name) for name in names]
    raise ValueError(f"target_modules = {value!r:.60}")


def _refuse_more(table: Mapping[str, object], config: PeftConfig) -> None:
    """Refuses whatever else is set: an entry that is not what it is by default, or unknown and on."""
    plain: Mapping[str, object] = config.to_dict()
    for name, value in table.items():
        if name in _IGNORED or name == "target_modules" or (name not in plain and not value):
            continue
        if name not in plain or value != plain[name]:
            raise ValueError(f"{name} = {value!r:.60}")


def _check_tensors(config: PeftConfig, head: Head, module: nn.Module) -> None:
    """Refuses an adapter whose tensors are not those that the configuration would lay out."""
    kind = str(getattr(config.peft_type, "value", config.peft_type))
    laid_out: Any = config  # either kind has these, their base has not
    targets, rank = [str(target) for target in laid_out.target_modules], laid_out.r
    first = {
        name.removesuffix(_MARKS[kind]).removeprefix(_BEFORE): shape
        for name, shape in head.shapes.items()
        if name.endswith(_MARKS[kind])
    }
    wanted = [
        name
        for name, _ in module.named_modules()
        if any(name == target or name.endswith(f".{target}") for target in targets)
    ]
    lacking = sorted(set(wanted) - set(first))
    if not wanted or lacking:
        raise ValueError(f"no tensors for {lacking[0] if lacking else targets[0]!r}")
    if any(len(shape) != 2 or shape[0] != rank for shape in first.values()):
        raise ValueError(f"tensors of another rank than {rank}")
    if kind == "TINYLORA":
        shape = (laid_out.u, rank, rank)
        drawn = [s for name, s in head.shapes.items() if name.endswith(_PROJECTION)]
        if len(drawn) < len(wanted) or any(found != shape for found in drawn):
            raise ValueError(f"projections of another shape than {shape}")
