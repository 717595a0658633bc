"""What a policy trains: an adapter, all weights, or steering vectors; and how rollouts see it."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast, final

import numpy as np
import torch
from peft import PeftModel
from peft.tuners.lora import Linear as LoraLinear
from peft.tuners.lora import ParamWrapper
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from transformers import PreTrainedModel

from modicum.errors import TrialError
from modicum.ledger import Ledger
from modicum.nudge import Change
from modicum.nudge.attach import Attached, columns_of, text_columns
from modicum.nudge.parts import method_of, tensor_of
from modicum.nudge.sites import chosen_layers
from modicum.nudge.steering import Direction, Steering, Where
from modicum.sampling.capture import capture
from modicum.training.adapters import AdapterShape, attach, save_nudge
from modicum.training.changes import Vectors, change_of
from modicum.training.masters import Masters
from modicum.training.rollouts import Batch
from modicum.training.scoring import Scores, Whole, is_beyond, room_for, score
from modicum.whitebox import WhiteBox

__all__ = ["Trainable", "TrainedVectors", "TrainedWeights"]


class Trainable(ABC):
    """Parameters under training."""

    named: dict[str, nn.Parameter]
    """What is trained, by name; single precision or wider."""
    whitebox: WhiteBox
    """The model as it was before."""
    learning_rate: float
    """AdamW's rate for these parameters."""

    @property
    @abstractmethod
    def scored(self) -> nn.Module:
        """The module that scores completions."""

    @abstractmethod
    def score(self, batch: Batch, temperature: float = 1.0) -> Scores:
        """Return the log-probabilities and entropies of each completion's tokens, with gradients."""

    @abstractmethod
    def write(self) -> None:
        """Let what scores and what samples have the parameters as they are now."""

    @abstractmethod
    def sampler(self) -> WhiteBox:
        """Return a model with the parameters as they are now, for rollouts."""

    @abstractmethod
    def change(self) -> Change:
        """Return the parameters as they are now as what a nudge changes; ends the training."""

    @final
    def state(self) -> dict[str, Tensor]:
        """Return a copy of the parameters."""
        return {name: p.detach().cpu().clone() for name, p in self.named.items()}

    @final
    def load(self, state: dict[str, Tensor]) -> None:
        """Set the parameters."""
        with torch.no_grad():
            for name, parameter in self.named.items():
                parameter.copy_(state[name])
        self.write()


@final
class TrainedWeights(Trainable):
    """An adapter, or all weights, on a copy of the model."""

    module: nn.Module
    """The copy, the adapter in it."""

    def __init__(
        self,
        whitebox: WhiteBox,
        shape: AdapterShape,
        learning_rate: float,
        rng: np.random.Generator,
    ) -> None:
        """Attach what is trained; the given model stays untouched."""
        self.whitebox, self.learning_rate = whitebox, learning_rate
        self.module = attach(whitebox, shape, rng, is_lent=True).eval()
        self._masters = Masters(self.module)
        self.named = self._masters.named
        self._plain: nn.Module = self.module
        if isinstance(self.module, PeftModel) and _can_be_added(self.module, whitebox.dtype):
            # Rollouts run plain weights: an adapter's extra products would slow every step. In half
            # precision they run the adapter itself, for adding rounds its first small changes away.
            self._plain = _plain_copy(whitebox.module, self.module)

    @property
    def scored(self) -> nn.Module:
        """The tuned copy."""
        return self.module

    def score(self, batch: Batch, temperature: float = 1.0) -> Scores:
        """Return the scores of the tuned copy."""
        is_tight = is_beyond(batch, room_for(self.whitebox, self.module))
        return score(self.module, batch, temperature, is_tight=is_tight)

    def write(self) -> None:
        """Round what is trained in single precision into weights of a coarser format."""
        self._masters.write()

    def sampler(self) -> WhiteBox:
        """Return the plain model with the adapter's change added, or in half precision both."""
        if isinstance(self.module, PeftModel) and self._plain is not self.module:
            _settle_into(self.module, self._plain)
        return self.whitebox.with_module(cast(PreTrainedModel, self._plain))

    def change(self) -> Change:
        """Return the adapter, or all weights, with the module that rollouts ran on."""
        sampler = self.sampler()
        self._masters.release()
        return change_of(self.whitebox, self.module, sampler.module)

    def save(self, folder: Path) -> int:
        """Write what a server loads while it is trained; return the bytes of weights."""
        return save_nudge(self.whitebox, self.module, folder)


