"""What is sent to an OpenAI-compatible server and what is read from its answers."""

import http
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modicum.errors import AccessError, EndpointError
from modicum.plain import JsonObject, JsonValue
from modicum.serving.adapting import Json
from modicum.serving.endpoint import ChatRequest
from modicum.types import Stop

__all__ = [
    "MOST_STOPS",
    "PAIR",
    "ServedChoice",
    "Step",
    "Usage",
    "ask_for",
    "choices_of",
    "free_parts",
    "is_chat",
    "messages_of",
    "named_model",
    "prompt_of",
    "spoken",
    "stop_of",
    "usage_of",
]

MOST_STOPS = 4
"""Stop strings that the protocol allows; all are cut here in any case."""
PAIR = ("<think>", "</think>")
"""What opens and closes thinking."""
_CHARACTERS = 4
"""Of a token, where nobody counts: about what English text has."""
_SHOWN = 8
"""Fields of an answer that are named where it is none."""
_LENGTH = ("length", "max_tokens", "model_length")
"""Reasons of an end at the limit, in lower case."""
_PARTED = ("thinking", "reasoning")
"""Kinds of parts that hold thinking."""
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
class ServedChoice:
    """One text that a server gave."""

    text: str
    reasoning: str | None
    """Thinking that the server parted from the text."""
    finish: str
    """Why it ended; empty where the server does not say."""
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
    is_estimate: bool = False
    """Whether the server left a count out, and it was taken from the texts."""


def prompt_of(system: str | None, user: str) -> str:
    """Return the text that stands for a chat turn; the server's own template makes the prompt."""
    turns = [{"role": "system", "content": system}] if system is not None else []
    return _CHAT + json.dumps([*turns, {"role": "user", "content": user}])


def is_chat(prompt: str) -> bool:
    """Say whether a prompt stands for chat messages."""
    return prompt.startswith(_CHAT)


def messages_of(prompt: str) -> JsonValue:
    """Return the chat messages that a prompt stands for.

    Raises:
        AccessError: more text follows: the answer's first words cannot be given to a chat.
    """
    text = prompt.removeprefix(_CHAT)
    messages: JsonValue
    messages, end = json.JSONDecoder().raw_decode(text)
    if text[end:]:
        raise AccessError(
            f"words after a chat turn: {text[end:][:40]!r}",
            "a raw prompt, which the model goes on from",
            "use a server that offers /completions, with ?endpoint=completions",
        )
    return messages


def spoken(prompt: str) -> str:
    """Return the words of a prompt, raw or chat, for counting."""
    if not is_chat(prompt):
        return prompt
    turns = messages_of(prompt)
    return "".join(str(turn["content"]) for turn in turns) if isinstance(turns, list) else ""


def ask_for(prompt: str, body: Json, *, top: int = 0, insists: bool = True) -> ChatRequest:
    """Return the request for a prompt, raw or chat.

    Args:
        prompt: A text, or what `prompt_of` gave.
        body: Everything but the prompt.
        top: Log-probabilities wanted a step; none where 0.
        insists: Try again where the server fails.
    """
    if is_chat(prompt):
        extra: Json = {"logprobs": True, "top_logprobs": top} if top else {}
        body = {**body, **extra, "messages": messages_of(prompt)}
        return ChatRequest("/chat/completions", body, insists)
    return ChatRequest(
        "/completions", {**body, **({"logprobs": top} if top else {}), "prompt": prompt}, insists
    )


def named_model(answer: Json) -> str | None:
    """Return the name of the model that answered; None where the answer names none."""
    name = answer.get("model")
    return name if isinstance(name, str) and name else None


def usage_of(answer: Json, asked: str = "", choices: Sequence[ServedChoice] = ()) -> Usage:
    """Return what a request cost: as the server counts, else estimated from the texts.

    A count of nothing for a text that is there is none.

    Args:
        answer: What the server gave.
        asked: The prompt.
        choices: The texts of the answer.
    """
    usage = answer.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    details = usage.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, Mapping) else 0
    prompt, sampled = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    guessed = (_tokens(asked), sum(map(_tokens_of, choices)))
    lacks = [
        not n and bool(guess or n is None)
        for n, guess in zip((prompt, sampled), guessed, strict=True)
    ]
    if lacks[0]:
        prompt, cached = guessed[0], 0
    return Usage(
        max(0, (prompt or 0) - (cached or 0)),
        guessed[1] if lacks[1] else sampled or 0,
        any(lacks),
    )


def choices_of(answer: Json, wanted: int) -> list[ServedChoice]:
    """Return the texts of an answer in their order, at most as many as wanted.

    Raises:
        EndpointError: no texts, one that failed, or not in the protocol's form.
    """
    found = answer.get("choices")
    if not isinstance(found, list) or not found:
        holds = ", ".join(sorted(answer)[:_SHOWN]) or "nothing"
        raise EndpointError(
            f"no choices in an answer, which holds {holds:.200}; does base_url lead to the API?",
            status=http.HTTPStatus.OK,
        )
    places = [c.get("index") for c in found if isinstance(c, Mapping)]
    numbers = [p for p in places if isinstance(p, int)]
    if len(set(numbers)) == len(found):
        found = [found[i] for i in sorted(range(len(found)), key=numbers.__getitem__)]
    read = _read(found[:wanted])
    if isinstance(read, str):  # outside of the handler, whose error holds the server's words
        raise EndpointError(f"an answer out of form: {read}")
    return read


