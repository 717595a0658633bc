"""What was drawn before, by address, so that no answer is drawn twice.

An address names everything that decides a completion: the weights, the nudge, the tokenizer, the
prompt, how it is drawn, the split of the problems and the random stream. Samples of an address
are kept from 0 on, so that ten of them are the first ten of sixty-four.
"""

import hashlib
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from modicum.files.packing import inflated, packed_json, unpacked_json
from modicum.ledger import Ledger
from modicum.types import Completion, Request, Sampling

__all__ = [
    "Draw",
    "Group",
    "Stock",
    "Voice",
    "address_of",
    "pack_texts",
    "text_hash",
    "unpack_texts",
    "usable",
]

VERSION = 2
"""Raised where the sampler draws something else from the same stream."""

Group: TypeAlias = tuple[Completion, ...]
"""The completions of one request."""

Voice: TypeAlias = tuple[str, str, str]
"""Hashes of a model's weights, nudge and tokenizer."""

_FIGURES = {b"4": "<f4", b"8": "<f8"}
"""Forms of margins and probabilities; single precision where nothing is lost by it."""


def pack_texts(texts: Sequence[str]) -> bytes:
    """Pack the texts of one problem; lone surrogates survive as escapes."""
    return packed_json(texts)


def unpack_texts(packed: bytes) -> tuple[str, ...]:
    """Return the texts of one problem back."""
    return tuple(unpacked_json(packed))


def text_hash(packed: bytes) -> bytes:
    """Names packed texts by their content: 16 bytes; equal texts are stored once."""
    return hashlib.blake2b(packed, digest_size=16).digest()


