"""Runs each distinct prompt once, and what prompts share once for all of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from modicum.nudge.attach import Attached, columns_of, steered_by, text_columns
from modicum.sampling.cache import PrefixCache, Window
from modicum.sampling.half import activation_dtype
from modicum.sampling.linear import FastLinear
from modicum.whitebox import cache_keyword

__all__ = [
    "Prefilled",
    "PrefixPlan",
    "Prefixes",
    "Stem",
    "Tokens",
    "forward_segments",
    "joined_pairs",
    "plan_prefixes",
]

Tokens = tuple[int, ...]

_LEAST_SAVING = 64
"""Tokens that sharing a prefix must save; below it, one more forward pass costs as much."""
_MOST_TOKENS = 4096
"""Tokens, padding included, in one prefill batch."""


@dataclass(frozen=True)
class Prefilled:
    """Prompts that were run together."""

    pairs: list[tuple[Tensor, Tensor]]
    """Keys and values of each layer, right-aligned, `[prompts, heads, width, head]`."""
    logits: Float[Tensor, "prompts vocab"]
    """Scores of the token after each prompt."""


@dataclass(frozen=True)
class Stem:
    """Where one prompt's keys, values and scores lie."""

    batch: Prefilled
    index: int
    length: int


@dataclass(frozen=True)
class PrefixPlan:
    """What prompts share: a tree whose inner nodes are common prefixes."""

    nodes: tuple[Tokens, ...]
    """Whole prefix of each node, parents before children."""
    parents: tuple[int, ...]
    """Parent of each node; -1 at the top."""
    leaves: dict[Tokens, int]
    """The node above each prompt; -1 where it shares nothing."""


def plan_prefixes(prompts: Iterable[Tokens]) -> PrefixPlan:
    """Return the tree of common prefixes that save enough tokens; each prompt keeps one of its own.

    >>> a, b = (*range(80), 1, 2), (*range(80), 3)
    >>> plan = plan_prefixes([a, b, (9,)])
    >>> [len(node) for node in plan.nodes], plan.leaves[a], plan.leaves[(9,)]
    ([80], 0, -1)
    """
    ordered = sorted(set(prompts))
    nodes: list[Tokens] = []
    parents: list[int] = []
    leaves: dict[Tokens, int] = {}
    waiting = [(ordered, 0, -1)]
    while waiting:
        group, depth, parent = waiting.pop()
        if len(group) < 2:
            leaves.update((prompt, parent) for prompt in group)
            continue
        # In sorted order the first and the last prompt differ first.
        shared = _shared(group[0], group[-1])
        own = min(shared, min(map(len, group)) - 1)
        if (len(group) - 1) * (own - depth) >= _LEAST_SAVING:
            nodes.append(group[0][:own])
            parents.append(parent)
            parent, depth = len(nodes) - 1, own
        below = groupby(group, key=lambda prompt: prompt[shared : shared + 1])
        waiting.extend((list(part), depth, parent) for _, part in below)
    return PrefixPlan(tuple(nodes), tuple(parents), leaves)


class Prefixes:
    """Prefills prompts when they are needed, on top of the prefixes they share."""

    def __init__(
        self,
        module: PreTrainedModel,
        windows: Sequence[Window],
        prompts: Iterable[Tokens],
        nudge: Attached | None = None,
        starts: Mapping[Tokens, int] | None = None,
    ) -> None:
        """Plan the shared prefixes of all prompts of a block; runs nothing yet.

        Args:
            module: The model.
            windows: How far each layer looks.
            prompts: All of them.
            nudge: What hangs on the module.
            starts: Where answers begin in prompts that bring theirs along, as far as the nudge
                must know it; such prompts share nothing.
        """
        self._module, self._nudge = module, nudge
        self._windows, self._starts = windows, starts
        alone = PrefixPlan((), (), dict.fromkeys(starts or (), -1))
        self._plan = plan_prefixes(prompts) if starts is None else alone
        self._nodes: dict[int, Prefilled] = {}
        self.tokens_run = 0
        """Tokens run so far, padding left out."""

    def prefill(self, prompts: Sequence[Tokens]) -> dict[Tokens, Stem]:
        """Run distinct prompts, those of like length together."""
        stems: dict[Tokens, Stem] = {}
        leaves = self._plan.leaves
        ordered = sorted(prompts, key=lambda prompt: (leaves[prompt], len(prompt), prompt))
        for parent, group in groupby(ordered, key=leaves.__getitem__):
            for batch in _batches(list(group)):
                done = self._run(batch, parent)
                stems.update((prompt, Stem(done, i, len(prompt))) for i, prompt in enumerate(batch))
        return stems

    def _run(self, prompts: Sequence[Tokens], parent: int, *, is_shared: bool = False) -> Prefilled:
        past = None if parent < 0 else self._node(parent)
        known = 0 if parent < 0 else len(self._plan.nodes[parent])
        segments = [prompt[known:] for prompt in prompts]
        self.tokens_run += sum(map(len, segments))
        cache = PrefixCache(self._windows, past.pairs if past else None)
        nudge = self._nudge
        steering = None if nudge is None else nudge.steering
        columns = columns_of(steering, is_prompt=True, is_shared=is_shared)
        if self._starts is not None:
            width = max(map(len, prompts))
            lasts = [width - len(prompt) + self._starts[prompt] - 1 for prompt in prompts]
            columns = text_columns(steering, width, lasts, self._module.device)
        with steered_by(nudge, columns):
            logits = forward_segments(self._module, segments, cache, known=known, keep=1)[:, -1]
        pairs = cache.pairs()
        if past is not None:
            pairs = joined_pairs(past.pairs, pairs, [len(segment) for segment in segments])
        return Prefilled(pairs, logits)

    def _node(self, index: int) -> Prefilled:
        if index not in self._nodes:
            plan = self._plan
            self._nodes[index] = self._run([plan.nodes[index]], plan.parents[index], is_shared=True)
        return self._nodes[index]


