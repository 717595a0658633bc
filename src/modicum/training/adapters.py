"""Attaches trainable parameters to a copy of a model and saves them for other tools."""

import contextlib
import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from peft import LoraConfig, PeftConfig, PeftModel, TinyLoraConfig, get_peft_model
from peft.utils.transformers_weight_conversion import convert_peft_config_for_transformers
from safetensors.torch import load_file
from torch import nn
from transformers import PreTrainedModel
from transformers.utils import logging as transformers_logging

from modicum.errors import CheckpointError, TrialError
from modicum.files.foreign import read_table, shards_of, words_of
from modicum.nudge.parts import method_of, tensor_of
from modicum.sampling.half import adapt_half, is_half, make_half
from modicum.training.adapter_folder import CONFIG, WEIGHTS, adapter_config
from modicum.training.wide_biases import widen_biases
from modicum.whitebox import WhiteBox

__all__ = [
    "AdapterShape",
    "Parameters",
    "attach",
    "default_rate",
    "load_nudge",
    "merged",
    "save_nudge",
    "seeded",
    "settle",
]

Parameters = Literal["lora", "full", "bias", "tinylora"]


@dataclass(frozen=True)
class AdapterShape:
    """What is trained."""

    parameters: Parameters = "lora"
    """LoRA on every linear layer, all weights, the biases the architecture has, or TinyLoRA."""
    rank: int = 8
    """Rank of the LoRA matrices, or of TinyLoRA's frozen ones, at least 1."""
    alpha: float = 16.0
    """LoRA scale; the update counts alpha / rank."""
    scalars: int = 13
    """TinyLoRA: numbers that are trained, at least 1; of each layer where not `is_tied`."""
    is_tied: bool = True
    """TinyLoRA: whether all layers share them."""


def default_rate(parameters: Parameters, n_parameters: int) -> float:
    """Return a peak AdamW rate for what is trained in a model of a size.

    Small models bear larger rates; the organism's were chosen on its selection split, those of
    real models are the field's usual ones (LoRA 2e-4, all weights 2e-5).
    """
    if n_parameters < 5_000_000:
        return {"lora": 5e-4, "full": 3e-4, "bias": 1e-2, "tinylora": 1e-2}[parameters]
    return {"lora": 2e-4, "full": 2e-5, "bias": 1e-3, "tinylora": 1e-2}[parameters]


@contextlib.contextmanager
def seeded(rng: np.random.Generator) -> Iterator[None]:
    """Lend torch a state drawn from a named stream, and give the old one back.

    The one place where torch's global generator is set: PEFT draws its start values from it.
    """
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(int(rng.integers(2**62)))
        yield


def attach(
    whitebox: WhiteBox,
    shape: AdapterShape,
    rng: np.random.Generator,
    *,
    is_lent: bool = False,
) -> nn.Module:
    """Return a copy of the model with only the wanted parameters trainable.

    The given model stays untouched, bit for bit. LoRA matrices start as Kaiming and zero. Adapters and
    biases are single precision whatever the weights' format; all weights keep theirs, and what moves
    them is their `Masters`.

    Args:
        whitebox: The model.
        shape: What is trained.
        rng: Draws the start values.
        is_lent: Lend an adapter the model's own frozen weights: half the memory, and it must never
            be merged in place.

    Source: Hu et al. 2021 (2106.09685) for LoRA; Ben Zaken et al. 2021 (2106.10199) for biases;
    Morris et al. 2026 (2602.04118) for TinyLoRA.

    Raises:
        TrialError: biases wanted where the architecture has none.
    """
    lends = is_lent and shape.parameters == "lora"
    module = copy.deepcopy(whitebox.module, _kept(whitebox.module) if lends else {})
    if shape.parameters == "full":
        module.requires_grad_(requires_grad=True)
        return module
    if shape.parameters == "bias" and not _biases(module):
        msg = "parameters = 'bias', but this architecture has no biases; choose lora or full"
        raise TrialError(msg)
    config = _config(shape, rng, module)
    with seeded(rng), _quiet():
        tuned = get_peft_model(module, config)
    tuned.peft_config["default"].base_model_name_or_path = whitebox.card.name
    adapt_half(tuned)
    if shape.parameters == "bias":
        widen_biases(tuned, _biases(tuned))
        for name, parameter in tuned.named_parameters():
            # a rank-1 LoRA of zeros carries the biases in a form that PEFT loads; it stays zero
            parameter.requires_grad_(name.endswith(".bias"))
    return tuned


