"""Opens weights from a folder, a GGUF file or a hub id; never from a pickle."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GgufConfig,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.utils import logging as transformers_logging

from modicum.errors import CheckpointError, ModicumError
from modicum.files.foreign import at, is_there, read_table, words_of
from modicum.loading.device import Device, Dtype, Placement, choose_place
from modicum.loading.looked import configured
from modicum.loading.precision import (
    keep_precision,
    known_precision,
    measured_precision,
    precision_key,
)
from modicum.loading.rounded import load_rounded
from modicum.loading.telling import tell
from modicum.loading.tokens import check_rows, check_tokens
from modicum.nudge.parts import method_of
from modicum.sampling.half import make_half
from modicum.sampling.local import Local

__all__ = ["Running", "check_source", "open_source"]

_GGUF_BYTES = 0.6
"""Bytes that a parameter takes in a file of four to five bits."""
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


@dataclass(frozen=True)
class Running:
    """Where and how a model runs; None leaves the choice to `Local`."""

    rows: int | None = None
    """Completions in flight."""
    threads: int | None = None
    """CPU threads."""
    device: Device = "auto"
    """CUDA where there is one, else Apple's MPS, else the processor."""
    dtype: Dtype = "auto"
    """bfloat16 on CUDA; elsewhere float32, unless a timing speaks against it."""


def check_source(source: str) -> None:
    """Look at a folder or file without reading weights; a hub id passes.

    Raises:
        CheckpointError: missing, a pickle, an adapter without its base, or no model at all.
    """
    path = at(source)
    is_here = is_there(path)
    if is_here and path.is_file():
        _check_file(path)
    elif is_here and path.is_dir():
        _check_folder(path)
    elif source.startswith((".", "/", "~", "\\")) or source.count("/") != 1:
        raise CheckpointError(
            f"no folder or file {source!r}",
            "a model's folder, a GGUF file or a hub id (ORGANISATION/NAME)",
            "check the spelling of the path",
        )


def open_source(
    source: str,
    *,
    name: str,
    licence: str = "",
    notes: Sequence[str] = (),
    running: Running | None = None,
    trust_remote_code: bool = False,
) -> Local:
    """Load a model: single precision on the processor, bfloat16 and SDPA on a GPU.

    Raises:
        CheckpointError: weights that are missing, unsafe or broken.
        ConfigError: torch does not see the device.
    """
    running = running or Running()
    path = at(source)
    where, extra = (str(path) if path.exists() else source), {}
    gguf = _gguf(path)
    if gguf is not None:
        where, extra = str(gguf.parent), {"gguf_file": gguf.name}
        notes = (*notes, f"dequantised from {gguf.name}")
    transformers_logging.disable_progress_bar()  # ours is the run's; loading says nothing
    with _plainly(source):
        config = configured(where, gguf, trusted=trust_remote_code)
        place = choose_place(running.device, running.dtype, _size(config, gguf))
        place = _decided(place, source, config, trust_remote_code) if place.is_open else place
        module, found = _loaded(source, config, gguf, place, trusted=trust_remote_code)
        tokenizer = AutoTokenizer.from_pretrained(
            where, trust_remote_code=trust_remote_code, **extra
        )
        _check_whole(source, found["missing_keys"])
        check_tokens(source, module, tokenizer)
        method_of(module, "to")(place.device)
        module.eval()
        if _rounds(place):
            make_half(module)
        return Local(
            module,
            tokenizer,
            name=name,
            licence=licence,
            notes=(*notes, *_left_out(found["unexpected_keys"]), *_reason(module, place)),
            rows=running.rows,
            threads=running.threads,
        )


def _loaded(
    source: str, config: PreTrainedConfig, gguf: Path | None, place: Placement, *, trusted: bool
) -> tuple[PreTrainedModel, dict[str, list[str]]]:
    """Return the module, and which tensors were missing or left over."""
    path = at(source)
    if _rounds(place) and gguf is None and path.is_dir():
        rounded = load_rounded(path, config)
        if rounded is not None:
            return rounded
    where = str(gguf.parent) if gguf else str(path) if path.exists() else source
    # Quantized modules would run at a tenth of the speed and cannot be tuned.
    quantized = {"quantization_config": GgufConfig(dequantize=True)}
    loaded = AutoModelForCausalLM.from_pretrained(
        where,
        config=config,
        dtype=place.dtype,
        use_safetensors=None if gguf else True,
        trust_remote_code=trusted,
        output_loading_info=True,
        **({"gguf_file": gguf.name, **quantized} if gguf else {}),
    )
    return cast(tuple[PreTrainedModel, dict[str, list[str]]], loaded)


def _rounds(place: Placement) -> bool:
    """Say whether weights are rounded to bfloat16 for a processor."""
    return place.device == "cpu" and place.dtype == torch.bfloat16


