"""A recursive reasoning net: two latent states, updated again and again, with learned noise or none."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from modicum.nets.recursive_blocks import GaussianHead, Layer, Stack, drawn
from modicum.nets.recursive_losses import balanced, divergence
from modicum.nets.recursive_shape import RecursiveShape

__all__ = ["Latent", "RecursiveNet", "Supervised"]

Update = Callable[[Tensor], Tensor]

_HALT_FIRST = -5.0
"""The halt head's bias before training: no trajectory halts by chance (TRM's own value)."""


@dataclass(frozen=True, eq=False)
class Latent:
    """Both states of some trajectories."""

    high: Float[Tensor, "rows places width"]
    """h, the one that is decoded."""
    low: Float[Tensor, "rows places width"]
    """l, where the work is done."""

    def detach(self) -> "Latent":
        """Return it without its past."""
        return Latent(self.high.detach(), self.low.detach())


@dataclass(frozen=True, eq=False)
class Supervised:
    """What a supervision step with a known answer comes to."""

    latent: Latent
    logits: Float[Tensor, "rows length vocabulary"]
    charged: Float[Tensor, " rows"]
    """Divergence that is paid for: nats, mean over places, with a balanced gradient."""
    nats: Float[Tensor, " rows"]
    """All of the divergence, charged or not: nats, summed over places; no gradient."""


@final
class RecursiveNet(nn.Module):
    """One form for GRAM, TRM, HRM and the looped transformer; what differs is in the shape.

    A transition: `n_inner` times l <- f_L(l + h + e), then u = f_H(h + l), then h <- u + noise. The
    noise is Gaussian; its prior sees u, its posterior u and the answer.

    Source: GRAM (2605.19376); with the switches of its shape, TRM (2510.04871) and HRM (2506.21734).
    Differs: every transition's divergence is charged unless the shape says otherwise; halting and value
    are read from states without gradient.
    """

    def __init__(self, shape: RecursiveShape, rng: np.random.Generator) -> None:
        """Draw the weights.

        Args:
            shape: What it is made of.
            rng: Stream of the first weights.
        """
        super().__init__()
        self.shape = shape
        width = shape.width
        self.tokens = nn.Parameter(drawn(rng, shape.vocabulary, width))
        self.places = None
        if shape.positions == "learned":
            self.places = nn.Parameter(drawn(rng, shape.places, width))
        self.upper = Stack(shape, rng)
        self.lower = self.upper if shape.is_shared or not shape.n_inner else Stack(shape, rng)
        self.head = nn.Parameter(drawn(rng, shape.vocabulary, width))
        self.looks = Layer(shape, rng) if shape.judge == "block" else None
        self.judging = nn.Parameter(torch.zeros(2, width))
        self.judging_first = nn.Parameter(torch.tensor([_HALT_FIRST, 0.0]))
        self.register_buffer("first", drawn(rng, 2, 1, width, deviation=1.0))
        # last, so that the deterministic twin of a stream has the same weights in all else
        self.prior = GaussianHead(shape, rng, told=False) if shape.is_guided else None
        self.posterior = GaussianHead(shape, rng, told=True) if shape.is_guided else None

    def encode(self, ids: Int[Tensor, "rows length"]) -> Float[Tensor, "rows places width"]:
        """Return what is put into every update: token embeddings of deviation 1, with positions."""
        shape = self.shape
        told = functional.embedding(ids, self.tokens)
        if shape.prefix:
            told = functional.pad(told, (0, 0, shape.prefix, 0))
        told = told if self.places is None else (told + self.places) * 0.5**0.5
        return told.mul(shape.width**0.5)

    def start(self, rows: int, noise: Float[Tensor, "2 rows places width"] | None = None) -> Latent:
        """Return where trajectories start.

        Args:
            rows: How many.
            noise: Standard normal, taken where the shape's start is random; the fixed start elsewhere.
        """
        if self.shape.is_start_random and noise is not None:
            return Latent(noise[0], noise[1])
        first = self.get_buffer("first")
        h, lower = (one.expand(rows, self.shape.places, -1) for one in first)
        return Latent(h, lower)

    def decode(
        self, h: Float[Tensor, "rows places width"]
    ) -> Float[Tensor, "rows length vocabulary"]:
        """Return the logits of every position's answer."""
        return functional.linear(h[:, self.shape.prefix :], self.head)

    def judge(
        self, h: Float[Tensor, "rows places width"], injected: Float[Tensor, "rows places width"]
    ) -> Float[Tensor, "rows 2"]:
        """Return the logits of halting and of value; no gradient reaches what it reads.

        Args:
            h: The state that is decoded.
            injected: The questions (`encode`); a linear judge goes without.
        """
        h = h.detach()
        if self.looks is not None:
            read = self.looks.ready()(h + injected.detach()).mean(1)
        else:
            read = h[:, 0] if self.shape.prefix else h.mean(1)
        return functional.linear(read, self.judging, self.judging_first)

    def advance(
        self,
        latent: Latent,
        injected: Float[Tensor, "rows places width"],
        noise: Float[Tensor, "rows transitions places width"] | None = None,
        temperature: float = 1.0,
    ) -> Latent:
        """Take one supervision step as it is taken without an answer: noise comes from the prior.

        Args:
            latent: Where trajectories stand.
            injected: Their questions (`encode`).
            noise: Standard normal, one of each transition; the prior's mean alone where None.
            temperature: Factor of the prior's deviation, at least 0.
        """
        stacks = self._stacks()
        for t in range(self.shape.n_outer):
            latent = self._proposed(stacks, latent, injected)
            if self.prior is not None:
                mean, log = self._said(self.prior, latent.high)
                h = latent.high + self._sampled(mean, log, _at(noise, t), temperature)
                latent = Latent(h, latent.low)
        return latent

    def supervise(
        self,
        latent: Latent,
        injected: Float[Tensor, "rows places width"],
        targets: Int[Tensor, "rows length"],
        noise: Float[Tensor, "rows transitions places width"] | None = None,
    ) -> Supervised:
        """Take one supervision step with the answer known: noise comes from the posterior.

        Args:
            latent: Where trajectories stand; their past is none of this step's.
            injected: Their questions (`encode`).
            targets: The answers, `ASKED_NOT` where a position has none.
            noise: Standard normal, one of each transition; the posterior's mean alone where None.
        """
        shape, last = self.shape, self.shape.n_outer - 1
        follows, wholly = torch.is_grad_enabled(), shape.grad == "all"
        answer = self._answer(targets) if shape.is_guided else None
        nats = charged = latent.high.new_zeros(len(targets))
        stacks = self._stacks()
        for t in range(shape.n_outer):
            flows = follows and (wholly or t == last)
            paid = t == last or shape.charge == "all"
            with torch.set_grad_enabled(flows):
                latent = self._proposed(stacks, latent, injected)
            with torch.set_grad_enabled(flows or (follows and paid)):
                if answer is not None:
                    by_prior = t < last and shape.charge == "boundary"
                    h, each = self._guided(latent.high, answer, _at(noise, t), by_prior=by_prior)
                    nats = nats + each.detach().sum(1)
                    charged = charged + each.mean(1) if paid else charged
                    latent = Latent(h, latent.low)
            latent = latent if flows else latent.detach()
        return Supervised(latent, self.decode(latent.high), charged, nats)

    def _stacks(self) -> tuple[Update, Update]:
        """Return what updates h and l, for as long as no weight changes."""
        upper = self.upper.ready()
        shared = self.lower is self.upper
        return upper, upper if shared else self.lower.ready()

    def _proposed(self, stacks: tuple[Update, Update], latent: Latent, injected: Tensor) -> Latent:
        """Return both states after a transition, before any noise."""
        shape, h, lower = self.shape, latent.high, latent.low
        rise, work = stacks
        if not shape.n_inner:
            return Latent(self._kept(h, rise(h + injected)), lower)
        joined, follows = h + injected, torch.is_grad_enabled()
        for k in range(shape.n_inner):
            is_late = shape.grad != "last_call" or k == shape.n_inner - 1
            with torch.set_grad_enabled(follows and is_late):
                lower = self._kept(lower, work(lower + joined))
        return Latent(self._kept(h, rise(h + lower)), lower)

    def _kept(self, old: Tensor, new: Tensor) -> Tensor:
        return torch.lerp(new, old, self.shape.damping) if self.shape.damping else new

    def _guided(
        self, u: Tensor, answer: Tensor, noise: Tensor | None, *, by_prior: bool
    ) -> tuple[Tensor, Tensor]:
        """Return h after a draw, and the divergence `[rows, places]` that it cost."""
        if self.prior is None or self.posterior is None:
            return u, u.new_zeros(u.shape[:2])
        p_mean, p_log = self._said(self.prior, u)
        if by_prior:
            return u + self._sampled(p_mean, p_log, noise), u.new_zeros(u.shape[:2])
        q_mean, q_log = self._said(self.posterior, u, answer)
        h = u + self._sampled(q_mean, q_log, noise)
        if self.shape.guidance == "mean_only":  # two points: as far apart as with deviations of 1
            q_log = p_log = torch.zeros_like(q_log)
        (q_mean, p_mean), (q_log, p_log) = balanced(q_mean, p_mean), balanced(q_log, p_log)
        return h, divergence(q_mean, q_log, p_mean, p_log)

    def _said(
        self, head: GaussianHead, u: Tensor, answer: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return mean and logarithm of the deviation, as far as the guidance has them."""
        mean, log = head(u, answer)
        return (torch.zeros_like(mean) if self.shape.guidance == "zero_mean" else mean), log

    def _sampled(
        self, mean: Tensor, log: Tensor, noise: Tensor | None, temperature: float = 1.0
    ) -> Tensor:
        if noise is None or not temperature or self.shape.guidance == "mean_only":
            return mean
        return torch.addcmul(mean, log.exp(), noise, value=temperature)

    def _answer(self, targets: Tensor) -> Tensor:
        """Return targets one of many, with nothing at the prefix and where there is none."""
        tokens = torch.arange(self.shape.vocabulary, device=targets.device)
        chosen = (targets[..., None] == tokens).to(self.head.dtype)
        return functional.pad(chosen, (0, 0, self.shape.prefix, 0))


def _at(noise: Tensor | None, transition: int) -> Tensor | None:
    return None if noise is None else noise[:, transition]
