"""Scores tokens from hidden states, some rows at a time: no table of all rows by the vocabulary.

The gradient of a token's log-probability, passed back through a frozen head, is one vector times
whatever comes in. It is computed beside the scores, while they are at hand, and is all that is kept.
"""

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from modicum.nudge.parts import base_model, tensor_of
from modicum.sampling.decoder import decoder_of
from modicum.sampling.half import HalfLinear
from modicum.sampling.linear import linear, linear_back
from modicum.sampling.products import COLUMNS, NativeProducts, native_products
from modicum.sampling.weights_left import LeftWeights

__all__ = ["FrozenHead", "head_of", "score_hidden"]

_LEAST_VOCAB = 16_384
"""Smaller tables of scores are held whole."""
_ROWS = 128
"""Rows whose scores are held at once on the processor: enough for its fastest products."""
_ROWS_ELSEWHERE = 1024
"""On a GPU."""


class FrozenHead(NamedTuple):
    """What is left of a model when its last layer of scores is taken off."""

    body: nn.Module
    """Gives the last hidden states."""
    weight: Float[Tensor, "vocab hidden"]
    """Frozen."""
    is_half: bool
    """Whether states are single precision and this weight is bfloat16."""


def head_of(module: nn.Module) -> FrozenHead | None:
    """Return the head of a described decoder; None where scores are to come from the module itself.

    That is where the vocabulary is small, the head is trained or no plain product, or hooks watch it.
    """
    wraps = (module, getattr(module, "base_model", module))
    unwrap = getattr(module, "get_base_model", None)
    if not isinstance(module if unwrap is None else unwrap(), PreTrainedModel):
        return None
    base = base_model(module)
    if decoder_of(base) is None or any(map(_is_watched, (*wraps, base, base.lm_head))):
        return None
    part: nn.Module = base.lm_head
    if type(part) not in (nn.Linear, HalfLinear) or part.bias is not None:
        return None
    weight = tensor_of(part, "weight")
    if weight.requires_grad or len(weight) < _LEAST_VOCAB:
        return None
    return FrozenHead(base.model, weight, isinstance(part, HalfLinear))


def _is_watched(part: nn.Module) -> bool:
    hooks = (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks)
    return any(hooks) or "forward" in vars(part)


def score_hidden(
    head: FrozenHead,
    hidden: Float[Tensor, "rows hidden"],
    tokens: Int[Tensor, " rows"],
    temperature: float = 1.0,
) -> tuple[Float[Tensor, " rows"], Float[Tensor, " rows"]]:
    """Return each token's log-probability and the entropy (nats) of the scores that predict it.

    They are those of `token_scores`, and gradients flow to the hidden states through both.

    Args:
        head: What scores.
        hidden: Last hidden states at the positions before the tokens.
        tokens: Token ids.
        temperature: Scores are divided by it, as they were in sampling.
    """
    apply: Callable[..., tuple[Tensor, Tensor]] = attrgetter("apply")(_Scored)
    return apply(hidden, head, tokens, temperature)


