"""Draws one token a row: greedily, or at random from one addressed uniform.

The uniform is 53 bits of a counter hash; the same hash spreads them over the vocabulary as Gumbel
noise, and the token with the highest sum of score and noise is taken. Inverting the cumulative
distribution would need less arithmetic, but a rounding error of 1e-6 shifts thousands of rare
tokens' places at once: on SmolLM2 two batch sizes then disagree once in 2,500 tokens, with noise
once in 500,000.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from modicum.seeds import uniforms as counter_hash

__all__ = ["Draws", "branches", "draw", "joined", "race_noise"]

_SUMMED = 1_600_000
"""Scores summed at once, about: what is in between then stays in the processor's cache."""


@dataclass(frozen=True)
class Draws:
    """One token for each row, on the host."""

    tokens: npt.NDArray[np.int64]
    """Token numbers."""
    margins: npt.NDArray[np.float32] | None = None
    """Top-1 minus top-2 probability, where asked."""
    probabilities: npt.NDArray[np.float32] | None = None
    """Probability of the token taken, where asked."""
    logprobs: npt.NDArray[np.float32] | None = None
    """Its logarithm, computed as such, where asked."""

    def kept(self, keep: npt.NDArray[np.bool_]) -> "Draws":
        """Return the rows that are kept."""
        rest = (self.margins, self.probabilities, self.logprobs)
        return Draws(self.tokens[keep], *(None if part is None else part[keep] for part in rest))


def draw(
    logits: Float[Tensor, "rows vocab"],
    uniforms: npt.NDArray[np.float64] | None,
    *,
    temperature: float,
    margins: bool = False,
    scores: bool = False,
) -> Draws:
    """Return a token a row; greedy where the temperature is 0 or there are no uniforms.

    Margins, probabilities and scores are those of the model itself (temperature 1).

    Args:
        logits: Scores of the next token.
        uniforms: One number in [0, 1) a row, shape `[rows]`.
        temperature: At least 0.
        margins: Whether margins and probabilities are wanted.
        scores: Whether log-probabilities are wanted.
    """
    if temperature == 0 or uniforms is None:
        tokens = logits.argmax(dim=-1)
    else:
        exact = logits.float()
        tokens = _perturb(exact if temperature == 1 else exact / temperature, uniforms)
    if not margins and not scores:
        return Draws(tokens.cpu().numpy())
    logprobs = _logprobs(logits, tokens) if scores else None
    if not margins:
        return Draws(tokens.cpu().numpy(), logprobs=logprobs)
    probability = logits.float().softmax(dim=-1)
    top = probability.topk(2, dim=-1).values
    taken = probability.gather(1, tokens[:, None])[:, 0]
    margin = (top[:, 0] - top[:, 1]).cpu().numpy()
    return Draws(tokens.cpu().numpy(), margin, taken.cpu().numpy(), logprobs)


def _logprobs(
    logits: Float[Tensor, "rows vocab"], tokens: Int[Tensor, " rows"]
) -> npt.NDArray[np.float32]:
    """Give the log-probability of each row's token."""
    found: npt.NDArray[np.float32] = (
        logits.float().log_softmax(dim=-1).gather(1, tokens[:, None])[:, 0].cpu().numpy()
    )
    return found


def joined(parts: Sequence[Draws]) -> Draws:
    """Return the draws of rows that were drawn in parts."""
    if len(parts) == 1:
        return parts[0]
    return Draws(
        np.concatenate([part.tokens for part in parts]),
        _concatenated([part.margins for part in parts]),
        _concatenated([part.probabilities for part in parts]),
        _concatenated([part.logprobs for part in parts]),
    )


def _concatenated(
    parts: Sequence[npt.NDArray[np.float32] | None],
) -> npt.NDArray[np.float32] | None:
    held = [part for part in parts if part is not None]
    return np.concatenate(held) if held else None


def branches(logits: Float[Tensor, "rows vocab"], ranks: npt.NDArray[np.int64], k: int) -> Draws:
    """Return for each row the token of a given rank among the k likeliest.

    Args:
        logits: Scores of the first token.
        ranks: Which of them each row takes, 0 the likeliest, shape `[rows]`.
        k: Number of ranks, at least 1.
    """
    probability = logits.float().softmax(dim=-1)
    top = probability.topk(max(k, 2), dim=-1)
    rank = torch.from_numpy(ranks).to(logits.device)[:, None]
    values, tokens = top.values, top.indices.gather(1, rank)[:, 0]
    return Draws(
        tokens.cpu().numpy(),
        (values[:, 0] - values[:, 1]).cpu().numpy(),
        values.gather(1, rank)[:, 0].cpu().numpy(),
        _logprobs(logits, tokens),
    )


def _perturb(
    scores: Float[Tensor, "rows vocab"], uniforms: npt.NDArray[np.float64]
) -> Int[Tensor, " rows"]:
    """Draw from the softmax of the scores: first a stretch of the vocabulary, then a token in it.

    Two short races take far fewer noise values than one over the whole vocabulary, and draw from
    the same distribution.

    Source: Gumbel 1954; Maddison, Tarlow, Minka 2014, arXiv:1411.0030, section 2.
    """
    rows, vocab = scores.shape
    width = _stretch_width(vocab)
    lacking = -vocab % width
    if lacking:
        scores = torch.nn.functional.pad(scores, (0, lacking), value=-math.inf)
    stretches = scores.view(rows, -1, width)
    n_stretches = stretches.shape[1]
    noise, _ = race_noise(uniforms, vocab)
    if scores.device.type == "mps":  # knows no double precision
        noise = noise.float()
    noise = noise.to(scores.device)
    size = max(1, _SUMMED // scores.shape[1])
    sums = torch.cat([stretches[i : i + size].logsumexp(-1) for i in range(0, rows, size)])
    stretch = (sums + noise[:, :n_stretches]).argmax(-1)
    inside = stretches[torch.arange(rows, device=scores.device), stretch]
    return stretch * width + (inside + noise[:, n_stretches:]).argmax(-1)


def race_noise(
    uniforms: npt.NDArray[np.float64], vocab: int
) -> tuple[Float[Tensor, "rows numbers"], int]:
    """Return the numbers of both races, stretches first, and the width of a stretch.

    Args:
        uniforms: One number in [0, 1) a row, shape `[rows]`.
        vocab: Tokens.
    """
    width = _stretch_width(vocab)
    bits = (uniforms * 2.0**53).astype(np.uint64)
    return _gumbel(bits, -(-vocab // width) + width), width


@functools.cache
def _stretch_width(vocab: int) -> int:
    """Return about the root of the vocabulary's size: one that divides it, if there is one near."""
    root = math.sqrt(vocab)
    near = range(max(1, int(root / 2)), int(2 * root) + 1)
    even = [width for width in near if vocab % width == 0]
    return min(even, key=lambda width: abs(width - root)) if even else round(root)


def _gumbel(bits: npt.NDArray[np.uint64], n: int) -> Float[Tensor, "rows n"]:
    """Return n standard Gumbel numbers for each row's 53 bits."""
    spread = counter_hash(bits[:, None], np.arange(n, dtype=np.uint64)[None, :])
    with np.errstate(divide="ignore"):  # a zero gives minus infinity: never the highest
        return torch.from_numpy(-np.log(-np.log(spread)))
