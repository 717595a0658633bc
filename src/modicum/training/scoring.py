"""Scores rollouts with gradients: each prompt runs once, completions share lines, no padding is scored.

The rollouts of a shot have one prompt, which is often longer than they are: run once for all of
them, with gradients through its keys and values, it costs a batch a fraction of its tokens.
"""

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from modicum.sampling.cache import PrefixCache, Window
from modicum.sampling.fit import row_windows
from modicum.sampling.half import activation_dtype
from modicum.sampling.linear import FastLinear
from modicum.sampling.whole import whole_pass
from modicum.training.head import FrozenHead, head_of, score_hidden
from modicum.training.policy import token_scores
from modicum.training.recompute import recomputed
from modicum.training.rollouts import Batch
from modicum.whitebox import WhiteBox, cache_keyword

__all__ = ["Scores", "Steer", "Whole", "is_beyond", "room_for", "score"]


class Whole(NamedTuple):
    """A pass over whole texts, prompts with their completions, padded on the right."""

    width: int
    """Columns of the pass."""
    starts: tuple[int, ...]
    """Column of each row's last prompt token."""


Steer = Callable[[bool | Whole], None]
"""Called before each pass: whether it runs the prompts (whose last column is their last token), or
what it runs where prompts and completions run together."""

_MOST_TOKENS = 16_384
"""Beyond it nothing gets faster."""
_MEMORY_SHARE = 0.4
"""Of the machine's or the GPU's memory, for what one pass keeps for its gradient."""
_NOWHERE = -1
"""Position of padding."""


class Scores(NamedTuple):
    """What a model says of a batch's completions."""

    logprobs: Float[Tensor, "rows longest"]
    """Of each token, nats; anything at padding."""
    entropies: Float[Tensor, "rows longest"]
    """Of the distribution that predicts it, nats."""


def score(
    module: nn.Module,
    batch: Batch,
    temperature: float = 1.0,
    steer: Steer | None = None,
    *,
    is_tight: bool = False,
) -> Scores:
    """Return the log-probability and entropy of every completion's tokens; gradients flow.

    Args:
        module: A causal language model, with an adapter or without.
        batch: Prompts and completions.
        temperature: Scores are divided by it, as they were in sampling.
        steer: Told of each pass where the module is steered.
        is_tight: Whether memory is short: layers run again for the gradient instead of keeping
            what it needs, and each row runs whole.
    """
    windows, head = row_windows(module), head_of(module)
    if is_tight:
        with recomputed(module):
            return _score_whole(module, batch, temperature, steer, head)
    if windows is None:
        return _score_whole(module, batch, temperature, steer, head)
    places = torch.where(batch.known > 0, batch.known.cumsum(1) - 1, _NOWHERE)
    if steer is not None:
        steer(True)
    opening, past = _run_prompts(module, batch, places, windows, head)
    rest = None
    if batch.lines.ids.shape[1] > 0:
        if steer is not None:
            steer(False)
        rest = _run_lines(module, batch, places, windows, past, head)
    if head is None:
        return _scores_of(opening, rest, batch, temperature)
    return _scores_of_states(head, opening, rest, batch, temperature)


def _scores_of(
    opening: Float[Tensor, "prompts vocab"],
    rest: Float[Tensor, "lines width vocab"] | None,
    batch: Batch,
    temperature: float,
) -> Scores:
    """Return what scores after the prompts and along the lines say."""
    first = token_scores(opening[batch.which][:, None], batch.tokens[:, :1], temperature)
    if rest is None:
        return Scores(*first)
    # Padding is scored too, but little of it is left, and cutting it out would copy all scores.
    along = token_scores(rest, batch.lines.targets, temperature)
    gathered = (part.flatten()[batch.lines.cells] for part in along)
    return Scores(*(torch.cat(pair, 1) for pair in zip(first, gathered, strict=True)))