class _Scored(torch.autograd.Function):
    """Scores a few rows at a time, each with the direction of its gradient."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's own signature, here and below
        hidden: Tensor,
        head: FrozenHead,
        tokens: Tensor,
        temperature: float,
    ) -> tuple[Tensor, Tensor]:
        directions = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        figures = hidden.new_empty(2, len(hidden), dtype=torch.float32)
        for part in _parts(hidden):
            rows = _rows_of(head, hidden[part], temperature)
            figures[:, part] = rows.figures(tokens[part])
            if directions is not None:
                directions[part] = linear_back(rows.slopes(), head.weight).div_(temperature)
        ctx.save_for_backward(hidden, directions, figures[1])
        ctx.set_materialize_grads(False)
        ctx.head, ctx.temperature = head, temperature
        return figures[0], figures[1].clone()

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401
        by_logprob: Tensor | None,
        by_entropy: Tensor | None,
    ) -> tuple[Tensor | None, None, None, None]:
        hidden, directions, entropy = ctx.saved_tensors
        gradient = None
        if by_logprob is not None:
            gradient = directions * by_logprob[:, None].to(directions.dtype)
        if by_entropy is not None:
            gradient = torch.zeros_like(hidden) if gradient is None else gradient
            for part in _parts(hidden):
                scores = _scores(ctx.head, hidden[part]) / ctx.temperature
                chances = scores.softmax(-1)
                # -p (log p + H), where p log p is 0 at p = 0
                slopes = torch.special.entr(chances).sub_(entropy[part, None] * chances)
                slopes = slopes.mul_(by_entropy[part, None] / ctx.temperature)
                gradient[part] += linear_back(slopes.to(ctx.head.weight.dtype), ctx.head.weight)
        return gradient, None, None, None


def _parts(hidden: Tensor) -> Iterator[slice]:
    size = _ROWS if hidden.device.type == "cpu" else _ROWS_ELSEWHERE
    return (slice(i, i + size) for i in range(0, len(hidden), size))


def _rows_of(head: FrozenHead, hidden: Tensor, temperature: float) -> "_Columns | _Rows":
    """Return the scores of a few rows, as columns where compiled products take them so."""
    products = native_products() if head.is_half else None
    # numbers go through these products, and are written by them, in pairs
    if products is None or any(size % 2 for size in head.weight.shape):
        return _Rows(_scores(head, hidden), head.weight.dtype, temperature)
    return _Columns(products, head.weight, hidden, temperature)


def _scores(head: FrozenHead, hidden: Tensor) -> Float[Tensor, "rows vocab"]:
    """Return scores in single precision."""
    if head.is_half:
        return functional.linear(hidden.bfloat16(), head.weight).float()
    return linear(hidden, head.weight).float()


class _Rows:
    """Scores of a few rows, a row each."""

    def __init__(self, scores: Tensor, dtype: torch.dtype, temperature: float) -> None:
        self._scores = scores if temperature == 1.0 else scores / temperature
        self._dtype = dtype

    def figures(self, tokens: Tensor) -> Float[Tensor, "two rows"]:
        """Return log-probabilities and entropies."""
        self._tokens = tokens[:, None]
        total = self._scores.logsumexp(-1, keepdim=True)
        taken = self._scores.gather(-1, self._tokens)
        self._chances = (self._scores - total).exp_()
        mean = torch.einsum("rv,rv->r", self._chances, self._scores)
        return torch.stack([(taken - total)[:, 0], total[:, 0] - mean])

    def slopes(self) -> Float[Tensor, "rows vocab"]:
        """Return the gradients of the log-probabilities; ends the use of the scores."""
        slopes = self._chances.neg_()
        slopes.scatter_add_(-1, self._tokens, torch.ones_like(slopes[:, :1]))
        return slopes.to(self._dtype)


class _Columns:
    """Scores of a few rows, a column each, summed in single precision."""

    def __init__(
        self, products: NativeProducts, weight: Tensor, hidden: Tensor, temperature: float
    ) -> None:
        self._products, self._count, self._scale = products, len(hidden), 1 / temperature
        padded = functional.pad(hidden, (0, 0, 0, -len(hidden) % COLUMNS)).contiguous()
        self._scores = products.product(LeftWeights(weight, None), products.taken(padded))

    def figures(self, tokens: Tensor) -> Float[Tensor, "two rows"]:
        """Return log-probabilities and entropies."""
        self._where = torch.arange(self._count), tokens
        self._total, entropy = self._products.softmax(self._scores, self._scale)
        taken = self._scores[tokens, self._where[0]] * self._scale
        self._logprobs = taken - self._total[: self._count]
        return torch.stack([self._logprobs, entropy[: self._count]])

    def slopes(self) -> Float[Tensor, "rows vocab"]:
        """Return the gradients of the log-probabilities, rounded."""
        slopes = self._products.minus_chances(self._scores, self._total, self._scale)
        slopes[self._where] = (1 - self._logprobs.exp()).to(slopes.dtype)
        return slopes[: self._count]