def _biases(module: nn.Module) -> list[str]:
    """Return the names of a module's biases."""
    return [name for name, _ in module.named_parameters() if name.endswith(".bias")]


def _kept(module: nn.Module) -> dict[int, Any]:
    """Return what a copy shares with its original instead of copying it: all weights."""
    return {id(part): part for part in (*module.parameters(), *module.buffers())}


def _config(shape: AdapterShape, rng: np.random.Generator, module: PreTrainedModel) -> PeftConfig:
    """Return PEFT's configuration of an adapter on every linear layer that can carry one."""
    linears = [name for name, part in module.named_modules() if isinstance(part, nn.Linear)]
    shared = _shared(module)
    unfit = [n for n in linears if n in shared or not _can_carry(module, n)] or None
    if shape.parameters == "tinylora":
        return TinyLoraConfig(
            r=shape.rank,
            u=shape.scalars,
            weight_tying=float(shape.is_tied),
            # PEFT draws the fixed projections from numbers of its own, counted on from this one
            projection_seed=int(rng.integers(2**31)),
            # TinyLoRA cannot leave any out by name: where some are, the others are named
            target_modules=_fit(module, linears, unfit) if unfit else "all-linear",
            task_type="CAUSAL_LM",
        )
    config = LoraConfig(
        r=shape.rank if shape.parameters == "lora" else 1,
        lora_alpha=shape.alpha,  # type: ignore[arg-type] # any number divides
        target_modules="all-linear",
        exclude_modules=unfit,
        bias="all" if shape.parameters == "bias" else "none",
        task_type="CAUSAL_LM",
    )
    foreseen = copy.deepcopy(config)
    convert_peft_config_for_transformers(foreseen, module, None)
    if shape.parameters == "lora" and not foreseen.target_parameters:
        # PEFT knows the fused experts of some architectures by itself
        config.target_parameters = _experts(module) or None
    return config


def _fit(module: PreTrainedModel, linears: Sequence[str], unfit: Sequence[str]) -> list[str]:
    """Return the layers that carry an adapter: neither unfit nor the one that scores tokens."""
    head = module.get_output_embeddings()
    return [n for n in linears if n not in unfit and module.get_submodule(n) is not head]


def _shared(module: nn.Module) -> set[str]:
    """Return the layers whose weights are other layers' too: one adapter would land on all of them."""
    names: dict[int, list[str]] = {}
    for name, weight in module.named_parameters(remove_duplicate=False):
        names.setdefault(id(weight), []).append(name.rpartition(".")[0])
    return {name for owners in names.values() if len(owners) > 1 for name in owners}


def _can_carry(module: nn.Module, name: str) -> bool:
    """Say whether a linear layer can carry an adapter.

    A router that gives more than scores cannot; nor can what a fused kernel of a Mamba reads by
    itself, past any adapter.
    """
    part = module.get_submodule(name)
    if type(part).forward is not nn.Linear.forward and not _gives_scores(part):
        return False
    owner, last = name.rpartition(".")[::2]
    parent = module.get_submodule(owner)
    path = f"{owner} {type(parent).__name__}".lower()
    is_mixer = hasattr(parent, "conv1d") and ("mamba" in path or "mixer" in path)
    return not (is_mixer and last == "out_proj")


def _gives_scores(part: nn.Module) -> bool:
    """Say whether a linear layer with a forward pass of its own gives one tensor, as a plain one."""
    weight = tensor_of(part, "weight")
    with torch.no_grad():
        given = part(weight.new_zeros(2, weight.shape[1]))
    return isinstance(given, torch.Tensor) and given.shape == (2, weight.shape[0])


def _experts(module: nn.Module) -> list[str]:
    """Return the names of weights that hold all experts of a layer in one tensor."""
    return [
        name
        for name, weight in module.named_parameters()
        if weight.ndim == 3
        and "expert"
        in f"{name} {type(module.get_submodule(name.rpartition('.')[0])).__name__}".lower()
    ]