@final
class TrainedVectors(Trainable):
    """One vector a chosen layer, all weights frozen.

    Source: Sinii et al. 2025 (2505.18706).
    Differs: where the vectors act is a setting; they may act at the first generated token alone.
    """

    def __init__(
        self, whitebox: WhiteBox, layers: Sequence[int], where: Where, learning_rate: float
    ) -> None:
        """Prepare vectors of zeros.

        Args:
            whitebox: The model; its weights are only read.
            layers: Indices of layers; all of them where empty.
            where: Positions at which they act.
            learning_rate: AdamW's rate.
        """
        self.whitebox, self.learning_rate, self._where = whitebox, learning_rate, where
        # Gradients pass through the weights without being kept for them.
        module = whitebox.module.requires_grad_(requires_grad=False)
        wanted = list(chosen_layers(module, layers))
        # Not the configuration's: some residual streams are several of its widths abreast.
        hidden = capture(whitebox, [[0]], wanted[:1], Ledger()).shape[-1]
        # Single precision whatever the weights': small steps would be lost in bfloat16.
        self.named = {
            f"layer.{layer}": nn.Parameter(torch.zeros(hidden, device=whitebox.device))
            for layer in wanted
        }

    @property
    def steering(self) -> Steering:
        """The vectors as a nudge; gradients flow to the parameters."""
        directions = (Direction(int(n.split(".")[1]), p) for n, p in self.named.items())
        return Steering(tuple(directions), self._where)

    @property
    def scored(self) -> nn.Module:
        """The model, which is steered only while it scores."""
        return self.whitebox.module

    def score(self, batch: Batch, temperature: float = 1.0) -> Scores:
        """Return the scores of the steered model."""
        steering = self.steering
        laid = Attached(self.whitebox.module, steering)

        def steer(run: bool | Whole) -> None:
            if isinstance(run, Whole):
                columns = text_columns(steering, run.width, run.starts)
                laid.begin(
                    columns.to(batch.tokens.device) if isinstance(columns, Tensor) else columns
                )
            else:
                laid.begin(columns_of(steering, is_prompt=run))

        try:
            is_tight = is_beyond(batch, room_for(self.whitebox))
            scores = score(self.whitebox.module, batch, temperature, steer, is_tight=is_tight)
            laid.require()
        finally:
            laid.detach()
        return scores

    def write(self) -> None:
        """Do nothing: the parameters themselves steer."""

    def sampler(self) -> WhiteBox:
        """Return the model with the vectors as they are now."""
        return self.whitebox.with_steering(self._fixed())

    def change(self) -> Change:
        """Return the vectors."""
        return Vectors(self._fixed(), self.whitebox.card.weights)

    def _fixed(self) -> Steering:
        """Return the vectors as they are now, apart from what is trained."""
        fixed = tuple(
            Direction(d.layer, d.values.detach().clone()) for d in self.steering.directions
        )
        return Steering(fixed, self._where)


def _tuner_layers(tuned: PeftModel) -> Iterator[tuple[str, BaseTunerLayer]]:
    """Yield the layers that carry an adapter, by their names in the plain model."""
    for name, part in tuned.get_base_model().named_modules():
        if isinstance(part, BaseTunerLayer):
            yield name, part


def _can_be_added(tuned: PeftModel, dtype: torch.dtype) -> bool:
    """Say whether plain weights can hold the adapter's change: single precision, no fused experts."""
    layers = (part for _, part in _tuner_layers(tuned))
    return dtype == torch.float32 and not any(isinstance(part, ParamWrapper) for part in layers)


def _plain_copy(module: nn.Module, tuned: PeftModel) -> nn.Module:
    """Return a frozen copy of the plain model that shares all weights but those the adapter changes."""
    changed = {name for name, _ in _tuner_layers(tuned)}
    named = (*module.named_parameters(), *module.named_buffers())
    shared = {id(part): part for name, part in named if name.rpartition(".")[0] not in changed}
    # tied weights bear two names: what is changed under either is copied
    for name in changed:
        for part in module.get_submodule(name).parameters(recurse=False):
            shared.pop(id(part), None)
    return copy.deepcopy(module, shared).eval().requires_grad_(requires_grad=False)


def _settle_into(tuned: PeftModel, plain: nn.Module) -> None:
    """Write each layer's weights with its adapter's change into the plain model of the same shape."""
    with torch.no_grad():
        for name, part in _tuner_layers(tuned):
            source, target = part.get_base_layer(), plain.get_submodule(name)
            weight, into = tensor_of(source, "weight"), tensor_of(target, "weight")
            if into.shape != weight.shape:
                msg = f"layer {name!r} of the sampled model has another shape than the tuned one"
                raise TrialError(msg)
            if isinstance(part, LoraLinear) and isinstance(source, nn.Linear):
                down, up = (
                    tensor_of(side["default"], "weight") for side in (part.lora_A, part.lora_B)
                )
                scale = part.scaling["default"]
                torch.addmm(weight, up, down, alpha=scale, out=into)
            else:
                change = method_of(part, "get_delta_weight")("default")
                into.copy_(weight + change)
            if source.bias is not None:
                tensor_of(target, "bias").copy_(tensor_of(source, "bias"))
