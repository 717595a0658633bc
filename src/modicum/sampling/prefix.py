"""Runs each distinct prompt once, and what prompts share once for all of them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from modicum.nudge.attach import Attached, columns_of, steered_by, text_columns
from modicum.sampling.cache import PrefixCache, Window
from modicum.sampling.half import activation_dtype, is_half
from modicum.sampling.linear import FastLinear
from modicum.whitebox import cache_keyword

__all__ = [
    "Opening",
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
_LEAST_FLOPS = 2e10
"""Operations that nudges must save by sharing a prompt; below it, one more pass a prompt costs as much."""
_MOST_TOKENS = 4096
"""Tokens, padding included, in one prefill batch."""


class Opening(NamedTuple):
    """What completions begin with."""

    tokens: Tokens
    """The prompt, with what is said of the answer already."""
    nudge: int = 0
    """Which nudge of a stack acts in it; the first where none does."""


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


@dataclass
class _Trees:
    """What openings share: for each nudge the prefixes of its prompts, or one tree for all nudges."""

    nodes: list[Opening] = field(default_factory=list)
    """Whole prefix of each node, parents before children."""
    parents: list[int] = field(default_factory=list)
    """Parent of each node; -1 at the top."""
    leaves: dict[Opening, int] = field(default_factory=dict)
    """The node above each opening; -1 where it shares nothing."""

    def grow(self, openings: Iterable[Opening]) -> None:
        """Add a tree for each nudge that acts in prompts."""
        by_nudge: dict[int, list[Tokens]] = {}
        for tokens, nudge in openings:
            by_nudge.setdefault(nudge, []).append(tokens)
        for nudge, prompts in by_nudge.items():
            for tokens, node in self._planted(prompts, nudge).items():
                self.leaves[Opening(tokens, nudge)] = node

    def grow_one(self, openings: Iterable[Opening]) -> None:
        """Add one tree, for nudges that act from the last token of prompts on: all before it is shared."""
        by_stub: dict[Tokens, list[Opening]] = {}
        for opening in openings:
            by_stub.setdefault(opening.tokens[:-1], []).append(opening)
        planted = self._planted([stub for stub in by_stub if stub], 0)
        for stub, above in by_stub.items():
            if stub:
                self.nodes.append(Opening(stub))
                self.parents.append(planted[stub])
            self.leaves.update(dict.fromkeys(above, len(self.nodes) - 1 if stub else -1))

    def _planted(self, prompts: Iterable[Tokens], nudge: int) -> dict[Tokens, int]:
        """Add the prefixes that prompts share; gives the node above each."""
        first, plan = len(self.nodes), plan_prefixes(prompts)
        self.nodes += [Opening(tokens, nudge) for tokens in plan.nodes]
        self.parents += [parent + first if parent >= 0 else -1 for parent in plan.parents]
        return {prompt: node + first if node >= 0 else -1 for prompt, node in plan.leaves.items()}


class Prefixes:
    """Prefills openings when they are needed, on top of the prefixes they share."""

    def __init__(
        self,
        module: PreTrainedModel,
        windows: Sequence[Window],
        openings: Sequence[Opening],
        flops_per_token: float,
        nudge: Attached | None = None,
        starts: Mapping[Tokens, int] | None = None,
    ) -> None:
        """Plan what all openings of a block share; runs nothing yet.

        Args:
            module: The model.
            windows: How far each layer looks.
            openings: All of them.
            flops_per_token: What a token costs.
            nudge: What hangs on the module.
            starts: Where answers begin in prompts that bring theirs along, as far as the nudge
                must know it; such prompts share nothing.
        """
        self._module, self._nudge = module, nudge
        self._windows, self._starts = windows, starts
        self._steering = None if nudge is None else nudge.steering
        # Rounded products turn the last bit of a sum into one of bfloat16. What stands beside a
        # prompt must not matter then, and padding would: it changes the order of attention's sums.
        self._is_level = is_half(module)
        self._trees = _Trees(leaves={} if starts is None else dict.fromkeys(openings, -1))
        distinct = set(openings)
        if starts is None:
            acts_before = self._steering is not None and self._steering.where == "all"
            saved = flops_per_token * _repeated(distinct)
            is_one = saved >= _LEAST_FLOPS and not acts_before
            (self._trees.grow_one if is_one else self._trees.grow)(sorted(distinct))
        self._nodes: dict[int, Prefilled] = {}
        self.tokens_run = 0
        """Tokens run so far, padding left out."""

    def prefill(self, openings: Sequence[Opening]) -> dict[Opening, Stem]:
        """Run distinct openings, those of like length together."""
        stems: dict[Opening, Stem] = {}
        leaves = self._trees.leaves
        ordered = sorted(openings, key=lambda one: (leaves[one], len(one.tokens), one))
        for parent, group in groupby(ordered, key=leaves.__getitem__):
            for batch in _batches(list(group), is_level=self._is_level):
                done = self._run(batch, parent)
                stems.update((o, Stem(done, i, len(o.tokens))) for i, o in enumerate(batch))
        return stems

    def _run(
        self, openings: Sequence[Opening], parent: int, *, is_shared: bool = False
    ) -> Prefilled:
        prompts = [opening.tokens for opening in openings]
        past = None if parent < 0 else self._node(parent)
        known = 0 if parent < 0 else len(self._trees.nodes[parent].tokens)
        segments = [prompt[known:] for prompt in prompts]
        self.tokens_run += sum(map(len, segments))
        cache = PrefixCache(self._windows, past.pairs if past else None)
        steering = self._steering
        columns = columns_of(steering, is_prompt=True, is_shared=is_shared)
        if self._starts is not None:
            width = max(map(len, prompts))
            lasts = [width - len(prompt) + self._starts[prompt] - 1 for prompt in prompts]
            columns = text_columns(steering, width, lasts, self._module.device)
        is_stack = steering is not None and steering.is_stack
        which = torch.tensor([opening.nudge for opening in openings]) if is_stack else None
        with steered_by(self._nudge, columns, which):
            logits = forward_segments(self._module, segments, cache, known=known, keep=1)[:, -1]
        pairs = cache.pairs()
        if past is not None:
            pairs = joined_pairs(past.pairs, pairs, [len(segment) for segment in segments])
        return Prefilled(pairs, logits)

    def _node(self, index: int) -> Prefilled:
        if index not in self._nodes:
            trees = self._trees
            own, parent = trees.nodes[index], trees.parents[index]
            self._nodes[index] = self._run([own], parent, is_shared=True)
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


def _repeated(openings: Iterable[Opening]) -> int:
    """Return how many tokens stand in prompts again that several nudges have in common."""
    times = Counter(opening.tokens for opening in openings)
    return sum((n - 1) * (len(tokens) - 1) for tokens, n in times.items())


def _batches(openings: Sequence[Opening], *, is_level: bool) -> Iterator[list[Opening]]:
    """Cut openings, shortest first, into batches of few enough tokens, or of one length as well."""
    batch: list[Opening] = []
    for opening in openings:
        is_full = (len(batch) + 1) * len(opening.tokens) > _MOST_TOKENS
        if batch and (is_full or (is_level and len(opening.tokens) > len(batch[0].tokens))):
            yield batch
            batch = []
        batch.append(opening)
    if batch:
        yield batch


def _shared(one: Tokens, other: Tokens) -> int:
    """Return the length of the common prefix."""
    length = min(len(one), len(other))
    return next((i for i in range(length) if one[i] != other[i]), length)