@dataclass(frozen=True)
class Draw:
    """The completions of one address, packed."""

    address: bytes
    """Hash of all that decides them: 16 bytes."""
    n: int
    """How many: samples 0 to n - 1, or the branches."""
    texts: bytes
    """Their texts, as `pack_texts` packs them."""
    rest: bytes
    """Everything else, as `Draw.of` packs it, with a checksum before it."""

    @staticmethod
    def of(address: bytes, completions: Sequence[Completion], prompt_tokens: float) -> "Draw":
        """Packs completions without ids.

        Args:
            address: Where they belong.
            completions: All of them, from the first.
            prompt_tokens: Their share of the prompt tokens run.
        """
        has_scores = any(c.logprobs for c in completions)
        head = json.dumps(
            [
                prompt_tokens,
                [c.n_tokens for c in completions],
                [c.stop for c in completions],
                [c.pieces for c in completions],
                [len(c.margins) for c in completions],
                *([[len(c.logprobs) for c in completions]] if has_scores else []),
            ]
        ).encode()
        figures = [x for c in completions for x in (*c.margins, *c.probabilities)]
        figures += [x for c in completions for x in c.logprobs]
        said = np.array(figures, "<f8")
        form = b"4" if np.array_equal(said.astype("<f4"), said) else b"8"
        body = form + len(head).to_bytes(4, "little") + head + said.astype(_FIGURES[form]).tobytes()
        texts, packed = pack_texts([c.text for c in completions]), zlib.compress(body, level=1)
        return Draw(address, len(completions), texts, _check(address, texts, packed) + packed)

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it was damaged or cut on its way."""
        return self.rest[:8] == _check(self.address, self.texts, self.rest[8:])

    def unpack(self) -> tuple[float, tuple[Completion, ...]]:
        """Return the share of prompt tokens and the completions back."""
        body = inflated(self.rest[8:])
        end = 5 + int.from_bytes(body[1:5], "little")
        prompt, tokens, stops, pieces, lengths, *scored = json.loads(body[5:end])
        figures = np.frombuffer(body[end:], _FIGURES[body[:1]]).astype(np.float64).tolist()
        completions, place = [], 0
        texts = unpack_texts(self.texts)
        for text, spent, stop, words, n in zip(texts, tokens, stops, pieces, lengths, strict=True):
            middle, last = place + n, place + 2 * n
            said = (tuple(figures[place:middle]), tuple(figures[middle:last]))
            completions.append(Completion(text, spent, stop, tuple(words), *said))
            place = last
        for i, n in enumerate(scored[0] if scored else ()):
            completions[i] = replace(completions[i], logprobs=tuple(figures[place : place + n]))
            place += n
        return prompt, tuple(completions)


Find: TypeAlias = Callable[[Sequence[bytes]], Mapping[bytes, Draw]]
"""Gives the draws at addresses, as far as there are any."""


def address_of(voice: Sequence[str], request: Request, sampling: Sampling) -> bytes:
    """Return the address of a request's completions: 16 bytes; greedy ones name no stream.

    Args:
        voice: Hashes of weights, nudge and tokenizer.
        request: What is asked; how many samples are wanted is no part of the address.
        sampling: How they are drawn.
    """
    how, branches, budget = sampling, sampling.branches, sampling.thinking
    names = [
        VERSION,
        request.split,
        *voice,
        None if branches is None else (branches.k, branches.min_probability),
        *(how.max_new_tokens, how.temperature, how.stop, how.margins),
        None if how.is_greedy else (how.stream, request.address),
        request.prompt,
        # what came later stands in an address only where it is asked for
        *([("begun", request.begun)] if request.begun else []),
        *(["scores"] if how.scores else []),
        *([("thinking", budget.at_most, budget.extensions, budget.text)] if budget else []),
    ]
    return hashlib.blake2b(json.dumps(names).encode(), digest_size=16).digest()


class Stock:
    """What one trial may take of what was drawn before, and what it adds."""

    def __init__(self, own: Find | None = None, others: Find | None = None) -> None:
        """Look nothing up yet.

        Args:
            own: Gives what the study itself keeps at addresses.
            others: The same of other studies; what it finds is added to the own one.
        """
        self._own, self._others = own, others
        self._added: dict[bytes, Draw] = {}

    @property
    def added(self) -> tuple[Draw, ...]:
        """What was drawn, or found elsewhere, since the trial began: for the store to keep."""
        return tuple(self._added.values())

    def alone(self) -> "Stock":
        """Return itself without other studies."""
        self._others = None
        return self

    def serve(
        self,
        asked: Sequence[tuple[Voice, Request]],
        sampling: Sampling,
        ledger: Ledger,
        flops_per_token: float,
        draw: Callable[[Sequence[tuple[Voice, Request]]], list[Group]],
    ) -> list[Group]:
        """Answers requests from what is known and draws the rest in one call.

        What that call draws together, and in which order, depends on what is missing alone. Where
        fewer samples are known than wanted, the further ones are drawn.

        Args:
            asked: What is wanted, each of a split, with whoever is to answer it.
            sampling: How they are drawn.
            ledger: Counts what is reused; `draw` counts what is spent.
            flops_per_token: Of the model.
            draw: Draws requests.
        """
        names = [address_of(voice, request, sampling) for voice, request in asked]
        known = self._look(names)
        missing = _missing(sampling, names, asked, known)
        before, told = dict(known), set()
        if missing:
            known.update(self._drawn(missing, known, ledger, draw))
        for name, (_, request) in zip(names, asked, strict=True):
            # of equal requests the first is drawn; whoever draws further samples runs the prompt
            source = known if name in told else before
            prompt, group = source.get(name, (0.0, ()))
            taken = _wanted(sampling, request, group)
            ledger.reused(
                completions=len(taken),
                prompt=0.0 if name in told or name in missing else prompt,
                sampled=sum(c.n_tokens for c in taken),
                flops_per_token=flops_per_token,
            )
            told.add(name)
        return [
            _wanted(sampling, request, known[name][1])
            for name, (_, request) in zip(names, asked, strict=True)
        ]

    def _look(self, names: Sequence[bytes]) -> dict[bytes, tuple[float, Group]]:
        """Return what this trial, its study or another one has at the addresses."""
        left = dict.fromkeys(names)
        found: dict[bytes, tuple[float, Group]] = {}
        for find in (self._find_added, self._own, self._others):
            draws = find(list(left)) if find is not None and left else {}
            for name, draw in draws.items():
                if draw.is_whole:
                    found[name] = draw.unpack()
                    del left[name]
                    if find is self._others:
                        self._added[name] = draw
        return found

    def _find_added(self, names: Sequence[bytes]) -> dict[bytes, Draw]:
        return {name: self._added[name] for name in names if name in self._added}

    def _drawn(
        self,
        missing: Mapping[bytes, tuple[Voice, Request]],
        known: Mapping[bytes, tuple[float, Group]],
        ledger: Ledger,
        draw: Callable[[Sequence[tuple[Voice, Request]]], list[Group]],
    ) -> dict[bytes, tuple[float, Group]]:
        """Draw what is missing, joins it with what is known and notes it."""
        before = ledger.tokens_prompt
        drawn = draw(list(missing.values()))
        share = (ledger.tokens_prompt - before) / len(missing)
        joined = {}
        for name, group in zip(missing, drawn, strict=True):
            prompt, first = known.get(name, (share, ()))
            joined[name] = (prompt, (*first, *group))
            self._added[name] = Draw.of(name, joined[name][1], prompt)
        return joined


def usable(stock: Stock | None, requests: Sequence[Request], sampling: Sampling) -> Stock | None:
    """Return the stock, or None for answers that pass it by.

    Answers with token ids do, for they are for training, under names that come once; so do requests
    of no split.
    """
    has_split = bool(requests) and all(request.split for request in requests)
    return None if sampling.ids or not has_split else stock


def _missing(
    sampling: Sampling,
    names: Sequence[bytes],
    asked: Sequence[tuple[Voice, Request]],
    known: Mapping[bytes, tuple[float, Group]],
) -> dict[bytes, tuple[Voice, Request]]:
    """Return what is to be drawn, in order; equal addresses once."""
    missing: dict[bytes, tuple[Voice, Request]] = {}
    for name, (voice, request) in zip(names, asked, strict=True):
        have = len(known[name][1]) if name in known else 0
        if name in missing:
            first = missing[name][1]
            missing[name] = (voice, replace(first, n=max(first.n, request.n - have)))
        elif name not in known or (sampling.branches is None and have < request.n):
            missing[name] = (voice, replace(request, first=have, n=request.n - have))
    return missing


def _wanted(sampling: Sampling, request: Request, group: Group) -> Group:
    """Return all branches, or as many samples as were asked for."""
    return group if sampling.branches else group[: request.n]


def _check(address: bytes, texts: bytes, packed: bytes) -> bytes:
    digest = hashlib.blake2b(address, digest_size=8)
    digest.update(texts)
    digest.update(packed)
    return digest.digest()
