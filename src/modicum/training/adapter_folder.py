"""An adapter as a folder holds it: LoRA in its common forms or TinyLoRA, and nothing else.

PEFT follows what a configuration says: it imports modules, reads caches, loads other models, runs
decompositions and searches by its patterns. A folder may be a stranger's, so that its configuration is
read here, and PEFT is given one of plain numbers and names. Which layers an adapter is on, its tensors
say where its configuration has a pattern for it.
"""

import contextlib
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from peft import LoraConfig, PeftConfig, TinyLoraConfig
from torch import nn

from modicum.errors import CheckpointError
from modicum.files.foreign import read_table
from modicum.files.headers import Head, safetensors_head
from modicum.plain import JsonObject, JsonValue

__all__ = ["CONFIG", "WEIGHTS", "adapter_config", "check_config"]

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_MARKS = {"LORA": (".lora_A.weight", ".lora_embedding_A"), "TINYLORA": (".tinylora_A",)}
"""What ends the name of the first factor of each layer's adapter."""
_PROJECTION = ".tinylora_P"
_BEFORE = "base_model.model."
_IGNORED = frozenset(
    {"auto_mapping", "base_model_name_or_path", "inference_mode", "peft_version", "revision"}
)
"""Entries that say where an adapter comes from; they are never followed."""
_CHOOSING = frozenset(
    {"exclude_modules", "layers_pattern", "layers_to_transform", "target_modules"}
)
"""Entries that say which layers have an adapter, as the tensors do too."""
_TRAINING = frozenset({"lora_dropout"})
"""Entries that mean something only while an adapter is trained."""
_STARTS = (True, False, "gaussian", "orthogonal")
"""What a LoRA may have started from: others change the weights beneath it."""
_NAME = re.compile(r"\w+(\.\w+)*")
_FUSED = re.compile(r"(\.\*\\\.)?\w+(\.\w+)*")
"""A name, or one that anything may stand before: `.*\\.NAME`."""
_MOST_TARGETS = 10_000


def adapter_config(folder: Path, module: nn.Module) -> PeftConfig:
    """Return PEFT's configuration of the adapter in a folder, for a model.

    Args:
        folder: Holds `adapter_config.json` and `adapter_model.safetensors`.
        module: The model that it is for: its tensors must be there, no fewer and of its rank.

    Raises:
        CheckpointError: missing or broken, beyond what is read, or of another model.
    """
    with _in_words(folder):
        config, head = _read(folder)
        _check_tensors(config, head, module)
    return config


def check_config(folder: Path) -> None:
    """Look at an adapter without its model.

    Raises:
        CheckpointError: missing or broken, or beyond what is read.
    """
    with _in_words(folder):
        _read(folder)


