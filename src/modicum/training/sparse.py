"""Trains a BatchTopK sparse autoencoder on activations; a killed run goes on where it stood."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from modicum.errors import TrialError
from modicum.ledger import Ledger
from modicum.nets.sparse import BatchTopK, Sparse
from modicum.seeds import stream
from modicum.training.checkpoint import Checkpoint
from modicum.training.fit import Course, Descent, Lesson, Taken, fit
from modicum.training.passes import Passes
from modicum.training.progress_line import loss_line

__all__ = ["Fit", "Learned", "SparseRecipe", "fit_of", "train_sparse"]

_RESCUE = 1 / 32
"""Weight of the loss on dead features (Gao et al. 2024)."""
_CLIP = 1.0
"""Largest norm of a gradient."""
_DECAY = 0.2
"""Share of the steps, the last ones, in which the rate falls to 0."""
_ROWS = 2048
"""Activations at once where nothing is trained."""


@dataclass(frozen=True)
class SparseRecipe:
    """How large, how long, how fast."""

    features: int
    """Directions, at least k."""
    k: int
    """Features that fire for an activation on average, at least 1."""
    steps: int
    """Optimiser steps, at least 1."""
    batch: int = 256
    """Activations a step."""
    learning_rate: float = 2e-3
    """Adam's, constant until it falls at the end."""
    dead_after: int = 20
    """Steps without firing after which a feature counts as dead and is rescued."""


@dataclass(frozen=True)
class Fit:
    """How well an autoencoder stands for activations."""

    unexplained: float
    """Share of the activations' variance that it misses; 1 for their mean alone."""
    firing: float
    """Features that fire for an activation, on average."""
    dead: float
    """Share of the features that fire for none."""
    counts: tuple[int, ...]
    """Activations for which each feature fires."""


@dataclass(frozen=True, eq=False)
class Learned:
    """What came of it."""

    net: Sparse
    curves: tuple[Mapping[str, float], ...]
    """Loss, share of dead features, one entry a step."""


def train_sparse(
    activations: Float[Tensor, "rows hidden"],
    recipe: SparseRecipe,
    name: str,
    ledger: Ledger,
    checkpoint: Path | None = None,
) -> Learned:
    """Learn directions of which few rebuild each activation.

    Inputs are brought to mean 0 and a mean square of 1 a number; the scale is folded back, so that
    the net in use takes activations as they are. Its threshold is the mean over batches of the
    smallest activation that BatchTopK kept.

    Args:
        activations: At least two rows, single precision, on the processor.
        recipe: How.
        name: Names the random streams; equal names, rows and threads give equal bits.
        ledger: Counts steps; rows count as trained tokens.
        checkpoint: File that a killed run goes on from; none where None.

    Raises:
        TrialError: nothing varies, or a loss that is not finite.
    """
    centre = activations.mean(0)
    scale = float((activations - centre).pow(2).mean().sqrt())
    if len(activations) < 2 or not scale > 0:
        msg = f"{len(activations)} activations that do not vary: there is nothing to learn"
        raise TrialError(msg)
    rows = activations / scale
    learning = _Learning(rows, recipe, name)
    with torch.no_grad():
        learning.net.decoder_bias.copy_(centre / scale)
    optimiser = torch.optim.Adam(list(learning.named.values()), lr=recipe.learning_rate)
    kept = Checkpoint(checkpoint, learning, optimiser, ledger)
    course = Course(
        recipe.steps,
        lambda step: recipe.learning_rate * _rate(step, recipe.steps),
        lambda curves: ledger.says(loss_line(curves, recipe.steps)),
    )
    descent = Descent(optimiser, list(learning.named.values()), _CLIP)
    fitted = fit(learning, descent, course, ledger, kept, kept.restore())
    mixed = rows[torch.from_numpy(stream(name, "threshold").permutation(len(rows)))]
    threshold = _threshold(learning.net, mixed, recipe.batch)
    return Learned(_folded(learning.net, scale, threshold), fitted.curves)


