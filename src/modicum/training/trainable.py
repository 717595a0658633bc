"""What a policy trains: an adapter, all weights, or steering vectors; and how rollouts see it."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast, final

import numpy as np
import torch
from jaxtyping import Float
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from modicum.errors import TrialError
from modicum.steering.attach import Attached
from modicum.steering.nudge import Direction, Steering, Where, save_steering
from modicum.steering.sites import blocks
from modicum.training.adapters import AdapterShape, attach, save_nudge
from modicum.training.rollouts import Batch
from modicum.whitebox import WhiteBox

__all__ = ["Trainable", "TrainedVectors", "TrainedWeights"]


class Trainable(ABC):
    """Parameters under training."""

    named: dict[str, nn.Parameter]
    """What is trained, by name; single precision where small."""
    whitebox: WhiteBox
    """The model as it was before."""
    learning_rate: float
    """AdamW's rate for these parameters."""

    @abstractmethod
    def logits(self, batch: Batch) -> Float[Tensor, "rows longest vocab"]:
        """Gives the scores that predict each completion's tokens, with gradients."""

    @abstractmethod
    def sampler(self) -> WhiteBox:
        """Gives a model with the parameters as they are now, for rollouts."""

    @abstractmethod
    def save(self, folder: Path) -> int:
        """Writes the nudge for other tools; gives the bytes of weights."""

    @final
    def state(self) -> dict[str, Tensor]:
        """Gives a copy of the parameters."""
        return {name: p.detach().cpu().clone() for name, p in self.named.items()}

    @final
    def load(self, state: dict[str, Tensor]) -> None:
        """Sets the parameters."""
        with torch.no_grad():
            for name, parameter in self.named.items():
                parameter.copy_(state[name])


@final
class TrainedWeights(Trainable):
    """An adapter, or all weights, on a copy of the model."""

    def __init__(
        self,
        whitebox: WhiteBox,
        shape: AdapterShape,
        learning_rate: float,
        rng: np.random.Generator,
    ) -> None:
        """Attaches what is trained; the given model stays untouched."""
        self.whitebox, self.learning_rate = whitebox, learning_rate
        self._tuned = attach(whitebox, shape, rng).eval()
        self.named = {n: p for n, p in self._tuned.named_parameters() if p.requires_grad}
        self._plain: nn.Module = self._tuned
        if isinstance(self._tuned, PeftModel):
            # Rollouts run plain weights: an adapter's extra products would slow every step.
            self._plain = copy.deepcopy(whitebox.module).eval().requires_grad_(requires_grad=False)

    def logits(self, batch: Batch) -> Float[Tensor, "rows longest vocab"]:
        """Gives the scores of the tuned copy."""
        return _run(self._tuned, batch)

    def sampler(self) -> WhiteBox:
        """Gives the plain model with the adapter's change added to its weights."""
        if isinstance(self._tuned, PeftModel):
            _settle_into(self._tuned, self._plain)
        return self.whitebox.with_module(cast(Any, self._plain))

    def save(self, folder: Path) -> int:
        """Writes a PEFT adapter, or all weights."""
        return save_nudge(self.whitebox, self._tuned, folder)


@final
class TrainedVectors(Trainable):
    """One vector a chosen layer, all weights frozen.

    Source: Sinii et al. 2025 (2505.18706).
    Differs: where the vectors act is a setting; they may act at the first generated token alone.
    """

    def __init__(
        self, whitebox: WhiteBox, layers: Sequence[int], where: Where, learning_rate: float
    ) -> None:
        """Prepares vectors of zeros.

        Args:
            whitebox: The model; its weights are only read.
            layers: Indices of layers; all of them where empty.
            where: Positions at which they act.
            learning_rate: AdamW's rate.
        """
        self.whitebox, self.learning_rate, self._where = whitebox, learning_rate, where
        # Gradients pass through the weights without being kept for them.
        module = whitebox.module.requires_grad_(requires_grad=False)
        wanted = list(layers) or list(range(len(blocks(module))))
        hidden = module.config.get_text_config().hidden_size
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

    def logits(self, batch: Batch) -> Float[Tensor, "rows longest vocab"]:
        """Gives the scores of the steered model."""
        laid = Attached(self.whitebox.module, self.steering)
        try:
            columns = torch.arange(batch.ids.shape[1], device=batch.ids.device)
            acts = {
                "first": columns == batch.start,
                "generated": columns >= batch.start,
                "all": columns >= 0,
            }[self._where]
            laid.begin(acts.float().expand(batch.ids.shape))
            logits = _run(self.whitebox.module, batch)
            laid.require()
        finally:
            laid.detach()
        return logits

    def sampler(self) -> WhiteBox:
        """Gives the model with the vectors as they are now."""
        fixed = tuple(
            Direction(d.layer, d.values.detach().clone()) for d in self.steering.directions
        )
        return self.whitebox.with_steering(Steering(fixed, self._where))

    def save(self, folder: Path) -> int:
        """Writes `vector.safetensors`."""
        notes = {"base": self.whitebox.card.weights}
        return save_steering(self.steering, folder / "vector.safetensors", notes)


def _run(module: nn.Module, batch: Batch) -> Float[Tensor, "rows longest vocab"]:
    """Gives the scores that predict the completions; nothing is computed for the prompt's tokens."""
    longest = batch.tokens.shape[1]
    output = cast(Any, module)(
        input_ids=batch.ids,
        attention_mask=batch.mask,
        position_ids=batch.places,
        use_cache=False,
        logits_to_keep=longest + 1,
    )
    logits: Tensor = output.logits
    return logits[:, -longest - 1 : -1]


def _settle_into(tuned: PeftModel, plain: nn.Module) -> None:
    """Writes each layer's weights with its adapter's change into the plain model of the same shape."""
    parts = dict(plain.named_modules())
    base = cast(Any, tuned).get_base_model()
    with torch.no_grad():
        for name, part in base.named_modules():
            if not isinstance(part, BaseTunerLayer):
                continue
            source = cast(Any, part.get_base_layer())
            change = cast(Any, part).get_delta_weight("default")
            target = cast(Any, parts[name])
            if target.weight.shape != source.weight.shape:
                msg = f"layer {name!r} of the sampled model has another shape than the tuned one"
                raise TrialError(msg)
            target.weight.copy_(source.weight + change)
            if source.bias is not None:
                target.bias.copy_(source.bias)
