"""A vector baked into biases: the whole model, plain for every runtime that reads `mlp_bias`."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

import torch
from torch import nn
from transformers import AutoConfig

from modicum.errors import CheckpointError, ConfigError
from modicum.export import ExportForm, LoadedBack, Parcel, refuse_more
from modicum.exporting.logits import (
    apart,
    limit_of,
    nudged_logits,
    plain_logits,
    probes_of,
    steering_of,
    whitebox_of,
)
from modicum.exporting.weights import USE, load_folder, save_folder
from modicum.nudge import Solver
from modicum.nudge.sites import blocks, site_module
from modicum.nudge.steering import Steering
from modicum.training.changes import Adapter, Vectors, Weights
from modicum.whitebox import WhiteBox

__all__ = ["Baked"]

_LAST = "down_proj"
"""The last linear layer of a Llama-type MLP."""


@final
@dataclass(frozen=True)
class Baked(ExportForm):
    """For vectors that act at every position, on architectures with the slot.

    What is added after a layer is added to the bias of its last linear layer, which the residual
    stream passes on as it is. Where the model has no such biases they are added as zeros.
    """

    relation: ClassVar[str] = "finetune"

    def check(self, parcel: Parcel) -> None:
        """Refuse vectors and architectures that cannot be baked.

        Raises:
            ConfigError: no vector, one that acts at some positions only, or no slot for it.
        """
        steering = steering_of(parcel)
        if steering is None:
            raise ConfigError(
                f"{parcel.trial.method} left no vector", "a vector", "use the form that fits"
            )
        refuse_more(parcel, Vectors, Adapter, Weights)
        if steering.where != "all":
            raise ConfigError(
                f"a vector that acts at {steering.place}",
                "one that acts at every position: a bias always does",
                "use the form vector, or find the vector with where = all",
            )
        if any(d.site == "attention" for d in steering.directions):
            raise ConfigError(
                "a vector at the attention of a layer", "one after layers", "use the form vector"
            )
        if not parcel.origin or not _has_slot(parcel.origin):
            raise ConfigError(
                f"the architecture of {parcel.base}, which knows no mlp_bias",
                "a Llama-type configuration with mlp_bias",
                "use the form vector or gguf",
            )

    def write(self, parcel: Parcel, solver: Solver, folder: Path) -> None:
        """Write the model with the vector in its biases."""
        whitebox = whitebox_of(solver)
        save_folder(whitebox, _baked(whitebox, _steering(parcel)), folder)

    def load_back(self, parcel: Parcel, solver: Solver, folder: Path) -> LoadedBack:
        """Load it with transformers alone."""
        whitebox = whitebox_of(solver)
        probes = probes_of(parcel, whitebox)
        ours = nudged_logits(whitebox, _steering(parcel), probes)
        theirs = plain_logits(load_folder(folder, whitebox), probes)
        return LoadedBack(
            "transformers", "largest logit difference", apart(ours, theirs), limit_of(whitebox)
        )

    def uses(self, parcel: Parcel, solver: Solver) -> Mapping[str, str]:
        """Any runtime that reads `mlp_bias`."""
        del parcel, solver
        return {"transformers": USE, "vLLM": "vllm serve FOLDER"}


def _steering(parcel: Parcel) -> Steering:
    steering = steering_of(parcel)
    if steering is None:
        raise CheckpointError("no vector", "a vector", "run the rung again")
    return steering


def _has_slot(origin: str) -> bool:
    """Say whether a model's configuration knows biases in the MLP; reads no weights."""
    path = Path(origin).expanduser()
    is_file = path.is_file()
    try:
        config = AutoConfig.from_pretrained(
            str(path.parent if is_file else path) if path.exists() else origin,
            trust_remote_code=False,  # not None, which asks on the terminal
            **({"gguf_file": path.name} if is_file else {}),
        )
    except Exception:  # noqa: BLE001 - a stranger's configuration makes it raise anything
        return False
    return hasattr(config.get_text_config(), "mlp_bias")


def _baked(whitebox: WhiteBox, steering: Steering) -> nn.Module:
    """Return a copy of the model with the directions in its biases.

    Raises:
        ConfigError: its MLP does not end in the linear layer that is known.
    """
    module = copy.deepcopy(whitebox.module)
    config = module.config.get_text_config()
    parts = [site_module(block, "mlp") for block in blocks(module)]
    lasts = [getattr(part, _LAST, None) for part in parts]
    if not all(isinstance(last, nn.Linear) for last in lasts):
        raise ConfigError(
            f"an MLP without {_LAST} in {type(module).__name__}", "a Llama-type MLP",
            "use the form vector or gguf",
        )  # fmt: skip
    if not config.mlp_bias:
        config.mlp_bias = True
        for linear in (x for part in parts for x in part.children() if isinstance(x, nn.Linear)):
            zeros = torch.zeros(linear.out_features, dtype=whitebox.dtype, device=whitebox.device)
            linear.bias = nn.Parameter(zeros, requires_grad=False)
    with torch.no_grad():
        for direction in steering.directions:
            bias = parts[direction.layer].get_parameter(f"{_LAST}.bias")
            bias.add_(direction.values.to(bias.device, bias.dtype))
    return module
