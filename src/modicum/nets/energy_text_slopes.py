"""Energies and slopes of an autoregressive net, written out: learned without a graph of graphs.

Source: Pearlmutter 1994, "Fast exact multiplication by the Hessian"; `energy_text_passes` says how.
"""

import math
from collections.abc import Callable
from typing import Any, Protocol, final

import torch
from jaxtyping import Float
from torch import Tensor

from modicum.nets.energy_text import EnergyTextNet, Observed
from modicum.nets.energy_text_blocks import Places
from modicum.nets.energy_text_passes import FoldedLayer, LayerPass, NormPass

__all__ = ["Slopes"]


@final
class Slopes:
    """What gives slopes of a net as its weights stand; whoever changes them makes another."""

    def __init__(self, net: EnergyTextNet) -> None:
        """Fold the weights."""
        self.net = net
        self.folded = [FoldedLayer(layer) for layer in net.blocks]
        self.candidates, self.head = net.candidates.detach(), net.head.detach()
        self.last_scale = net.last.scale.detach() * math.sqrt(self.head.shape[1])
        self.d_last = self.head * self.last_scale

    def __call__(
        self,
        seen: tuple[Observed, Places],
        candidates: Float[Tensor, "rows places vocabulary"],
        landscape: int,
        *,
        is_learned: bool,
    ) -> tuple[Float[Tensor, "rows places vocabulary"], Float[Tensor, "rows places"]]:
        """Return the slope of the summed energy with respect to candidates, and the energies.

        Args:
            seen: Of the ids, and where the candidates stand.
            candidates: Distributions over the next id.
            landscape: Of the step.
            is_learned: Whether the slope has a gradient: of the weights, of what was observed and of the
                candidates. The energies have none.
        """
        observed, places = seen
        if not is_learned:
            walk = _Walk(self, observed, places, candidates.detach(), landscape)
            return walk.back(), walk.energies
        applied: Callable[..., tuple[Tensor, Tensor]] = _Learned.apply
        flat = [one for pair in observed for one in pair]
        return applied(self, places, landscape, candidates, *self.learned, *flat)

    def energies(
        self, seen: tuple[Observed, Places], candidates: Tensor, landscape: int
    ) -> Float[Tensor, "rows places"]:
        """Return the energies alone; no gradient is made."""
        return _Walk(self, *seen, candidates.detach(), landscape).energies

    @property
    def learned(self) -> list[Tensor]:
        """The weights that a slope depends on, in the order of their gradients."""
        net = self.net
        found: list[Tensor] = [net.candidates, net.last.scale, net.head]
        if net.shape.conditioning == "added":
            found.append(net.landscapes)
        for layer in net.blocks:
            found += [layer.read, layer.write, layer.rise, layer.fall]
            found += [layer.before_mixing.scale, layer.before_rise.scale]
        return found


@final
class _Walk:
    """One way up the net; `back` goes down again, and `gradients` both ways once more."""

    def __init__(
        self,
        slopes: Slopes,
        observed: Observed,
        places: Places,
        candidates: Tensor,
        landscape: int,
    ) -> None:
        """Find the energies; no graph is made."""
        self._slopes, net = slopes, slopes.net
        self._candidates = candidates.flatten(0, 1)
        with torch.no_grad():
            rows = self._candidates @ slopes.candidates
            if net.shape.conditioning == "added":
                rows += net.landscapes[landscape]
            self._layers: list[LayerPass] = []
            for folded, seen in zip(slopes.folded, observed, strict=True):
                self._layers.append(LayerPass(folded, seen, places, rows))
                rows = self._layers[-1].out
            self._last = NormPass(rows)
            self.energies = (self._last.out @ slopes.d_last.T).view(candidates.shape[:2])

    @torch.no_grad()
    def back(self) -> Float[Tensor, "rows places vocabulary"]:
        """Return the slope."""
        rows = self._last.back(self._slopes.d_last.expand_as(self._last.out))
        for layer in reversed(self._layers):
            rows = layer.back(rows)
        self._d_rows = rows
        slope = rows @ self._slopes.candidates.T
        return slope.view(*self.energies.shape, -1)

    def gradients(self, direction: Tensor, landscape: int) -> tuple[Tensor, list[Tensor]]:
        """Return the gradient of (slope . direction): of candidates, of the weights and of what was seen."""
        slopes, net = self._slopes, self._slopes.net
        flat = direction.flatten(0, 1)
        rows = flat @ slopes.candidates
        for layer in self._layers:
            rows = layer.along(rows)
        last = self._last.along(rows).sum(0, keepdim=True)
        rows = self._last.back_along(None)
        found: list[list[Tensor]] = []
        for layer in reversed(self._layers):
            rows, own = layer.back_along(rows)
            found.insert(0, own)
        tables = (self._candidates.T @ rows).addmm_(flat.T, self._d_rows)
        root = math.sqrt(last.shape[1])
        scale = (last * slopes.head).squeeze(0).mul_(root)
        weights = [tables, scale, last * slopes.last_scale]
        if net.shape.conditioning == "added":
            told = torch.zeros_like(net.landscapes)
            told[landscape] = rows.sum(0)
            weights.append(told)
        weights += [part for own in found for part in own[:6]]
        seen = [part for own in found for part in own[6:]]
        return (rows @ slopes.candidates.T).view_as(direction), [*weights, *seen]


class _Held(Protocol):
    """What torch hands from a call to its gradient."""

    walk: _Walk | None
    landscape: int

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say which have no gradient."""
        ...


class _Learned(torch.autograd.Function):
    """A slope with a gradient."""

    @staticmethod
    def forward(
        ctx: _Held,
        slopes: Slopes,
        places: Places,
        landscape: int,
        candidates: Tensor,
        *tensors: Tensor,
    ) -> tuple[Tensor, Tensor]:
        flat = tensors[len(slopes.learned) :]
        observed = list(zip(flat[::2], flat[1::2], strict=True))
        ctx.walk = walk = _Walk(slopes, observed, places, candidates, landscape)
        ctx.landscape = landscape
        ctx.mark_non_differentiable(walk.energies)
        return walk.back(), walk.energies

    @staticmethod
    def backward(ctx: _Held, *grads: Tensor) -> tuple[Any, ...]:
        walk, ctx.walk = ctx.walk, None
        if walk is None:
            msg = "the gradient of a slope was asked for twice; what it needs is gone"
            raise RuntimeError(msg)
        own, rest = walk.gradients(grads[0].contiguous(), ctx.landscape)
        return None, None, None, own, *rest