def forward_segments(
    module: nn.Module,
    segments: Sequence[Tokens],
    cache: PrefixCache,
    *,
    known: int,
    keep: int,
) -> Float[Tensor, "rows keep vocab"]:
    """Run segments that follow one shared past of `known` tokens; gives the last scores.

    Args:
        module: The model.
        segments: New tokens of each row, at least one each; padded on the left.
        cache: Holds the past, receives the new keys and values.
        known: Length of the past.
        keep: Positions at the end whose scores are wanted.
    """
    width = max(map(len, segments))
    device = next(module.parameters()).device
    pads = torch.tensor([width - len(segment) for segment in segments])
    ids = torch.tensor([(0,) * (width - len(s)) + tuple(s) for s in segments])
    columns = torch.arange(width)
    places = known + columns - pads[:, None]
    masks = {
        window.kind: _prefill_mask(places, known, window).to(device, activation_dtype(module))
        for window in set(cache.windows)
    }
    with FastLinear():
        output = module(
            input_ids=ids.to(device),
            attention_mask=masks if len(masks) > 1 else next(iter(masks.values())),
            position_ids=places.clamp(min=0).to(device),
            use_cache=True,
            logits_to_keep=keep,
            **{cache_keyword(module): cache},
        )
    logits: Tensor = output.logits
    return logits[:, -keep:]


def _prefill_mask(
    places: Tensor, known: int, window: Window
) -> Float[Tensor, "rows 1 width columns"]:
    """Return the additive mask of new tokens over the shared past and themselves."""
    rows, width = places.shape
    past = torch.arange(known).expand(rows, known)
    # Padding stands before the past's end; no real token may see it.
    seen = torch.cat([past, places.masked_fill(places < known, -1)], dim=1)[:, None, :]
    own = places[:, :, None]
    visible = (seen >= 0) & (seen <= own)
    if window.width is not None:
        visible &= own - seen < window.width
    # Padding sees itself, because a row of the softmax that sees nothing is not a number.
    visible[:, :, known:] |= torch.eye(width, dtype=torch.bool)
    mask = torch.zeros(rows, width, known + width)
    return mask.masked_fill_(~visible, torch.finfo(torch.float32).min)[:, None]


def joined_pairs(
    past: Sequence[tuple[Tensor, Tensor]],
    own: Sequence[tuple[Tensor, Tensor]],
    lengths: Sequence[int],
) -> list[tuple[Tensor, Tensor]]:
    """Put each layer's shared past before every row's own keys and values.

    Args:
        past: Keys and values that all rows share, `[1, heads, known, head]`.
        own: Those of each row's segment, padded on the left.
        lengths: Tokens of each segment.
    """
    return [
        (_join(before[0], keys, lengths), _join(before[1], values, lengths))
        for before, (keys, values) in zip(past, own, strict=True)
    ]


def _join(before: Tensor, after: Tensor, lengths: Sequence[int]) -> Tensor:
    """Put a shared past directly before each row's segment; all rows end in the last column."""
    rows, heads, width, head = after.shape
    known = before.shape[2]
    whole = after.new_zeros(rows, heads, known + width, head)
    whole[:, :, known:] = after
    for length, group in groupby(range(rows), key=lengths.__getitem__):
        members = list(group)
        first = width - length
        whole[members[0] : members[-1] + 1, :, first : first + known] = before
    return whole


def _batches(prompts: Sequence[Tokens]) -> Iterator[list[Tokens]]:
    """Cuts prompts, shortest first, into batches of few enough tokens."""
    batch: list[Tokens] = []
    for prompt in prompts:
        if batch and (len(batch) + 1) * len(prompt) > _MOST_TOKENS:
            yield batch
            batch = []
        batch.append(prompt)
    if batch:
        yield batch


def _shared(one: Tokens, other: Tokens) -> int:
    """Return the length of the common prefix."""
    length = min(len(one), len(other))
    return next((i for i in range(length) if one[i] != other[i]), length)