@contextlib.contextmanager
def _in_words(folder: Path) -> Iterator[None]:
    """Turn what is wrong with an adapter's files into one error that names them."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise CheckpointError(
            f"the adapter in {str(folder)!r} ({CONFIG}, {WEIGHTS}): {error}",
            "a LoRA (rsLoRA and DoRA too) or a TinyLoRA of this model, in safetensors",
            "take the folder that its trainer wrote, or merge the adapter into its model with PEFT",
        ) from error


def _read(folder: Path) -> tuple[PeftConfig, Head]:
    """Return the configuration, and what tensors there are.

    Raises:
        ValueError: broken, or more than is read.
    """
    table, head = read_table(folder / CONFIG), safetensors_head(folder / WEIGHTS)
    config = _tiny(table) if table.get("peft_type") == "TINYLORA" else _lora(table, head)
    _refuse_more({"task_type": "CAUSAL_LM", **_said(table)}, config)
    return config, head


def _said(table: JsonObject) -> dict[str, JsonValue]:
    """Return the entries that say anything."""
    return {name: value for name, value in table.items() if value is not None}


def _lora(table: JsonObject, head: Head) -> LoraConfig:
    if table.get("peft_type") != "LORA":
        raise ValueError(f"peft_type = {table.get('peft_type')!r:.60}")
    bias = table.get("bias", "none")
    if bias not in ("none", "all", "lora_only"):
        raise ValueError(f"bias = {bias!r:.60}")
    if table.get("init_lora_weights", True) not in _STARTS:
        raise ValueError(f"init_lora_weights = {table['init_lora_weights']!r:.60}")
    return LoraConfig(
        r=_count(table, "r"),
        lora_alpha=cast(int, _number(table, "lora_alpha")),  # PEFT only divides it
        target_modules=_chosen(table, head),
        exclude_modules=_names(table, "exclude_modules") or None,
        target_parameters=_names(table, "target_parameters") or None,
        modules_to_save=_names(table, "modules_to_save") or None,
        rank_pattern={name: _count(part, name) for name, part in _pattern(table, "rank_pattern")},
        alpha_pattern={
            name: cast(int, _number(part, name)) for name, part in _pattern(table, "alpha_pattern")
        },
        use_rslora=table.get("use_rslora") is True,
        use_dora=table.get("use_dora") is True,
        fan_in_fan_out=table.get("fan_in_fan_out") is True,
        bias=bias,
        task_type="CAUSAL_LM",
    )


def _chosen(table: JsonObject, head: Head) -> list[str]:
    """Return the layers with an adapter: by name, or by the tensors where a pattern chose them."""
    if isinstance(table.get("target_modules"), list) and not table.get("layers_to_transform"):
        return _targets(table)
    found = _adapted(head, _MARKS["LORA"])
    if found:
        return sorted(found)
    raise ValueError("no tensors of a LoRA")


def _pattern(table: JsonObject, name: str) -> list[tuple[str, JsonObject]]:
    """Return the layers for which a number is set apart: by name, or as PEFT writes fused experts."""
    value = table.get(name) or {}
    if isinstance(value, dict) and all(_FUSED.fullmatch(str(layer)) for layer in value):
        return [(str(layer), value) for layer in value]
    raise ValueError(f"{name} = {value!r:.60}")


def _names(table: JsonObject, name: str) -> list[str]:
    """Return a list of names; an empty one where a pattern chose layers, which the tensors say."""
    value = table.get(name) or []
    if name in _CHOOSING and not isinstance(value, list):
        return []
    names = value if isinstance(value, list) and len(value) <= _MOST_TARGETS else [value]
    if all(isinstance(one, str) and _NAME.fullmatch(one) for one in names):
        return [str(one) for one in names]
    raise ValueError(f"{name} = {value!r:.60}")


def _tiny(table: JsonObject) -> TinyLoraConfig:
    return TinyLoraConfig(
        r=_count(table, "r"),
        u=_count(table, "u"),
        weight_tying=_number(table, "weight_tying"),
        projection_seed=_count(table, "projection_seed", least=0),
        target_modules=_targets(table),
        task_type="CAUSAL_LM",
    )


def _count(table: JsonObject, name: str, least: int = 1) -> int:
    value = table.get(name)
    if type(value) is int and least <= value < 2**32:
        return value
    raise ValueError(f"{name} = {value!r:.60}")


def _number(table: JsonObject, name: str) -> float:
    value = table.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e6:
        return float(value)
    raise ValueError(f"{name} = {value!r:.60}")


def _targets(table: JsonObject) -> list[str]:
    """Return the names of layers; a text would be a pattern to PEFT, and is none here."""
    value = table.get("target_modules")
    names = value if isinstance(value, list) and len(value) <= _MOST_TARGETS else []
    if names and all(isinstance(name, str) and _NAME.fullmatch(name) for name in names):
        return [str(name) for name in names]
    raise ValueError(f"target_modules = {value!r:.60}")


def _refuse_more(table: JsonObject, config: PeftConfig) -> None:
    """Refuse whatever else is set: an entry that is not what it is by default, or unknown and on."""
    plain: JsonObject = config.to_dict()
    for name, value in table.items():
        known = name in plain
        if name in _IGNORED | _CHOOSING | _TRAINING or (not value and not (known and plain[name])):
            continue
        if name == "init_lora_weights" or (known and _alike(value, plain[name])):
            continue
        raise ValueError(f"{name} = {value!r:.60}")


def _alike(value: object, plain: object) -> bool:
    """Say whether an entry is what was read of it; the order of names says nothing."""
    if isinstance(value, list) and isinstance(plain, list | set):
        return set(value) == set(plain)
    return value == plain


def _adapted(head: Head, marks: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """Return the shape of the first factor of each layer that has an adapter, by the layer."""
    return {
        name.removesuffix(mark).removeprefix(_BEFORE): shape
        for name, shape in head.shapes.items()
        for mark in marks
        if name.endswith(mark)
    }


def _is_of(name: str, ends: Iterable[str]) -> bool:
    """Say whether a layer is named, whole or by its end, as PEFT takes names."""
    return any(name == end or name.endswith(f".{end}") for end in ends)


def _fused(names: Collection[str], module: nn.Module) -> list[str]:
    """Return the modules whose weights are adapted by their own names: fused experts and routers.

    Raises:
        ValueError: a name that is no such weight's.
    """
    ranks = {name: weight.ndim for name, weight in module.named_parameters()}
    found: set[str] = set()
    for end in names:
        # a name without a point is one of experts: many a plain layer's is `weight`
        own = [n for n, rank in ranks.items() if _is_of(n, [end]) and (rank == 3 or "." in end)]
        found.update(name.rpartition(".")[0] for name in own)
    if names and not found:  # PEFT names some that an architecture lacks
        raise ValueError(f"target_parameters = {list(names)!r:.80}")
    return sorted(found)


def _unsaved(config: LoraConfig, head: Head, layers: int) -> list[str]:
    """Return what a LoRA's configuration says is saved beside its factors, and is not."""
    vectors = sum(name.endswith(".lora_magnitude_vector") for name in head.shapes)
    lacking = [
        name
        for name in config.modules_to_save or ()
        if not any(f".{name}." in tensor for tensor in head.shapes)
    ]
    return [*lacking, "use_dora"] if config.use_dora and vectors < layers else lacking


