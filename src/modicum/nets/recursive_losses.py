"""Losses of recursive nets: cross-entropy after softmax or stablemax, divergence of Gaussians."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

__all__ = ["ASKED_NOT", "balanced", "cross_entropy", "divergence", "symlog"]

ASKED_NOT = -1
"""Target of a position that has none: it counts in no loss, and no posterior sees anything there."""

_TO_PRIOR = 0.8
"""Share of the divergence's gradient that moves the prior (Hafner et al. 2020, 2010.02193)."""


def symlog(logits: Float[Tensor, "*rows"]) -> Float[Tensor, "*rows"]:
    """Return sign(x) log(1 + |x|), whose softmax is the stablemax of the logits.

    Source: Prieto et al. 2025 (2501.04697) for stablemax; the identity is arithmetic:
    exp(symlog(x)) is x + 1 at and above 0, and 1 / (1 - x) below.
    """
    return torch.sign(logits) * torch.log1p(logits.abs())


def cross_entropy(
    logits: Float[Tensor, "rows length vocabulary"],
    targets: Int[Tensor, "rows length"],
    loss: str = "softmax",
) -> Float[Tensor, " rows"]:
    """Return each row's mean loss over the positions that have a target, in single precision.

    Args:
        logits: Of every position.
        targets: Token ids, `ASKED_NOT` where there is none.
        loss: `softmax` or `stablemax`.
    """
    told = logits.float()
    told = symlog(told) if loss == "stablemax" else told
    flat = functional.cross_entropy(
        told.flatten(0, 1), targets.flatten(), ignore_index=ASKED_NOT, reduction="none"
    )
    asked = (targets != ASKED_NOT).sum(1).clamp(min=1)
    return flat.view_as(targets).sum(1) / asked


def balanced(
    posterior: Float[Tensor, "*rows"], prior: Float[Tensor, "*rows"]
) -> tuple[Float[Tensor, "*rows"], Float[Tensor, "*rows"]]:
    """Return both as they are, with gradients scaled so that the prior moves to the posterior most.

    Used on means and deviations before `divergence`: its value stays, its gradient becomes that of
    0.8 KL(sg(q) || p) + 0.2 KL(q || sg(p)).
    """
    # lerp from a to a is a to the bit, while its gradient is the weight
    return (
        torch.lerp(posterior.detach(), posterior, 1 - _TO_PRIOR),
        torch.lerp(prior.detach(), prior, _TO_PRIOR),
    )


def divergence(
    q_mean: Float[Tensor, "*rows width"],
    q_log: Float[Tensor, "*rows width"],
    p_mean: Float[Tensor, "*rows width"],
    p_log: Float[Tensor, "*rows width"],
) -> Float[Tensor, "*rows"]:
    """Return KL(q || p) of diagonal Gaussians in nats, summed over channels, in single precision.

    Args:
        q_mean: Means of q.
        q_log: Natural logarithms of its deviations.
        p_mean: Means of p.
        p_log: Natural logarithms of its deviations.
    """
    q_mean, q_log, p_mean, p_log = (part.float() for part in (q_mean, q_log, p_mean, p_log))
    wider = p_log - q_log
    apart = (q_mean - p_mean) * torch.exp(-p_log)
    each = wider + 0.5 * (torch.exp(-2 * wider) + apart.square())
    return each.sum(-1) - 0.5 * q_mean.shape[-1]
