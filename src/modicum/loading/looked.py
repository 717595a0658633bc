"""A model's files, looked at before weights are read: what they ask for, and what they would take.

What a stranger's folder says switches nothing on: no kernel of the hub, no other loader, no class but a
tokenizer, no file outside. Sizes in a configuration are held against the tensors that are there, on a
model without memory, so that a number cannot take it.
"""

import base64
import contextlib
import math
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    PreTrainedConfig,
    PreTrainedTokenizerBase,
)
from transformers.utils.hub import cached_file
from transformers.utils.import_utils import DummyObject

from modicum.errors import CheckpointError
from modicum.files.foreign import read_table, shards_of, switches_of
from modicum.files.headers import Head, gguf_head, safetensors_head
from modicum.plain import JsonObject

__all__ = ["check_tokenizer", "configured"]

MOST_BYTES = 2 << 30
"""Memory that a configuration may take before it is held against the weights."""
_MOST_MISSING = 1 << 26
"""Numbers that a model may have beyond those in its files before they are looked for in vain."""
_MOST_BUFFERS = 1 << 30
_TABLES = (
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "tokenizer.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
_WEIGHTS, _INDEX, _ADAPTER = (
    "model.safetensors",
    "model.safetensors.index.json",
    "adapter_config.json",
)
_SIZES = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "intermediate_size",
    "vocab_size",
    "max_position_embeddings",
)
"""Entries that must be whole numbers from 1 on, where they are there."""
_LARGEST = 2**31
_MOST_LABELS = 1 << 16
_ONE = threading.Lock()
"""Held while the limit stands, which is the process's and not a thread's."""
_PLAIN_ATTENTION = (None, "eager", "sdpa")


def configured(where: str, gguf: Path | None, *, trusted: bool) -> PreTrainedConfig:
    """Return a model's configuration, once its files have been looked at.

    Args:
        where: A folder, or a hub id.
        gguf: The GGUF file within it, if that holds the weights.
        trusted: Whether the user lets the model's own code run: then nothing is refused.

    Raises:
        CheckpointError: a file asks for more than its weights, or for more weights than there are.
        Exception: whatever else transformers raises on what it cannot read.
    """
    files = _Files(where)
    named = {"gguf_file": gguf.name} if gguf else {}
    if trusted:
        own: PreTrainedConfig = AutoConfig.from_pretrained(where, trust_remote_code=True, **named)
        return own
    tables = {name: files.table(name) for name in _TABLES}
    _refuse_switches(where, files, tables)
    _refuse_words(where, tables)
    with _limited():
        config = AutoConfig.from_pretrained(where, trust_remote_code=False, **named)
        if not isinstance(config, PreTrainedConfig):
            raise _refused(where, "a configuration that is none")
        _choose_attention(config)
        head = gguf_head(gguf) if gguf else files.head()
        _check_sizes(where, config, head)
        _check_build(where, config, head)
    return config


def check_tokenizer(folder: str) -> None:
    """Look at a folder's tokenizer, as `configured` does where a model comes with it.

    Raises:
        CheckpointError: its files ask for code, or for something that is no tokenizer.
    """
    files = _Files(folder)
    table = files.table("tokenizer_config.json")
    _refuse_words(folder, {"config.json": {}, "tokenizer.json": files.table("tokenizer.json")})
    asked = next(switches_of(table), None) or _no_tokenizer(table)
    if asked is not None:
        raise _refused(folder, f"its files ask for {asked}")