def fit_of(net: Sparse, activations: Float[Tensor, "rows hidden"]) -> Fit:
    """Return how well a net stands for activations as they are."""
    missed, counts = 0.0, torch.zeros(net.encoder.shape[1])
    with torch.inference_mode():
        for rows in torch.split(activations, _ROWS):
            fired = net.encode(rows)
            missed += float((rows - net.decode(fired)).pow(2).sum())
            counts += (fired > 0).sum(0)
        whole = float((activations - activations.mean(0)).pow(2).sum())
    return Fit(
        missed / whole,
        float(counts.sum()) / len(activations),
        float((counts == 0).float().mean()),
        tuple(int(n) for n in counts),
    )


@final
class _Learning(Lesson):
    """The net with its count of idle steps, as a checkpoint keeps them."""

    def __init__(self, rows: Float[Tensor, "rows hidden"], recipe: SparseRecipe, name: str) -> None:
        first = stream(name, "directions")
        self.net = BatchTopK(rows.shape[1], recipe.features, recipe.k, first)
        self.idle = torch.zeros(recipe.features)
        self.flops = 4.0 * self.net.decoder.numel()
        self._rows, self._recipe, n = rows, recipe, len(rows)
        self._order = Passes(
            n, min(n, recipe.batch), lambda number: stream(name, "order", number).permutation(n)
        )

    @property
    def named(self) -> Mapping[str, nn.Parameter]:
        return dict(self.net.named_parameters())

    def state(self) -> dict[str, Tensor]:
        return {**super().state(), "idle": self.idle.clone()}

    def load(self, state: dict[str, Tensor]) -> None:
        super().load(state)
        self.idle = state["idle"].clone()

    def step(self, number: int, curves: Sequence[Mapping[str, float]], descent: Descent) -> Taken:
        """Take one step; gives the share of variance missed and the share of dead features."""
        del curves
        rows = self._rows[torch.from_numpy(self._order.step(number))]
        dead = self.idle >= self._recipe.dead_after
        (loss, fired), _ = descent.take(lambda: self._backward(rows, dead))
        self.net.make_unit()
        self.idle = (self.idle + 1) * (fired.amax(0) == 0)
        return Taken({"loss": loss, "dead": float(dead.float().mean())}, (len(rows),))

    def _backward(
        self, rows: Float[Tensor, "rows hidden"], dead: Bool[Tensor, " features"]
    ) -> tuple[float, Float[Tensor, "rows features"]]:
        """Leave the gradient of a batch; gives the loss and what fired."""
        seen, fired = self.net(rows)
        missed = rows - self.net.decode(fired)
        loss = missed.pow(2).mean()
        whole = loss + _RESCUE * self.net.rescue(seen, missed, dead)
        whole.backward()
        self.net.drop_parallel()
        return float(loss.detach()), fired.detach()


def _rate(step: int, steps: int) -> float:
    """Share of the peak rate at a step."""
    return min(1.0, (steps - step) / max(1.0, _DECAY * steps))


def _threshold(net: BatchTopK, rows: Float[Tensor, "rows hidden"], size: int) -> float:
    """Return the mean over batches of the smallest activation that stands.

    Source: Bussmann, Leask, Nanda 2024 (2412.06410), the equation of the threshold in use.
    """
    smallest = []
    with torch.inference_mode():
        for batch in torch.split(rows, size):
            _, fired = net(batch)
            standing = fired[fired > 0]
            if len(standing):
                smallest.append(float(standing.min()))
    return float(np.mean(smallest)) if smallest else 0.0


def _folded(net: BatchTopK, scale: float, threshold: float) -> Sparse:
    """Return the net for activations as they are: what fires grows with the scale, no direction does."""
    features = net.encoder.shape[1]
    return Sparse(
        net.encoder.detach().clone(),
        net.encoder_bias.detach() * scale,
        net.decoder.detach().clone(),
        net.decoder_bias.detach() * scale,
        torch.full((features,), threshold * scale),
    )
