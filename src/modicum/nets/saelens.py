"""Reads and writes sparse autoencoders in the form of SAELens: `cfg.json` and safetensors, no pickle."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from modicum.errors import CheckpointError
from modicum.files.foreign import read_table
from modicum.files.headers import safetensors_head
from modicum.nets.sparse import Gate, Scaling, Sparse
from modicum.plain import JsonObject

__all__ = ["SparseCard", "digest_of", "read_card", "read_sparse", "save_sparse"]

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
_SCALINGS: Mapping[str, Scaling] = {
    "none": "none",
    "layer_norm": "layer_norm",
    "constant_norm_rescale": "constant_norm",
}
_TENSORS = (
    "W_enc",
    "W_dec",
    "b_enc",
    "b_dec",
    "b_gate",
    "b_mag",
    "r_mag",
    "scaling_factor",
    "threshold",
    "log_threshold",
)
_ARCHITECTURES = ("standard", "jumprelu", "batchtopk", "topk", "gated")
_RESIDUAL = re.compile(r"blocks\.([0-9]{1,6})\.hook_resid_(pre|post)")
"""TransformerLens' names of the residual stream before and after a layer."""
_MODULE = re.compile(r"(?:[\w.]+\.)?(?:layers|h|blocks)\.([0-9]{1,6})")
"""A layer's own module, as transformers names it."""


@dataclass(frozen=True)
class SparseCard:
    """What `cfg.json` says of a sparse autoencoder; known before its weights are read."""

    folder: Path
    hidden: int
    """Width of the activations that it takes."""
    features: int
    architecture: str
    layer: int | None
    """Layer after whose output it stands, from 0; None where the file does not say."""
    model: str = ""
    """Name of the model that it was trained on, as the file gives it; never followed."""
    k: int = 0
    is_centred: bool = True
    scaling: Scaling = "none"
    is_rescaled: bool = False
    """Whether TopK compares features by what they write, decoder norms included."""


def read_card(folder: Path) -> SparseCard:
    """Read `cfg.json`, in the form of SAELens 6 or of the versions before.

    Raises:
        CheckpointError: missing or broken; an architecture, a hook or a scaling that is not known.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"no {name} in {str(folder)!r}",
                f"a folder in SAELens' form: {CONFIG} and {WEIGHTS}",
                "give the folder of one autoencoder",
            )
    try:
        said = read_table(folder / CONFIG)
        inner = said.get("metadata") or {}
        if not isinstance(inner, Mapping):
            raise TypeError(f"{type(inner).__name__!r} object is not a mapping")
        merged = {**inner, **said}
        hidden, features = _size(said, "d_in"), _size(said, "d_sae")
    except (ValueError, TypeError) as error:
        raise CheckpointError(
            f"{CONFIG} in {str(folder)!r}: {type(error).__name__} {error}",
            "a table with d_in and d_sae",
            "take the file that SAELens wrote",
        ) from error
    architecture, k = _architecture(merged, folder)
    return SparseCard(
        folder,
        hidden,
        features,
        architecture,
        _layer(merged, folder),
        str(merged.get("model_name") or ""),
        k,
        bool(merged.get("apply_b_dec_to_input", True)),
        _scaling(merged, folder),
        bool(merged.get("rescale_acts_by_decoder_norm", False)),
    )


def read_sparse(card: SparseCard, hidden: int) -> Sparse:
    """Read the weights, single precision.

    Args:
        card: What `read_card` gave.
        hidden: Width of the model's activations.

    Raises:
        CheckpointError: made for another width; tensors missing, of wrong shape, or not readable.
    """
    if card.hidden != hidden:
        raise CheckpointError(
            f"the autoencoder in {str(card.folder)!r} takes activations of width {card.hidden}",
            f"width {hidden}, the model's",
            "take one that was trained on this model",
        )
    held = _held(card)
    wide, narrow = (card.features,), (card.hidden,)
    encoder = _tensor(held, "W_enc", (*narrow, *wide), card)
    decoder = _tensor(held, "W_dec", (*wide, *narrow), card)
    bias = _tensor(held, "b_gate" if card.architecture == "gated" else "b_enc", wide, card)
    if card.is_rescaled:
        norms = decoder.norm(dim=-1)
        encoder, bias, decoder = encoder * norms, bias * norms, decoder / norms[:, None]
    if "scaling_factor" in held:  # SAELens' fine-tuned lengths, up to version 5
        decoder = decoder * _tensor(held, "scaling_factor", wide, card)[:, None]
    gate = None
    if card.architecture == "gated":
        scale = _tensor(held, "r_mag", wide, card).exp()
        gate = Gate(scale, _tensor(held, "b_mag", wide, card))
    return Sparse(
        encoder,
        bias,
        decoder,
        _tensor(held, "b_dec", narrow, card),
        _threshold(held, card),
        card.k,
        gate,
        card.is_centred,
        card.scaling,
    )


def _held(card: SparseCard) -> dict[str, Tensor]:
    """Read the tensors that an autoencoder has; of misshapen ones only the shape, of others nothing.

    Raises:
        CheckpointError: not readable.
    """
    wide, narrow = card.features, card.hidden
    sizes: set[tuple[int, ...]] = {(narrow, wide), (wide, narrow), (wide,), (narrow,)}
    try:
        shapes = safetensors_head(card.folder / WEIGHTS).shapes
        with safe_open(card.folder / WEIGHTS, "pt") as file:
            named = {name: shapes[name] for name in _TENSORS if name in shapes}
            return {
                name: _read(file, name) if shape in sizes else torch.empty(shape, device="meta")
                for name, shape in named.items()
            }
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"{WEIGHTS} in {str(card.folder)!r}: {error}", "safetensors", "fetch it again"
        ) from error


def _read(file: Any, name: str) -> Tensor:  # noqa: ANN401 - safetensors is untyped
    tensor: Tensor = file.get_tensor(name)
    return tensor.to(torch.float32)


def _size(said: JsonObject, name: str) -> int:
    """Return a width or a number of features.

    Raises:
        ValueError: no whole number from 1 on.
    """
    value = said.get(name)
    if type(value) is int and 0 < value < 2**31:
        return value
    raise ValueError(f"{name} = {value!r:.40}")


def save_sparse(net: Sparse, folder: Path, *, layer: int, model: str) -> SparseCard:
    """Write an autoencoder with a threshold as SAELens' `jumprelu`; the folder appears at once.

    Args:
        net: Without gate, k and scaling.
        folder: Where to; made here, beside its final name and moved.
        layer: Layer after whose output it stands.
        model: Name of the model.
    """
    hidden, features = net.encoder.shape
    said = {
        "architecture": "jumprelu",
        "d_in": hidden,
        "d_sae": features,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": net.is_centred,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "sae_lens_version": "6.0.0",
            "model_name": model,
            "hook_name": f"blocks.{layer}.hook_resid_post",
        },
    }
    tensors = {
        "W_enc": net.encoder,
        "b_enc": net.encoder_bias,
        "W_dec": net.decoder,
        "b_dec": net.decoder_bias,
        "threshold": net.threshold,
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file({n: t.detach().cpu().contiguous() for n, t in tensors.items()}, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)  # the library writes for its owner alone
    (folder / CONFIG).write_text(json.dumps(said, indent=1), encoding="utf-8")
    return replace(read_card(folder), folder=folder)


def digest_of(net: Sparse) -> str:
    """Return a hash of the directions and of what decides when they fire: 16 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=8)
    for tensor in (net.encoder, net.encoder_bias, net.decoder, net.decoder_bias, net.threshold):
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def _architecture(said: JsonObject, folder: Path) -> tuple[str, int]:
    """Return the architecture and its k, 0 where it has none."""
    name = str(said.get("architecture") or "standard")
    extra = said.get("activation_fn_kwargs")
    k = said.get("k") or (extra.get("k") if isinstance(extra, Mapping) else 0) or 0
    function = said.get("activation_fn") or said.get("activation_fn_str") or "relu"
    if name == "standard" and function == "topk":  # before version 6
        name = "topk"
    known = name in _ARCHITECTURES and (name != "standard" or function == "relu")
    if not known or said.get("hook_name_out"):
        kind = "a transcoder" if said.get("hook_name_out") else f"{name} with {function}"
        raise CheckpointError(
            f"an autoencoder of architecture {kind} in {str(folder)!r}",
            f"one of {', '.join(_ARCHITECTURES)}",
            "take another one",
        )
    if name != "topk":
        return name, 0
    if not (isinstance(k, int) and k > 0):
        raise CheckpointError(f"topk with k = {k!r}", "k of at least 1", f"mend {CONFIG}")
    return name, int(k)