class _Files:
    """The files of a folder, or those of a hub id that the hub gives."""

    def __init__(self, where: str) -> None:
        self._where, self._folder = where, Path(where) if Path(where).is_dir() else None

    def path(self, name: str) -> Path | None:
        """Return a file of that name, or None; from the hub it is fetched."""
        if self._folder is not None:
            path = self._folder / name
            return path if path.exists() else None
        found = cached_file(
            self._where,
            name,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_gated_repo=False,
            _raise_exceptions_for_connection_errors=False,
        )
        return None if found is None else Path(found)

    def table(self, name: str) -> JsonObject:
        """Return what a JSON file holds; nothing where it is missing."""
        path = self.path(name)
        if path is None:
            return {}
        try:
            return read_table(path, 1 << 30 if name == "tokenizer.json" else 64 << 20)
        except ValueError as error:
            raise _refused(self._where, f"a broken {name}: {error}") from error

    def head(self) -> Head | None:
        """Return names and shapes of all tensors, as transformers will take them; None where unknown."""
        single, index = self.path(_WEIGHTS), self.path(_INDEX)
        try:
            if single is not None:
                head = safetensors_head(single)
                if head.shapes:
                    return head
                raise ValueError("all tensors missing in its weights")
            if index is None:
                return None  # loading says what is missing
            shards = shards_of(index.parent) if self._folder else self._fetched(index)
            heads = [safetensors_head(path) for path in shards or ()]
        except ValueError as error:
            raise _refused(self._where, f"does not load: {error}") from error
        return Head({name: shape for head in heads for name, shape in head.shapes.items()})

    def _fetched(self, index: Path) -> list[Path]:
        """Fetch the parts that an index of the hub names, and give them by the index's rules."""
        named = read_table(index).get("weight_map")
        for name in {str(file) for file in named.values()} if isinstance(named, dict) else ():
            self.path(name)
        return shards_of(index.parent) or []


def _refuse_switches(where: str, files: _Files, tables: Mapping[str, JsonObject]) -> None:
    """Refuse what would have a library start more than the model type's own code.

    Raises:
        CheckpointError: it asks for it; `trust_remote_code` lets it.
    """
    if files.path(_ADAPTER) is not None:
        raise CheckpointError(
            f"{where!r} holds a PEFT adapter, which names another model",
            "a whole model",
            "merge it into its base first, or lay the weights apart",
        )
    config = tables["config.json"]
    asked = next(switches_of(config), None)
    for table in (tables["tokenizer_config.json"], config):
        asked = asked or _no_tokenizer(table)
    if asked is not None:
        raise _refused(where, f"its files ask for {asked}")


def _no_tokenizer(table: JsonObject) -> str | None:
    """Say which tokenizer a table names that is none; None where there is nothing to say."""
    kind = table.get("tokenizer_class")
    if kind is None or _is_tokenizer(kind):
        return None
    return f"tokenizer_class = {kind!r:.60}, which is no tokenizer"


def _refuse_words(where: str, tables: Mapping[str, JsonObject]) -> None:
    """Refuse what would take a library's memory or its process before any size is checked.

    Raises:
        CheckpointError: labels beyond all measure, each of which becomes a name; a table of a
            tokenizer's normalizer that is none.
    """
    for name, number in _numbers(tables["config.json"]):
        if name == "num_labels" and abs(number) > _MOST_LABELS:
            raise _refused(where, f"num_labels = {number:,}")
    parts: list[object] = [tables["tokenizer.json"].get("normalizer")]
    while parts:
        part = parts.pop()
        parts += part if isinstance(part, list) else part.values() if isinstance(part, dict) else ()
        if isinstance(part, dict) and not _is_charsmap(part.get("precompiled_charsmap", "")):
            raise _refused(where, "a precompiled_charsmap that is damaged in its tokenizer.json")


def _is_charsmap(value: object) -> bool:
    """Say whether a normalizer's table states its own length rightly; else the library aborts."""
    if not isinstance(value, str):
        return value is None
    try:
        raw = base64.b64decode(value, validate=True)
    except ValueError:
        return False
    size = int.from_bytes(raw[:4], "little")
    return not raw or (len(raw) >= 4 and size % 4 == 0 and size <= len(raw) - 4)


def _is_tokenizer(name: object) -> bool:
    """Say whether transformers would take a tokenizer for the name, or the plain one for none."""
    if not isinstance(name, str):
        return False
    there = {one for one in (name, name.removesuffix("Fast"), f"{name}Fast") if one in _NAMES}
    if not all("Tokenizer" in one or one.endswith("Backend") for one in there):
        return False  # without importing what it is
    return all(_is_kind(getattr(transformers, one)) for one in there)


def _is_kind(found: object) -> bool:
    """Say whether what transformers has under a name is a tokenizer, or stands for one not installed."""
    return isinstance(found, type) and (
        issubclass(found, PreTrainedTokenizerBase) or isinstance(found, DummyObject)
    )