def _scores_of_states(
    head: FrozenHead,
    opening: Float[Tensor, "prompts hidden"],
    rest: Float[Tensor, "lines width hidden"] | None,
    batch: Batch,
    temperature: float,
) -> Scores:
    """Return what last hidden states say, without a table of scores; padding is 0."""
    states, where = opening, batch.which[:, None]
    if rest is not None:
        states = torch.cat([opening, rest.flatten(0, 1)])
        where = torch.cat([where, batch.lines.cells + len(opening)], 1)
    return _scored_where_counted(head, states, where, batch, temperature)


def _scored_where_counted(
    head: FrozenHead,
    states: Float[Tensor, "states hidden"],
    where: Int[Tensor, "rows longest"],
    batch: Batch,
    temperature: float,
) -> Scores:
    """Score each row's tokens from the states that predict them, given by their places."""
    is_counted = batch.counted > 0
    chosen = states.index_select(0, where[is_counted])
    found = score_hidden(head, chosen, batch.tokens[is_counted], temperature)
    return Scores(*(torch.zeros_like(batch.counted).masked_scatter(is_counted, f) for f in found))


def _score_whole(
    module: nn.Module,
    batch: Batch,
    temperature: float,
    steer: Steer | None,
    head: FrozenHead | None,
) -> Scores:
    """Give the same where rows share no cache: every row runs whole, its prompt with it."""
    prompts = [p[k > 0] for p, k in zip(batch.prompts, batch.known, strict=True)]
    sizes = _sizes(batch)
    rows = [
        torch.cat([prompts[i], tokens[:size]])
        for i, tokens, size in zip(batch.which.tolist(), batch.tokens, sizes, strict=True)
    ]
    width = max(map(len, rows))
    ids, mask = (
        torch.zeros(len(rows), width, dtype=torch.long, device=batch.tokens.device) for _ in "im"
    )
    for i, row in enumerate(rows):
        ids[i, : len(row)], mask[i, : len(row)] = row, 1
    starts = tuple(len(prompts[i]) - 1 for i in batch.which.tolist())
    if steer is not None:
        steer(Whole(width, starts))
    longest = batch.tokens.shape[1]
    columns = torch.tensor(starts, device=ids.device)[:, None] + torch.arange(
        longest, device=ids.device
    )
    if head is not None:
        states: Tensor = whole_pass(head.body, ids, mask).last_hidden_state
        where = columns + width * torch.arange(len(rows), device=ids.device)[:, None]
        return _scored_where_counted(head, states.flatten(0, 1), where, batch, temperature)
    logits = whole_pass(module, ids, mask).logits
    # A short row's columns beyond its end are padding, scored as anything.
    at = columns.clamp(max=width - 1)[:, :, None].expand(-1, -1, logits.shape[-1])
    return Scores(*token_scores(logits.gather(1, at), batch.tokens, temperature))


def _sizes(batch: Batch) -> list[int]:
    """Give how many tokens each completion has."""
    return [int(size) for size in batch.counted.sum(1)]


def room_for(whitebox: WhiteBox, scored: nn.Module | None = None) -> int:
    """Return the tokens that may go through the model at once, from its shape and the memory.

    A layer keeps some twenty vectors of its width and five of its inner width for the gradient, an
    adapter over half precision single-precision copies beside them; scores are kept three times,
    unless they are taken a few rows at a time.

    Args:
        whitebox: The model.
        scored: The module that scores, with what is trained on it; the model's own if not given.
    """
    config = whitebox.module.config.get_text_config(decoder=True)
    size = config.hidden_size
    inner = getattr(config, "intermediate_size", None) or 4 * size
    inner = max(inner) if isinstance(inner, (list, tuple)) else inner
    each = whitebox.dtype.itemsize
    layer = each * (20 * size + 5 * inner) + (4 * (7 * size + inner) if each < 4 else 0)
    is_whole = head_of(whitebox.module if scored is None else scored) is None
    scores = config.vocab_size * (each + 12) if is_whole else 0
    needed = config.num_hidden_layers * layer + scores
    if whitebox.device.type == "cuda":
        memory = torch.cuda.get_device_properties(whitebox.device).total_memory
    else:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(_MOST_TOKENS, int(_MEMORY_SHARE * memory / needed)))