def _layer(said: JsonObject, folder: Path) -> int | None:
    """Return the layer after whose output it stands."""
    hook = str(said.get("hook_name") or said.get("hook_point") or "")
    if not hook:
        return None
    stream, module = _RESIDUAL.fullmatch(hook), _MODULE.fullmatch(hook)
    if stream is not None:
        layer = int(stream[1]) - (stream[2] == "pre")
    elif module is not None:
        layer = int(module[1])
    else:
        layer = -1
    if layer < 0 or said.get("hook_head_index") is not None:
        raise CheckpointError(
            f"an autoencoder at {hook!r} in {str(folder)!r}",
            "one in the residual stream after a layer, such as blocks.5.hook_resid_post",
            "take another one",
        )
    return layer


def _scaling(said: JsonObject, folder: Path) -> Scaling:
    named = said.get("normalize_activations")
    wanted = "none" if named in (None, False) else str(named)
    if wanted not in _SCALINGS or said.get("reshape_activations") not in (None, "none"):
        raise CheckpointError(
            f"normalize_activations = {named!r}, reshape_activations = "
            f"{said.get('reshape_activations')!r} in {str(folder)!r}",
            f"one of {', '.join(_SCALINGS)}, and no reshaping",
            "fold the scale into its weights with SAELens and save it again",
        )
    return _SCALINGS[wanted]


def _threshold(held: Mapping[str, Tensor], card: SparseCard) -> Tensor:
    wide = (card.features,)
    if "log_threshold" in held:
        return _tensor(held, "log_threshold", wide, card).exp()
    if card.architecture in ("jumprelu", "batchtopk"):
        return torch.relu(_tensor(held, "threshold", wide, card))
    return torch.zeros(wide)


def _tensor(
    held: Mapping[str, Tensor], name: str, shape: tuple[int, ...], card: SparseCard
) -> Tensor:
    found = held.get(name)
    if found is None or tuple(found.shape) != shape:
        what = "no" if found is None else f"shape {tuple(found.shape)} of"
        raise CheckpointError(
            f"{what} {name} in {str(card.folder / WEIGHTS)!r}",
            f"shape {shape}, as {CONFIG} says of {card.architecture}",
            "fetch the folder again",
        )
    return found
