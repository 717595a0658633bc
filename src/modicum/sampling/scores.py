"""Log-probabilities of continuations: several texts in one pass, or each alone."""

import torch
from jaxtyping import Float
from torch import Tensor

from modicum.nudge.attach import steered, text_columns
from modicum.sampling.blocks import Engine
from modicum.sampling.cache import PrefixCache
from modicum.sampling.prefix import Tokens, forward_segments
from modicum.sampling.whole import whole_logits

__all__ = ["score_all"]

_SCORE_FLOATS = 64_000_000
"""Most scores (rows x positions x vocabulary) computed at once."""
_MOST_ROWS = 64


def score_all(engine: Engine, parts: list[tuple[Tokens, Tokens]], vocab: int) -> list[float]:
    """Give the sum of log-probabilities (nats) of each continuation after its prompt, however many.

    Those of like length run together.

    Args:
        engine: The model, with what steers it.
        parts: Tokens of prompts, at least one each, and of their continuations.
        vocab: Tokens that the model knows.
    """
    order = sorted(range(len(parts)), key=lambda i: len(parts[i][0]) + len(parts[i][1]))
    results = [0.0] * len(parts)
    while order:
        longest = max(len(parts[i][1]) for i in order) + 1
        size = max(1, min(_MOST_ROWS, _SCORE_FLOATS // (vocab * longest)))
        batch, order = order[:size], order[size:]
        for i, score in zip(batch, _score_parts(engine, [parts[i] for i in batch]), strict=True):
            results[i] = score
    return results


def _score_parts(engine: Engine, parts: list[tuple[Tokens, Tokens]]) -> list[float]:
    """Give the sum of log-probabilities (nats) of each continuation after its prompt.

    Args:
        engine: The model, with what steers it.
        parts: Tokens of prompts, at least one each, and of their continuations.
    """
    if engine.windows is None:
        return [_alone(engine, prompt, more) for prompt, more in parts]
    rows = [prompt + more for prompt, more in parts]
    keep = max(len(more) for _, more in parts) + 1
    cache = PrefixCache(engine.windows, None)
    width = max(map(len, rows))
    acts = text_columns(engine.steering, width, [width - 1 - len(more) for _, more in parts])
    with steered(engine.module, engine.steering, acts):
        logits = forward_segments(engine.module, rows, cache, known=0, keep=keep).float()
    engine.sound.look(logits[:, -1])
    # Rows end in the last column; the score of a token stands one column before it.
    return [
        _total(scores[-len(more) - 1 : -1], more)
        for (_, more), scores in zip(parts, logits, strict=True)
    ]


def _alone(engine: Engine, prompt: Tokens, more: Tokens) -> float:
    """Give the same of one text where rows share no cache: padding might enter a state."""
    row, before = prompt + more, len(prompt) - 1
    acts = text_columns(engine.steering, len(row), [before])
    if isinstance(acts, Tensor):
        acts = acts.to(engine.module.device)
    with steered(engine.module, engine.steering, acts):
        scores = whole_logits(engine.module, [row])[0].float()
    engine.sound.look(scores[-1:])
    return _total(scores[before : before + len(more)], more)


def _total(scores: Float[Tensor, "steps vocab"], tokens: Tokens) -> float:
    """Give the sum of the log-probabilities of tokens, each after the scores that predict it."""
    if not tokens:
        return 0.0
    logprobs = scores[: len(tokens)].log_softmax(-1)
    taken = torch.tensor(tokens, device=logprobs.device)[:, None]
    return float(logprobs.gather(1, taken).cpu().double().sum())