_NAMES = frozenset({*dir(transformers), *vars(transformers), *dir(type(transformers))})
"""What transformers finds by a name: any of its classes, functions and modules."""


def _choose_attention(config: PreTrainedConfig) -> None:
    """Leave the choice of attention to transformers where a plain one is not named."""
    for part in [config, *_parts(config)]:
        if part._attn_implementation not in _PLAIN_ATTENTION:
            part._attn_implementation_internal = None


def _parts(config: PreTrainedConfig) -> list[Any]:
    parts = [getattr(config, name, None) for name in config.sub_configs]
    return [part for part in parts if isinstance(part, PreTrainedConfig)]


def _check_sizes(where: str, config: PreTrainedConfig, head: Head | None) -> None:
    """Refuse numbers that no model of these tensors has.

    Raises:
        CheckpointError: a size below 1 or beyond all measure, more layers or parts than tensors.
    """
    text = config.get_text_config()
    for name in _SIZES:
        value = _size(text, name)
        sizes = value if isinstance(value, list | tuple) else [] if value is None else [value]
        if not all(type(size) is int and 0 < size < _LARGEST for size in sizes):
            raise _refused(where, f"{name} = {value!r:.60} in its configuration")
    if head is None:
        return
    tensors = len(head.shapes)
    most = max([tensors, *(size for shape in head.shapes.values() for size in shape)])
    for name, number in _numbers(config.to_dict()):
        limit = tensors if name.endswith(("layers", "layer", "blocks")) else most
        if name.startswith(("num_", "n_")) and name not in ("n_positions", "n_ctx"):
            if number > limit:
                raise _refused(where, f"{name} = {number:,}, and {tensors} tensors")
        elif name.endswith("layers") and number > limit:
            raise _refused(where, f"{name} = {number:,}, and {tensors} tensors")


def _size(config: PreTrainedConfig, name: str) -> object:
    """Return a size; None where there is none, none for all layers, or none that is bounded."""
    try:
        value = getattr(config, name, None)
    except RuntimeError:  # it varies by layer
        return None
    return None if (name, value) == ("max_position_embeddings", -1) else value


def _numbers(table: object) -> Iterator[tuple[str, int]]:
    """Return the whole numbers of a table and of the tables in it, by name."""
    parts: list[object] = [table]
    while parts:
        part = parts.pop()
        for name, value in part.items() if isinstance(part, dict) else ():
            if type(value) is int:
                yield str(name), value
            else:
                parts.append(value)


def _check_build(where: str, config: PreTrainedConfig, head: Head | None) -> None:
    """Build the model without memory, and refuse one that is larger than its files.

    Raises:
        CheckpointError: it has more numbers than its files hold, or buffers beyond all measure.
    """
    with torch.device("meta"):
        module = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    buffers = sum(b.numel() * b.element_size() for b in module.buffers())
    if buffers > _MOST_BUFFERS:
        raise _refused(where, f"a configuration with {buffers:.0e} bytes of buffers")
    if head is None or getattr(config, "quantization_config", None):
        return  # packed numbers are fewer than the model's
    wanted = sum(math.prod(p.shape) for p in module.parameters())
    if wanted > 1.02 * head.numbers + _MOST_MISSING:
        raise _refused(
            where, f"a configuration with {wanted:.2e} numbers, and {head.numbers:.2e} in its files"
        )


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Limit what this process may take meanwhile, where the system can: the rest is an error."""
    if sys.platform != "linux":
        yield
        return
    import resource  # noqa: PLC0415 - not there on every system

    with _ONE:
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit = pages * resource.getpagesize() + MOST_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit if soft < 0 else min(limit, soft), hard))
        try:
            yield
        except MemoryError as error:
            most = f"{MOST_BYTES >> 30} GB"
            raise MemoryError(f"more than {most} before its weights are read") from error
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _refused(where: str, why: str) -> CheckpointError:
    return CheckpointError(
        f"{where!r}: {why}",
        "a model whose files are data: weights, sizes and words",
        "take another model; only where you trust its files and what they start: ?trust_remote_code=true",
    )
