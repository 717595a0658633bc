"""What is sent to an OpenAI-compatible server and what is read from its answers."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modicum.errors import AccessError, EndpointError
from modicum.models._endpoint import Ask, Json
from modicum.types import Stop

__all__ = [
    "MOST_STOPS",
    "Choice",
    "Step",
    "Usage",
    "ask_for",
    "choices_of",
    "is_chat",
    "messages_of",
    "named_model",
    "prompt_of",
    "stop_of",
    "usage_of",
]

MOST_STOPS = 4
"""Stop strings that the protocol allows; all are cut here in any case."""
_ABOVE = 0.1
"""Nats above certainty that a server in half precision may give; more is no log-probability."""
_CHAT = "\ue000messages "
"""Begins a prompt that stands for chat messages; a private character, so that no text does."""


@dataclass(frozen=True)
class Step:
    """One token with its probabilities."""

    token: str
    probability: float
    top: tuple[tuple[str, float], ...]
    """Likeliest tokens with their probabilities, likeliest first."""
    start: int | None = None
    """Where the token begins in the text, where the server says so."""


@dataclass(frozen=True)
class Choice:
    """One text that a server gave."""

    text: str
    reasoning: str | None
    """Thinking that the server parted from the text."""
    finish: str
    met_stop: bool
    """Whether the server names a stop string that it met."""
    steps: tuple[Step, ...]
    """Empty where no log-probabilities were asked."""


@dataclass(frozen=True)
class Usage:
    """Tokens that a request cost."""

    prompt: int
    """Without those that the server had cached."""
    sampled: int


def prompt_of(system: str | None, user: str) -> str:
    """Gives the text that stands for a chat turn; the server's own template makes the prompt."""
    turns = [{"role": "system", "content": system}] if system is not None else []
    return _CHAT + json.dumps([*turns, {"role": "user", "content": user}])


def is_chat(prompt: str) -> bool:
    """Says whether a prompt stands for chat messages."""
    return prompt.startswith(_CHAT)


def messages_of(prompt: str) -> object:
    """Gives the chat messages that a prompt stands for.

    Raises:
        AccessError: more text follows: the answer's first words cannot be given to a chat.
    """
    text = prompt.removeprefix(_CHAT)
    messages, end = json.JSONDecoder().raw_decode(text)
    if text[end:]:
        raise AccessError(
            f"words after a chat turn: {text[end:][:40]!r}",
            "a raw prompt, which the model goes on from",
            "use a server that offers /completions, with ?endpoint=completions",
        )
    return messages


def ask_for(prompt: str, body: Json, *, top: int = 0, insists: bool = True) -> Ask:
    """Gives the request for a prompt, raw or chat.

    Args:
        prompt: A text, or what `prompt_of` gave.
        body: Everything but the prompt.
        top: Log-probabilities wanted a step; none where 0.
        insists: Try again where the server fails.
    """
    if is_chat(prompt):
        extra: Json = {"logprobs": True, "top_logprobs": top} if top else {}
        body = {**body, **extra, "messages": messages_of(prompt)}
        return Ask("/chat/completions", body, insists)
    return Ask(
        "/completions", {**body, **({"logprobs": top} if top else {}), "prompt": prompt}, insists
    )


def named_model(answer: Json) -> str:
    """Gives the name of the model that answered.

    Raises:
        EndpointError: the answer names none.
    """
    name = answer.get("model")
    if not isinstance(name, str):
        raise EndpointError("an answer that names no model")
    return name


def usage_of(answer: Json) -> Usage:
    """Gives what a request cost.

    Raises:
        EndpointError: the answer does not say.
    """
    usage = answer.get("usage")
    if not isinstance(usage, Mapping):
        raise EndpointError("an answer without usage: its tokens cannot be counted")
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, Mapping) else 0
    prompt, sampled = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    return Usage(max(0, prompt - _count(cached or 0)), sampled)


def choices_of(answer: Json, wanted: int) -> list[Choice]:
    """Gives the texts of an answer.

    Raises:
        EndpointError: another number of texts than wanted, or not in the protocol's form.
    """
    found = answer.get("choices")
    if not isinstance(found, list) or len(found) != wanted:
        n = len(found) if isinstance(found, list) else "no"
        raise EndpointError(f"{n} texts in an answer, {wanted} asked; try ?batch=1")
    read = _read(found)
    if isinstance(read, str):  # outside of the handler, whose error holds the server's words
        raise EndpointError(f"an answer out of form: {read}")
    return read


def stop_of(choice: Choice, text: str, stops: Sequence[str]) -> tuple[str, Stop]:
    """Gives the text cut at the first stop string, and why it ended."""
    places = [place for s in stops if s and (place := text.find(s)) >= 0]
    if places:
        return text[: min(places)], "stop"
    if choice.finish == "length":
        return text, "length"
    return text, "stop" if choice.met_stop else "eos"


def _read(found: Sequence[Mapping[str, object]]) -> list[Choice] | str:
    """Reads the texts of an answer, or says what is wrong with its form."""
    try:
        return [_choice(choice) for choice in found]
    except (AttributeError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        return f"{type(error).__name__} {error}"


def _choice(found: Mapping[str, object]) -> Choice:
    message = found.get("message")
    source = message if isinstance(message, Mapping) else found
    text = source["content"] if isinstance(message, Mapping) else source["text"]
    reasoning = source.get("reasoning_content") or source.get("reasoning")
    if not isinstance(text, str | None) or not isinstance(reasoning, str | None):
        raise TypeError(type(text).__name__)
    return Choice(
        text or "",
        reasoning,
        str(found.get("finish_reason")),
        isinstance(found.get("stop_reason"), str),
        _steps(found.get("logprobs")),
    )


def _steps(found: object) -> tuple[Step, ...]:
    """Reads log-probabilities in either of the two forms that servers use."""
    if not isinstance(found, Mapping):
        return ()
    if isinstance(found.get("content"), list):
        return tuple(
            Step(
                _text(s["token"]), _chance(s["logprob"]), _top(_pairs(s.get("top_logprobs") or ()))
            )
            for s in found["content"]
        )
    starts = found.get("text_offset") or [None] * len(found["tokens"])
    return tuple(
        Step(_text(token), 1.0 if value is None else _chance(value), _top(top or {}), start)
        for token, value, top, start in zip(
            found["tokens"], found["token_logprobs"], found["top_logprobs"], starts, strict=True
        )
    )


def _pairs(listed: Sequence[Mapping[str, object]]) -> dict[str, float]:
    return {str(item["token"]): float(str(item["logprob"])) for item in listed}


def _text(token: object) -> str:
    if not isinstance(token, str):
        raise TypeError(f"a token that is {type(token).__name__}")
    return token


def _chance(logprob: float) -> float:
    """Gives a probability in [0, 1]; rounding may have lifted its logarithm a little above 0."""
    if not isinstance(logprob, int | float) or math.isnan(logprob) or logprob > _ABOVE:
        raise ValueError(f"log-probability {logprob!r:.40}")
    return math.exp(min(0.0, logprob))


def _top(values: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    chances = [(token, _chance(value)) for token, value in values.items()]
    return tuple(sorted(chances, key=lambda pair: -pair[1]))


def _count(number: object) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise EndpointError(f"usage that counts {number!r} tokens")
    return number