def is_beyond(batch: Batch, room: int) -> bool:
    """Say whether a batch, maybe one row alone, has more tokens than room, padding included."""
    return batch.prompts.numel() + batch.tokens.numel() > room


_Past = list[tuple[Tensor, Tensor]]


def _run_prompts(
    module: nn.Module,
    batch: Batch,
    places: Int[Tensor, "prompts before"],
    windows: Sequence[Window],
    head: FrozenHead | None,
) -> tuple[Float[Tensor, "prompts width"], _Past]:
    """Return what a pass gives after each prompt, and the prompt's keys and values."""
    seen = places[:, None, :]
    visible = (seen >= 0) & (seen <= places[:, :, None])
    # Padding sees itself, because a row of the softmax that sees nothing is not a number.
    visible = visible | torch.eye(places.shape[1], dtype=torch.bool, device=places.device)
    cache = PrefixCache(windows, None)
    masks = _masks(module, visible, places[:, :, None] - seen, windows)
    given = _forward(module, batch.prompts, places, masks, cache, keep=1, head=head)
    return given[:, -1], cache.pairs()


def _run_lines(
    module: nn.Module,
    batch: Batch,
    places: Int[Tensor, "prompts before"],
    windows: Sequence[Window],
    past: _Past,
    head: FrozenHead | None,
) -> Float[Tensor, "lines width size"]:
    """Return what a pass gives at every position of the lines."""
    lines = batch.lines
    prompt = places[lines.prompt]
    own = prompt[:, -1:] + 1 + lines.step
    seen = torch.cat([prompt, own], 1)[:, None, :]
    mine = lines.owner[:, :, None] == lines.owner[:, None, :]
    width = lines.ids.shape[1]
    mine = torch.cat([(prompt >= 0)[:, None, :].expand(-1, width, -1), mine], 2)
    distance = own[:, :, None] - seen
    masks = _masks(module, mine & (distance >= 0), distance, windows)
    cache = PrefixCache(windows, [(k[lines.prompt], v[lines.prompt]) for k, v in past])
    return _forward(module, lines.ids, own, masks, cache, keep=0, head=head)


def _masks(
    module: nn.Module,
    visible: Bool[Tensor, "rows width columns"],
    distance: Int[Tensor, "rows width columns"],
    windows: Sequence[Window],
) -> Tensor | dict[str, Tensor]:
    """Return the additive mask of each kind of layer, or the one mask where there is one kind."""
    dtype = activation_dtype(module)
    masks = {}
    for window in set(windows):
        seen = visible if window.width is None else visible & (distance < window.width)
        mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
        masks[window.kind] = mask.masked_fill_(~seen, torch.finfo(dtype).min)[:, None]
    return masks if len(masks) > 1 else next(iter(masks.values()))


def _forward(
    module: nn.Module,
    ids: Int[Tensor, "rows width"],
    places: Int[Tensor, "rows width"],
    masks: Tensor | dict[str, Tensor],
    cache: PrefixCache,
    *,
    keep: int,
    head: FrozenHead | None,
) -> Float[Tensor, "rows kept size"]:
    """Run the module, or its body; gives scores or last hidden states of each position.

    `keep` last columns are scored, all of them where 0; hidden states come of all.
    """
    given = {
        "input_ids": ids,
        "attention_mask": masks,
        "position_ids": places.clamp(min=0),
        "use_cache": True,
        cache_keyword(module): cache,
    }
    with FastLinear():
        if head is not None:
            hidden: Tensor = head.body(**given).last_hidden_state
            return hidden
        logits: Tensor = module(**given, logits_to_keep=keep).logits
    return logits
