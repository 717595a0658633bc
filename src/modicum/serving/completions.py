"""Turns a server's texts into completions: thinking put back, margins aligned, secrets cut out."""

import math
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from modicum.errors import EndpointError
from modicum.secrecy import clean_parts
from modicum.serving.protocol import PAIR, ServedChoice, Step, free_parts, stop_of
from modicum.types import Completion, Sampling

__all__ = [
    "END",
    "alone",
    "completion",
    "hides_openers",
    "joined",
    "openers",
    "score",
    "scored",
    "shares",
    "silenced",
]

_ALIKE = 4
"""One of so many first tokens may have the text of another one."""
_ROUNDING = 1e-3
"""Probability that rounding may leave over where all tokens came."""
END = re.compile(r"<\|[^|]*\|>|</s>|<eos>|<end_of_turn>|")
"""Texts that servers write for an end token."""


def shares(total: int, n: int) -> list[int]:
    """Part a count of tokens that a server gives for n texts together."""
    return [total // n + (i < total % n) for i in range(n)]


def completion(
    choice: ServedChoice, sampling: Sampling, n_tokens: int, *, is_opened: bool | None = False
) -> Completion:
    """Return a completion: thinking put back, cut at a stop string behind it, margins where asked.

    Args:
        choice: What the server gave.
        sampling: How it was asked.
        n_tokens: Its tokens.
        is_opened: Whether the prompt opened the thinking; None where `<think>` is a text like others.
    """
    whole = choice.text
    if choice.reasoning is not None:
        is_over = bool(choice.text) or choice.finish != "length"
        whole = PAIR[0] + choice.reasoning + (PAIR[1] + choice.text if is_over else "")
    parts = [(0, len(choice.text))]
    if is_opened is not None:
        is_inside = is_opened and choice.reasoning is None
        parts = free_parts(choice.text, is_opened=is_inside)
    ahead = len(whole) - len(choice.text)
    free = [(ahead + start, ahead + end) for start, end in parts]
    is_full = n_tokens >= sampling.max_new_tokens
    text, stop = stop_of(choice, whole, sampling.stop, free, is_full=is_full)
    if not sampling.margins and not sampling.scores:
        return Completion(text, n_tokens, stop)
    if not choice.steps:
        raise EndpointError("an answer without the log-probabilities that were asked for")
    pieces = _pieces([step.token for step in choice.steps], whole)
    margins = tuple(_margin(step) for step in choice.steps)
    chances = tuple(step.probability for step in choice.steps)
    full = Completion(text, len(pieces), stop, pieces, margins, chances)
    found = scored(full, sampling)
    return found if sampling.margins else replace(found, pieces=(), margins=(), probabilities=())


def scored(drawn: Completion, sampling: Sampling) -> Completion:
    """Return a completion with the logarithms of its probabilities, where they are asked for.

    Raises:
        EndpointError: it has ended, and the server gave nothing for the token that ended it.
    """
    if not sampling.scores:
        return drawn
    if drawn.stop == "eos" and not END.fullmatch(drawn.pieces[-1]):
        raise EndpointError("log-probabilities without that of the token that ended the answer")
    least = sys.float_info.min
    logs = tuple(math.log(max(chance, least)) for chance in drawn.probabilities)
    return replace(drawn, logprobs=logs)


def _pieces(tokens: Sequence[str], text: str) -> tuple[str, ...]:
    """Return a text for each token; joined they begin with the text.

    Servers write half a character in ways of their own; it belongs to the next token that fits.
    """
    if "".join(tokens).startswith(text):
        return tuple(tokens)
    pieces, done = [], 0
    for token in tokens:
        place = text.find(token, done, done + len(token) + 4) if token else -1
        end = done if place < 0 else place + len(token)
        pieces.append(text[done:end])
        done = end
    pieces[-1] += text[done:]
    return tuple(pieces)


def _margin(step: Step) -> float:
    """Top-1 minus top-2 probability, in [0, 1]."""
    chances = [chance for _, chance in step.top[:2]] + [0.0, 0.0]
    return min(1.0, max(0.0, chances[0] - chances[1]))


def openers(choice: ServedChoice, k: int, min_probability: float) -> list[Step]:
    """Return the first tokens that are kept, likeliest first, each with its margin's top."""
    if not choice.steps or not choice.steps[0].top:
        raise EndpointError("an answer without the likeliest first tokens that were asked for")
    top = choice.steps[0].top
    # a few may be written alike, as parts of characters are; none of those is a branch
    if len(top) < k - k // _ALIKE and hides_openers(top, k, min_probability):
        raise EndpointError(
            f"{len(top)} likeliest first tokens in an answer, {k} asked; "
            f"set cot_decoding.k={max(2, len(top))}"
        )
    kept = [
        pair for pair in top[:k] if "\ufffd" not in pair[0] and not pair[0].startswith("bytes:")
    ]
    return [
        Step(token, chance, top)
        for rank, (token, chance) in enumerate(kept)
        if rank == 0 or chance >= min_probability
    ]


def hides_openers(top: Sequence[tuple[str, float]], k: int, min_probability: float) -> bool:
    """Say whether fewer tokens came than asked although another one may be likely enough.

    Where all that is left weighs less than a branch must, or the least that came does, none is
    missed.
    """
    left = 1.0 - sum(chance for _, chance in top)
    least = min((chance for _, chance in top), default=1.0)
    return len(top) < k and min(left, least) > max(min_probability, _ROUNDING)


def alone(opener: Step) -> Completion:
    """Return a branch that ends with its first token."""
    is_end = END.fullmatch(opener.token) is not None
    text = "" if is_end else opener.token
    stop: Literal["eos", "length"] = "eos" if is_end else "length"
    return Completion(text, 1, stop, (text,), (_margin(opener),), (opener.probability,))


def joined(
    opener: Step, rest: Completion, stops: Sequence[str], *, thinks: bool = True
) -> Completion:
    """Return a branch: its first token and what the server went on with, cut where a stop spans both."""
    text, stop = opener.token + rest.text, rest.stop
    parts = free_parts(text, is_opened=False) if thinks else [(0, len(text))]
    places = [p for s in stops for a, b in parts if s and (p := text.find(s, a, b)) >= 0]
    if places:
        text, stop = text[: min(places)], "stop"
    return Completion(
        text,
        1 + rest.n_tokens,
        stop,
        (opener.token, *rest.pieces),
        (_margin(opener), *rest.margins),
        (opener.probability, *rest.probabilities),
    )


def score(steps: Sequence[Step], start: int, end: int) -> float:
    """Return the log-probability of the tokens that lie in a stretch of the echoed text."""
    inside = [
        math.log(max(step.probability, sys.float_info.min))
        for step in steps
        if step.start is not None and step.start < end and step.start + len(step.token) > start
    ]
    if not inside and end > start:
        raise EndpointError("no log-probabilities of the prompt: the server does not echo it")
    return sum(inside)


def silenced(drawn: Completion) -> Completion:
    """Return a completion without this process's secrets, which a server knows and may repeat.

    They are looked for across tokens; the completion itself comes back where there is none.
    """
    [text], pieces = clean_parts([drawn.text]), clean_parts(drawn.pieces)
    if (text, pieces) == (drawn.text, drawn.pieces):
        return drawn
    return replace(drawn, text=text, pieces=pieces)
