"""A PEFT adapter of another tool, laid on its base model: the same trust, and never code of its own."""

import json
from pathlib import Path
from typing import Any, cast

from peft import PeftModel
from safetensors import SafetensorError
from transformers import AutoTokenizer

from modicum.errors import CheckpointError
from modicum.models._checkpoint import Running, check_source, open_source
from modicum.sampling.local import Local

__all__ = ["check_adapter", "is_adapter", "open_adapter"]

_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_MERGED = frozenset(
    {"ADALORA", "BOFT", "IA3", "LOHA", "LOKR", "LORA", "OFT", "RANDLORA", "TINYLORA", "VERA"}
)
"""Kinds that become part of the weights."""
_BROKEN = (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError, SafetensorError)


def is_adapter(source: str) -> bool:
    """Say whether a folder holds an adapter and no whole model."""
    folder = Path(source).expanduser()
    return (folder / _CONFIG).is_file() and not (folder / "config.json").is_file()


def check_adapter(source: str) -> None:
    """Look at an adapter's files and at its base, and load no weights.

    Raises:
        CheckpointError: a pickle, an unknown kind, or no base where it is said to be.
    """
    folder = Path(source).expanduser()
    if not (folder / _WEIGHTS).is_file():
        raise CheckpointError(
            f"no {_WEIGHTS} in {source!r}",
            "an adapter in safetensors: pickles can run any code",
            "convert it where you trust it, with PEFT's save_pretrained",
        )
    settings = _settings(folder)
    kind = str(settings.get("peft_type"))
    if kind not in _MERGED or settings.get("megatron_config"):
        raise CheckpointError(
            f"an adapter of the kind {kind} in {source!r}",
            f"one that can be merged: {', '.join(sorted(_MERGED))}",
            "merge it into its base with the tool that made it",
        )
    check_source(_base(folder, settings))


def open_adapter(source: str, running: Running) -> Local:
    """Load the base model and merge the adapter into it.

    Raises:
        CheckpointError: base or adapter do not load.
    """
    check_adapter(source)
    folder = Path(source).expanduser()
    base = _base(folder, _settings(folder))
    plain = open_source(base, name=base, running=running)
    try:
        tuned = PeftModel.from_pretrained(
            cast(Any, plain.module), str(folder), use_safetensors=True
        )
        module = cast(Any, tuned).merge_and_unload().eval().requires_grad_(requires_grad=False)
        has_own = (folder / "tokenizer_config.json").is_file()
        tokenizer = AutoTokenizer.from_pretrained(folder) if has_own else plain.tokenizer
    except _BROKEN as error:
        raise CheckpointError(
            f"the adapter in {source!r} does not fit {base!r}: {error}",
            "an adapter of this base model",
            "look at base_model_name_or_path in its adapter_config.json",
        ) from error
    notes = (f"adapter merged into {base}",)
    return Local(
        module, tokenizer, name=source, notes=notes, rows=running.rows, threads=running.threads
    )


def _settings(folder: Path) -> dict[str, Any]:
    """Give the adapter's configuration.

    Raises:
        CheckpointError: it is no JSON table.
    """
    try:
        settings = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"a broken {_CONFIG} in {str(folder)!r}: {error}", "JSON", "fetch the adapter again"
        ) from error
    if not isinstance(settings, dict):
        raise CheckpointError(f"{_CONFIG} holds no table", "a table", "fetch the adapter again")
    return settings


def _base(folder: Path, settings: dict[str, Any]) -> str:
    """Give the folder or hub id of the base model.

    Raises:
        CheckpointError: none is named.
    """
    base = str(settings.get("base_model_name_or_path") or "")
    if not base:
        raise CheckpointError(
            f"no base_model_name_or_path in {str(folder / _CONFIG)!r}",
            "the folder or hub id of the base model",
            "write it there, or merge the adapter into its base first",
        )
    beside = folder / base
    return str(beside) if beside.exists() else base
