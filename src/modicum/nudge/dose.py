"""How long a direction may be: the dose that spends a budget of divergence, in nats a token.

A direction v added to activations h moves the logits z along a curve z(g). Its slope says how far
a dose g goes: exactly to second order (Fisher), and as a bound that holds with the curvature.
What the dose really spends is measured; both formulas only say where to begin and what to expect.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Dosed", "Slope", "bisected", "bound", "bounded_dose", "divergences", "slope_of"]

_MOST_DOUBLINGS = 12


@dataclass(frozen=True)
class Slope:
    """How logits answer to a direction of length one at dose 0, over many positions."""

    speed: float
    """Root mean square of ||dz/dg||, in nats; the shift that all logits share is left out."""
    curvature: float
    """Root mean square of ||d²z/dg²||, likewise."""
    fisher: float
    """Mean variance of dz/dg under the model's own distribution: twice the divergence per g²."""

    def fisher_dose(self, budget: float) -> float:
        """Return the dose that spends a budget to second order: KL = g² Var(dz/dg) / 2.

        Infinite where the direction moves no probability.
        """
        return math.sqrt(2 * budget / self.fisher) if self.fisher > 0 else math.inf


@dataclass(frozen=True)
class Dosed:
    """A dose found by measuring."""

    dose: float
    spent: float
    """Measured divergence, nats a token."""
    tries: int
    """Measurements that it took."""
    is_met: bool
    """Whether the budget was met within the tolerance; else the nearest below it stands."""


def divergences(
    plain: Float[Tensor, "positions vocab"], steered: Float[Tensor, "positions vocab"]
) -> Float[Tensor, " positions"]:
    """Return KL(plain || steered) at each position, in nats, from logits of any shift."""
    before, after = plain.float().log_softmax(-1), steered.float().log_softmax(-1)
    return (before.exp() * (before - after)).sum(-1).clamp(min=0)


def slope_of(
    below: Float[Tensor, "positions vocab"],
    at: Float[Tensor, "positions vocab"],
    above: Float[Tensor, "positions vocab"],
    step: float,
) -> Float[Tensor, "positions 3"]:
    """Return ||dz/dg||², ||d²z/dg²||² and Var(dz/dg) at each position by central differences.

    Args:
        below: Logits at dose -step.
        at: Logits at dose 0.
        above: Logits at dose step.
        step: Small dose, above 0.
    """
    first = (above.double() - below.double()) / (2 * step)
    second = (above.double() - 2 * at.double() + below.double()) / step**2
    weights = at.double().softmax(-1)
    mean = (weights * first).sum(-1, keepdim=True)
    # a shift that all logits share moves no probability
    first_free = first - first.mean(-1, keepdim=True)
    second_free = second - second.mean(-1, keepdim=True)
    return torch.stack(
        [
            first_free.square().sum(-1),
            second_free.square().sum(-1),
            (weights * (first - mean).square()).sum(-1),
        ],
        -1,
    ).float()


def bound(slope: Slope, dose: float) -> float:
    """Return what a dose spends at most, nats a token: (a g + L g²/2)² / 4.

    The logits move by at most a g + L g²/2, and the divergence is at most a quarter of the square
    of that, since no softmax has a Hessian beyond 1/2. With root mean squares over positions it
    bounds the mean divergence (Minkowski), as far as the curvature at dose 0 bounds the curve's.

    Source: Azizi et al. 2025 (2507.04742), the bound before its quartic term is dropped.
    """
    return (slope.speed * dose + slope.curvature * dose**2 / 2) ** 2 / 4


def bounded_dose(slope: Slope, budget: float) -> float:
    """Return the dose at which the bound equals a budget: (sqrt(a² + 4 L sqrt(e)) - a) / L.

    Source: Azizi et al. 2025 (2507.04742).
    Differs: the bound is a perfect square, whose root is elementary; the paper solves a cubic for
    it and shortens the root by a factor that reaches 0 where curvature rules.
    """
    a, curved, reach = slope.speed, slope.curvature, 2 * math.sqrt(budget)
    if a == 0 and curved == 0:
        return math.inf
    # the same root written so that it keeps its digits where the curvature is small
    return 2 * reach / (a + math.sqrt(a**2 + 2 * curved * reach))


def bisected(
    measure: Callable[[float], float],
    budget: float,
    start: float,
    *,
    tolerance: float = 0.05,
    most: int = 16,
) -> Dosed:
    """Return the dose whose measured divergence is a budget, by doubling and then halving.

    Args:
        measure: Gives the divergence of a dose, nats a token.
        budget: What may be spent, above 0.
        start: Dose to begin with, above 0 and finite.
        tolerance: Share of the budget within which it counts as met.
        most: Measurements at most.
    """
    low, high, dose = 0.0, math.inf, start
    best = Dosed(0.0, 0.0, 0, is_met=False)
    for tries in range(1, most + 1):
        spent = measure(dose)
        if abs(spent - budget) <= tolerance * budget:
            return Dosed(dose, spent, tries, is_met=True)
        if spent < budget:
            low = dose
            best = Dosed(dose, spent, tries, is_met=False)
        else:
            high = dose
        if math.isinf(high) and dose >= start * 2**_MOST_DOUBLINGS:
            break
        dose = _next(low, high)
    return Dosed(best.dose, best.spent, tries, is_met=False)


def _next(low: float, high: float) -> float:
    """Double until a dose spends too much, halve until one spends too little, then close in."""
    if math.isinf(high):
        return 2 * low
    return math.sqrt(low * high) if low > 0 else high / 2