def _decided(
    place: Placement,
    source: str,
    config: PreTrainedConfig,
    trusted: bool,
) -> Placement:
    """Return the placement with the format that suits the model on this machine, measured once."""
    key = precision_key(source, str(getattr(config, "_commit_hash", None) or ""))
    found = known_precision(key)
    if found is None:
        tell("measuring its number format (first time only)")
        # in single precision first: the model is loaded again, so that its bits depend on no history
        exact = Running(device="cpu", dtype="float32")
        found = measured_precision(
            open_source(source, name=source, running=exact, trust_remote_code=trusted)
        )
        keep_precision(key, found)
    dtype = torch.bfloat16 if found.is_half else torch.float32
    return Placement(place.device, dtype, found.reason)


@contextlib.contextmanager
def _plainly(source: str) -> Iterator[None]:
    """Turn whatever a library raises on a model's files into one error that names them.

    Raises:
        CheckpointError: anything was raised but an error of ours or the user's stop.
    """
    try:
        yield
    except ModicumError:
        raise
    except BaseException as error:
        # a stranger's files make libraries raise anything, and Rust's panics are no `Exception`
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise CheckpointError(
            f"{source!r} does not load: {words_of(error)}",
            "a transformers causal language model in safetensors or GGUF, with its tokenizer",
            "check folder or hub id; a model with code of its own needs trust_remote_code=true",
        ) from error


def _left_out(unexpected: Iterable[str]) -> list[str]:
    """Say which tensors of the files the model has no place for."""
    names = sorted(unexpected)
    return [f"{len(names)} tensors of the files left out, {names[0]!r} first"] if names else []


def _reason(module: PreTrainedModel, place: Placement) -> list[str]:
    """Say where and how it runs, where that was chosen; off the processor its attention too."""
    if not place.reason or place.device == "cpu":
        return [place.reason] if place.reason else []
    return [place.reason, f"attention by {module.config._attn_implementation}"]


def _size(config: PreTrainedConfig, gguf: Path | None) -> float:
    """About how many parameters a model has, before it is loaded."""
    if gguf is not None:
        return gguf.stat().st_size / _GGUF_BYTES
    text = config.get_text_config(decoder=True)
    if not (getattr(text, "hidden_size", 0) and getattr(text, "num_hidden_layers", 0)):
        return 0.0
    width, inner = text.hidden_size, getattr(text, "intermediate_size", None)
    inner = max(inner) if isinstance(inner, list | tuple) else inner or 4 * width
    layer = 4.0 * width * width + 3.0 * width * inner
    return float(text.num_hidden_layers * layer + text.vocab_size * width)


def _check_whole(source: str, missing: Iterable[str]) -> None:
    """Refuse weights with holes: transformers would leave them random and only warn."""
    lacking = sorted(missing)
    if lacking:
        raise CheckpointError(
            f"{len(lacking)} tensors missing in {source!r}, {lacking[0]!r} first",
            "all weights of the model",
            "download the model again",
        )


def _check_file(path: Path) -> None:
    if path.suffix in _PICKLES:
        raise _pickle(path.name, path.parent)
    if path.suffix != ".gguf":
        raise CheckpointError(
            f"the file {str(path)!r}", "a GGUF file or a folder", "give the model's folder"
        )


def _check_folder(path: Path) -> None:
    names = sorted(p.name for p in path.iterdir() if p.is_file())
    if "adapter_config.json" in names:
        raise CheckpointError(
            f"{str(path)!r} holds a PEFT adapter", "a whole model", "merge it into its base first"
        )
    if any(name.endswith(".gguf") for name in names) and "config.json" not in names:
        _only_gguf(path)
        return
    if "config.json" not in names:
        raise CheckpointError(
            f"{str(path)!r} without config.json",
            "a folder written by transformers' save_pretrained",
            "give the folder that holds config.json and the weights",
        )
    try:
        read_table(path / "config.json")
    except ValueError as error:
        raise CheckpointError(
            f"a broken config.json in {str(path)!r}: {error}", "JSON", "download the model again"
        ) from error
    if any(name.endswith((".safetensors", ".gguf")) for name in names):
        check_rows(path)
        return
    pickles = [name for name in names if name.endswith(_PICKLES)]
    if pickles:
        raise _pickle(pickles[0], path)
    raise CheckpointError(
        f"no weights in {str(path)!r}", "*.safetensors or *.gguf", "download the weights as well"
    )


def _pickle(name: str, folder: Path) -> CheckpointError:
    return CheckpointError(
        f"pickled weights {name!r} in {str(folder)!r}: loading them can run any code",
        "safetensors or GGUF",
        "convert them where you trust them: "
        "AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)",
    )


def _gguf(path: Path) -> Path | None:
    """Return the GGUF file that a path stands for, if it does."""
    if path.is_file() and path.suffix == ".gguf":
        return path
    if path.is_dir() and not list(path.glob("*.safetensors")) and list(path.glob("*.gguf")):
        return _only_gguf(path)
    return None


def _only_gguf(path: Path) -> Path:
    files = sorted(path.glob("*.gguf"))
    if len(files) > 1:
        raise CheckpointError(
            f"{len(files)} GGUF files in {str(path)!r}", "one", "give the file instead"
        )
    return files[0]