def save_nudge(whitebox: WhiteBox, tuned: nn.Module, folder: Path) -> int:
    """Write a PEFT adapter, or all weights as a transformers folder; gives the bytes of weights.

    Both load without modicum; never a pickle.
    """
    with _quiet():
        _write(whitebox, tuned, folder)
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def _write(whitebox: WhiteBox, tuned: nn.Module, folder: Path) -> None:
    if isinstance(tuned, PeftModel):
        # False: `auto` would ask the hub whether the vocabulary was changed
        tuned.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)  # an empty form; `export` writes a card
    else:
        method_of(tuned, "save_pretrained")(folder, safe_serialization=True)
        whitebox.tokenizer.save_pretrained(str(folder))


def settle(tuned: nn.Module) -> PreTrainedModel:
    """Return the plain module with the nudge in its weights, frozen and ready to sample.

    Raises:
        TrialError: it is no model of transformers.
    """
    module = tuned.merge_and_unload() if isinstance(tuned, PeftModel) else tuned
    module.eval().requires_grad_(requires_grad=False)
    if not isinstance(module, PreTrainedModel):
        raise TrialError(f"{type(module).__name__}, expected a model of transformers")
    return module


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep progress bars of milliseconds and other libraries' deprecations off the screen."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def load_nudge(whitebox: WhiteBox, folder: Path) -> PreTrainedModel:
    """Return a copy of the model with a saved nudge in its weights.

    Raises:
        CheckpointError: missing, broken, of another model, or more than numbers.
    """
    try:
        with _quiet():
            return _load(whitebox, folder)
    except CheckpointError:
        raise
    except Exception as error:  # a stranger's file makes the libraries raise anything
        raise _refused(folder, words_of(error)) from error


def _load(whitebox: WhiteBox, folder: Path) -> PreTrainedModel:
    if (folder / CONFIG).exists():
        return merged(copy.deepcopy(whitebox.module), folder)
    return settle(_load_whole(whitebox, folder))


def merged(module: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """Merge the adapter in a folder into a module, which is changed.

    Raises:
        CheckpointError: the adapter is broken, of another model, or more than numbers.
    """
    config = adapter_config(folder, module)
    with warnings.catch_warnings():
        # transformers renames some layers' weights as it loads, and PEFT then misses them
        warnings.filterwarnings("ignore", message="Found missing adapter keys")
        tuned = PeftModel.from_pretrained(module, str(folder), config=config)
    _fill(tuned, load_file(folder / WEIGHTS))
    return settle(tuned)


def _fill(tuned: nn.Module, saved: Mapping[str, torch.Tensor]) -> None:
    """Set every adapter weight as it was saved, whatever its layer is called in between."""

    def of(name: str) -> torch.Tensor | None:
        return saved.get(name.replace(".default", ""))

    fine = [name for name in _biases(tuned) if getattr(of(name), "dtype", None) == torch.float32]
    widen_biases(tuned, fine)
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            own = of(name)
            if own is not None and own.shape == parameter.shape:
                parameter.copy_(own)


def _load_whole(whitebox: WhiteBox, folder: Path) -> nn.Module:
    """Read all weights into a model of the same make: by its own configuration, not the folder's."""
    try:
        said = read_table(folder / "config.json").get("architectures")
        shards_of(folder)
    except ValueError as error:
        raise _refused(folder, str(error)) from error
    kind = type(whitebox.module)
    if not isinstance(said, list) or kind.__name__ not in said:
        raise _refused(folder, f"the architecture {said!r:.80}, expected {kind.__name__}")
    config = copy.deepcopy(whitebox.module.config)
    module: nn.Module = kind.from_pretrained(
        folder, config=config, use_safetensors=True, trust_remote_code=False, dtype=whitebox.dtype
    )
    if is_half(whitebox.module):
        make_half(module)
    return module


def _refused(folder: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"the nudge in {str(folder)!r}: {why}",
        "an adapter or all weights, as training writes them",
        "put the study's own folder back, or run the study again in a new folder",
    )
