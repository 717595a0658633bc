"""Trains a BatchTopK sparse autoencoder on activations; a killed run goes on where it stood."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from modicum.errors import TrialError
from modicum.ledger import Ledger
from modicum.nets.sparse import BatchTopK, Sparse
from modicum.seeds import stream
from modicum.training.checkpoint import Checkpoint

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
    """Learns directions of which few rebuild each activation.

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
    learning = _Learning(rows.shape[1], recipe, name)
    with torch.no_grad():
        learning.net.decoder_bias.copy_(centre / scale)
    optimiser = torch.optim.Adam(list(learning.named.values()), lr=recipe.learning_rate)
    kept = Checkpoint(checkpoint, learning, optimiser, ledger)
    curves = kept.restore()
    order = _Order(len(rows), recipe, name)
    flops = 4.0 * learning.net.decoder.numel()
    for step in range(len(curves), recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * _rate(step, recipe.steps)
        batch = rows[order.rows(step)]
        curves.append(_step(learning, batch, optimiser, recipe))
        ledger.trained(len(batch), flops)
        if not np.isfinite(curves[-1]["loss"]):
            msg = f"loss {curves[-1]['loss']} at step {step} of the sparse autoencoder"
            raise TrialError(msg)
        kept.keep(curves, None)
    mixed = rows[torch.from_numpy(stream(name, "threshold").permutation(len(rows)))]
    threshold = _threshold(learning.net, mixed, recipe.batch)
    return Learned(_folded(learning.net, scale, threshold), tuple(curves))


def fit_of(net: Sparse, activations: Float[Tensor, "rows hidden"]) -> Fit:
    """Gives how well a net stands for activations as they are."""
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


class _Learning:
    """The net with its count of idle steps, as a checkpoint keeps them."""

    def __init__(self, hidden: int, recipe: SparseRecipe, name: str) -> None:
        first = stream(name, "directions")
        self.net = BatchTopK(hidden, recipe.features, recipe.k, first)
        self.idle = torch.zeros(recipe.features)

    @property
    def named(self) -> Mapping[str, nn.Parameter]:
        return dict(self.net.named_parameters())

    def state(self) -> dict[str, Tensor]:
        parameters = {name: p.detach().clone() for name, p in self.named.items()}
        return {**parameters, "idle": self.idle.clone()}

    def load(self, state: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self.named.items():
                parameter.copy_(state[name])
        self.idle = state["idle"].clone()


class _Order:
    """Which rows each step sees: whole shuffled passes, cut into batches."""

    def __init__(self, n: int, recipe: SparseRecipe, name: str) -> None:
        self._n, self._size, self._name = n, min(n, recipe.batch), name
        self._passes: dict[int, np.ndarray] = {}

    def rows(self, step: int) -> Tensor:
        first, last = step * self._size, (step + 1) * self._size
        wanted = range(first // self._n, (last - 1) // self._n + 1)
        drawn = self._passes
        self._passes = {p: drawn[p] if p in drawn else self._drawn(p) for p in wanted}
        joined = np.concatenate([self._passes[p] for p in wanted])
        skip = first - wanted[0] * self._n
        return torch.from_numpy(joined[skip : skip + self._size])

    def _drawn(self, number: int) -> np.ndarray:
        return stream(self._name, "order", number).permutation(self._n)


def _step(
    learning: _Learning,
    rows: Float[Tensor, "rows hidden"],
    optimiser: torch.optim.Optimizer,
    recipe: SparseRecipe,
) -> dict[str, float]:
    """Takes one step; gives the share of variance missed and the share of dead features."""
    net = learning.net
    seen, fired = net(rows)
    missed = rows - net.decode(fired)
    dead = learning.idle >= recipe.dead_after
    loss = missed.pow(2).mean()
    whole = loss + _RESCUE * net.rescue(seen, missed, dead)
    optimiser.zero_grad(set_to_none=True)
    whole.backward()
    net.drop_parallel()
    torch.nn.utils.clip_grad_norm_(list(learning.named.values()), _CLIP)
    optimiser.step()
    net.make_unit()
    learning.idle = (learning.idle + 1) * (fired.detach().amax(0) == 0)
    return {"loss": float(loss.detach()), "dead": float(dead.float().mean())}


def _rate(step: int, steps: int) -> float:
    """Share of the peak rate at a step."""
    return min(1.0, (steps - step) / max(1.0, _DECAY * steps))


def _threshold(net: BatchTopK, rows: Float[Tensor, "rows hidden"], size: int) -> float:
    """Gives the mean over batches of the smallest activation that stands.

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
    """Gives the net for activations as they are: what fires grows with the scale, no direction does."""
    features = net.encoder.shape[1]
    return Sparse(
        net.encoder.detach().clone(),
        net.encoder_bias.detach() * scale,
        net.decoder.detach().clone(),
        net.decoder_bias.detach() * scale,
        torch.full((features,), threshold * scale),
    )
