"""Policy-gradient losses as pure functions: advantages, clipped ratios, three ways to average."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from modicum.made import Policy, Scale

__all__ = [
    "advantages",
    "kl_terms",
    "policy_loss",
    "ratio_terms",
    "token_scores",
]

_SMALL = 1e-4
"""Added to a standard deviation, so that equal rewards give 0 and not a quotient of zeros."""


def advantages(
    rewards: Float[Tensor, "groups rollouts"], scale: Scale = "none"
) -> Float[Tensor, "groups rollouts"]:
    """Return each reward minus its group's mean, divided as `scale` says; equal rewards give 0.

    Source: Shao et al. 2024 (2402.03300) for division by the group's (sample) standard deviation;
    Liu et al. 2025 (2503.20783) for none.
    """
    centred = rewards - rewards.mean(1, keepdim=True)
    if scale == "none":
        return centred
    spread = rewards.std(1, keepdim=True) if scale == "group" else rewards.std()
    return centred / (spread + _SMALL)


def token_scores(
    logits: Float[Tensor, "rows length vocab"],
    tokens: Int[Tensor, "rows length"],
    temperature: float = 1.0,
) -> tuple[Float[Tensor, "rows length"], Float[Tensor, "rows length"]]:
    """Return each token's log-probability and the entropy (nats) of the scores that predict it.

    Gradients flow through both. The scores are by far the largest tensor of a step, so that one
    copy of them is made where the plain formulas make eight.

    Args:
        logits: Scores at the positions before the tokens, aligned with them.
        tokens: Token ids.
        temperature: Scores are divided by it, as they were in sampling.
    """
    found: tuple[Tensor, Tensor] = _TokenScores.apply(logits, tokens, temperature)  # type: ignore[no-untyped-call]
    return found


class _TokenScores(torch.autograd.Function):
    """Softmax once, kept for the gradient."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's own signature, here and below
        logits: Tensor,
        tokens: Tensor,
        temperature: float,
    ) -> tuple[Tensor, Tensor]:
        scaled = logits.float() if temperature == 1.0 else logits.float() / temperature
        total = scaled.logsumexp(-1, keepdim=True)
        taken = scaled.gather(-1, tokens[..., None])
        chances = (scaled - total).exp_()
        entropy = total[..., 0] - torch.einsum("...v,...v->...", chances, scaled)
        ctx.save_for_backward(chances, tokens, entropy)
        ctx.set_materialize_grads(False)
        ctx.temperature, ctx.dtype = temperature, logits.dtype
        return (taken - total)[..., 0], entropy

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401
        by_logprob: Tensor | None,
        by_entropy: Tensor | None,
    ) -> tuple[Tensor | None, None, None]:
        chances, tokens, entropy = ctx.saved_tensors
        gradient = (
            torch.zeros_like(chances) if by_logprob is None else -by_logprob[..., None] * chances
        )
        if by_logprob is not None:
            gradient.scatter_add_(-1, tokens[..., None], by_logprob[..., None])
        if by_entropy is not None:
            # -p (log p + H), where p log p is 0 at p = 0
            slope = torch.special.entr(chances) - entropy[..., None] * chances
            gradient += by_entropy[..., None] * slope
        if ctx.temperature != 1.0:
            gradient /= ctx.temperature
        return gradient.to(ctx.dtype), None, None


def ratio_terms(
    new: Float[Tensor, "rows length"],
    old: Float[Tensor, "rows length"],
    advantage: Float[Tensor, " rows"],
    policy: Policy,
) -> Float[Tensor, "rows length"]:
    """Return minus the clipped surrogate of each token.

    Source: Schulman et al. 2017 (1707.06347), equation 7; asymmetric range, Yu et al. 2025
    (2503.14476).
    """
    ratio = (new - old).exp()
    plain = ratio * advantage[:, None]
    if policy.clip == 0:
        return -plain
    clipped = ratio.clamp(1 - policy.clip, 1 + policy.high) * advantage[:, None]
    return -torch.minimum(plain, clipped)


def kl_terms(
    new: Float[Tensor, "rows length"], reference: Float[Tensor, "rows length"]
) -> Float[Tensor, "rows length"]:
    """Return the k3 estimate of each token's divergence from the reference, never negative.

    Source: Shao et al. 2024 (2402.03300), equation 4.
    """
    gap = reference - new
    return gap.exp() - gap - 1


def policy_loss(
    terms: Float[Tensor, "rows length"],
    mask: Float[Tensor, "rows length"],
    weights: Float[Tensor, " rows"],
    policy: Policy,
    *,
    rows: float,
    tokens: float,
    longest: int,
) -> Float[Tensor, ""]:
    """Averages terms of tokens into the loss of a batch, or of the part of one that is given.

    The parts of a batch add up to the whole, whatever their sizes, because the totals come in.

    Args:
        terms: One number a token.
        mask: 1 where a token counts, 0 at padding.
        weights: How many equal rollouts a row stands for.
        policy: Says how to average.
        rows: Rollouts of the whole batch.
        tokens: Tokens of the whole batch.
        longest: Length limit of a rollout, the constant of `dr_grpo`.

    Source: GRPO, Shao et al. 2024 (2402.03300), equation 3; Dr. GRPO, Liu et al. 2025 (2503.20783);
    token mean, DAPO, Yu et al. 2025 (2503.14476).
    """
    summed = (terms * mask).sum(1) * weights
    if policy.average == "grpo":
        return (summed / mask.sum(1).clamp(min=1)).sum() / rows
    if policy.average == "dr_grpo":
        return summed.sum() / (rows * longest)
    return summed.sum() / tokens