def free_parts(text: str, *, is_opened: bool) -> list[tuple[int, int]]:
    """Return the stretches of a text that lie outside of its thinking, which may not have ended.

    Args:
        text: What a model wrote.
        is_opened: Whether the prompt opened the thinking.

    >>> free_parts("a<think>b</think>c", is_opened=False)
    [(0, 1), (17, 18)]
    >>> free_parts("b", is_opened=True)
    []
    """
    parts, place = [], 0
    while place <= len(text):
        if not is_opened:
            end = text.find(PAIR[0], place)
            parts.append((place, len(text) if end < 0 else end))
            if end < 0:
                break
            place = end + len(PAIR[0])
        is_opened = False
        close = text.find(PAIR[1], place)
        if close < 0:
            break
        place = close + len(PAIR[1])
    return parts


def stop_of(
    choice: ServedChoice,
    text: str,
    stops: Sequence[str],
    parts: Sequence[tuple[int, int]] | None = None,
    *,
    is_full: bool = False,
) -> tuple[str, Stop]:
    """Return the text cut at the first stop string, and why it ended.

    Args:
        choice: What the server gave.
        text: The text.
        stops: Strings that end it.
        parts: Stretches of the text in which they do; all of it where None.
        is_full: Whether it has as many tokens as were allowed.
    """
    for start, end in [(0, len(text))] if parts is None else parts:
        places = [place for s in stops if s and (place := text.find(s, start, end)) >= 0]
        if places:
            return text[: min(places)], "stop"
    if choice.finish.lower() in _LENGTH or (is_full and not choice.finish):
        return text, "length"
    return text, "stop" if choice.met_stop else "eos"


def _read(found: Sequence[JsonValue]) -> list[ServedChoice] | str:
    """Read the texts of an answer, or says what is wrong with its form."""
    try:
        return [_choice(choice) for choice in found]
    except (
        AttributeError,
        ArithmeticError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        return f"{type(error).__name__} {error}"


def _choice(found: JsonValue) -> ServedChoice:
    if not isinstance(found, Mapping):
        raise TypeError(f"a choice that is {type(found).__name__}")
    message = found.get("message")
    if isinstance(message, Mapping):
        text, parted = _parts(message.get("content"))
        text = text or _parts(message.get("refusal"))[0]
        own = message.get("reasoning_content") or message.get("reasoning")
    else:
        text, parted = _parts(found["text"])
        own = found.get("reasoning_content") or found.get("reasoning")
    reasoning = _parts(own)[0] if own is not None else parted
    finish = found.get("finish_reason")
    return ServedChoice(
        text,
        reasoning,
        finish if isinstance(finish, str) else "",
        isinstance(found.get("stop_reason"), str),
        _steps(found.get("logprobs")),
    )


def _parts(content: object) -> tuple[str, str | None]:
    """Read a text that may come in parts: those of text joined, thinking apart, others left out."""
    if isinstance(content, str | None):
        return content or "", None
    texts, parted = [], []
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            texts.append(part)
        elif not isinstance(part, Mapping):
            raise TypeError(type(part).__name__)
        elif part.get("type") in _PARTED:
            parted.append(_parts(next((part[n] for n in (*_PARTED, "text") if part.get(n)), ""))[0])
        elif isinstance(part.get("text"), str) and part.get("type") != "refusal":
            texts.append(str(part["text"]))
    return "".join(texts), "".join(parted) if parted else None


def _tokens_of(choice: ServedChoice) -> int:
    """Count the tokens of a text: by its steps, else by its characters."""
    return len(choice.steps) or _tokens(choice.text + (choice.reasoning or ""))


def _tokens(text: str) -> int:
    return -(-len(text) // _CHARACTERS)


def _steps(found: object) -> tuple[Step, ...]:
    """Read log-probabilities in either of the two forms that servers use."""
    if not isinstance(found, Mapping):
        return ()
    if isinstance(found.get("content"), list):
        return tuple(
            Step(
                _text(s["token"]), _chance(s["logprob"]), _top(_pairs(s.get("top_logprobs") or ()))
            )
            for s in found["content"]
        )
    tokens, values = found.get("tokens"), found.get("token_logprobs")
    if not isinstance(tokens, list) or not isinstance(values, list):
        return ()  # none were asked for: what a server puts here then is its own affair
    none = [None] * len(tokens)
    tops, starts = found.get("top_logprobs") or none, found.get("text_offset") or none
    return tuple(
        Step(_text(token), 1.0 if value is None else _chance(value), _top(top or {}), start)
        for token, value, top, start in zip(tokens, values, tops, starts, strict=True)
    )


def _pairs(listed: Sequence[JsonObject]) -> dict[str, float]:
    return {str(item["token"]): float(str(item["logprob"])) for item in listed}


def _text(token: object) -> str:
    if not isinstance(token, str):
        raise TypeError(f"a token that is {type(token).__name__}")
    return token


def _chance(logprob: float) -> float:
    """Return a probability in [0, 1]; rounding may have lifted its logarithm a little above 0."""
    if not isinstance(logprob, int | float) or math.isnan(logprob) or logprob > _ABOVE:
        raise ValueError(f"log-probability {logprob!r:.40}")
    return math.exp(min(0.0, logprob))


def _top(values: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    chances = [(token, _chance(value)) for token, value in values.items()]
    return tuple(sorted(chances, key=lambda pair: -pair[1]))


def _count(number: object) -> int | None:
    """Read a count of tokens; None where it is none."""
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        return None
    return number