def _check_tensors(config: PeftConfig, head: Head, module: nn.Module) -> None:
    """Refuse an adapter whose tensors are not those that the configuration would lay out."""
    kind = str(getattr(config.peft_type, "value", config.peft_type))
    laid_out: Any = config  # either kind has these, their base has not
    targets, rank = [str(target) for target in laid_out.target_modules], laid_out.r
    left_out = getattr(laid_out, "exclude_modules", None) or ()
    fused = _fused(getattr(laid_out, "target_parameters", None) or (), module)
    ranks = {rank, *(getattr(laid_out, "rank_pattern", None) or {}).values()}
    first = _adapted(head, _MARKS[kind])
    wanted = [
        name
        for name, part in module.named_modules()
        if _is_of(name, targets) and not _is_of(name, left_out) and not list(part.children())
    ]
    lacking = sorted({*wanted, *fused} - {name.replace(".base_layer", "") for name in first})
    lacking += _unsaved(laid_out, head, len(first)) if kind == "LORA" else []
    if (not wanted and not fused) or lacking:
        raise ValueError(f"no tensors for {lacking[0] if lacking else targets[0]!r}")
    if any(
        len(shape) != 2 or (shape[0] not in ranks and not (fused and shape[0] % rank == 0))
        for shape in first.values()
    ):
        raise ValueError(f"tensors of another rank than {rank}")
    if kind == "TINYLORA":
        shape = (laid_out.u, rank, rank)
        drawn = [s for name, s in head.shapes.items() if name.endswith(_PROJECTION)]
        if len(drawn) < len(wanted) or any(found != shape for found in drawn):
            raise ValueError(f"projections of another shape than {shape}")
