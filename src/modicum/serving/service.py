"""What is known of a server and of the model behind it, and how its answers are taken."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from modicum.errors import EndpointError
from modicum.plain import JsonObject
from modicum.serving.adapting import Json
from modicum.serving.endpoint import Endpoint
from modicum.serving.protocol import PAIR, ServedChoice, Usage, choices_of, named_model, usage_of

__all__ = ["Service", "Thinking", "bill_of", "is_same_model", "is_stranger", "may_think", "taken"]

Thinking = Literal["auto", "opened", "none"]

_VERSION = re.compile(r"@.+|-\d{4}-?\d{2}-?\d{2}|:latest")
"""What servers add to a name: a revision, the date of a release, Ollama's tag."""


@dataclass(frozen=True)
class Service:
    """What is known of a server and of the model behind it."""

    model: str
    """The model's name, as the server knows it."""
    endpoint: Endpoint
    raw: bool = True
    """Whether it goes on from any text (`/completions`)."""
    chat: bool = True
    """Whether it takes messages (`/chat/completions`)."""
    logprobs: bool = False
    """Whether log-probabilities may be asked."""
    top: int = 0
    """Most log-probabilities a step that it gives; 0 where no limit was met."""
    concurrency: int = 8
    """Requests in flight."""
    batch: int = 1
    """Samples asked for in one request."""
    extra: JsonObject = field(default_factory=dict)
    """Added to the body of every request."""
    thinking: Thinking = "auto"
    """`opened`: the server's chat template opens the thinking itself."""
    flops_per_token: float = 2e9
    parameters: int = 0
    """0 where they are not known."""
    notes: tuple[str, ...] = ()
    version: str = ""
    """Digest of the adapter's files where the model is an adapter that was loaded."""
    answers_as: str = ""
    """Another name that its answers may bear."""
    asked: tuple[str, ...] = ()
    """What the user changed of every request, which decides its answers."""

    @property
    def samples(self) -> int:
        """Sample in one request, as far as the server is known to give them."""
        return 1 if self.endpoint.habits.is_single else self.batch


def is_same_model(asked: str, named: str) -> bool:
    """Say whether a server's name for a model means the one asked for.

    >>> is_same_model("org/m", "org/m@main"), is_same_model("m", "m-2026-01-31")
    (True, True)
    >>> is_same_model("llama-3", "llama-3-70b")
    False
    """
    rest = named.removeprefix(asked)
    return named == asked or (rest != named and _VERSION.fullmatch(rest) is not None)


def is_stranger(service: Service, name: str | None) -> bool:
    """Say whether a name in an answer is that of another model than the one asked."""
    own = (service.model, *([service.answers_as] if service.answers_as else []))
    return name is not None and not any(is_same_model(known, name) for known in own)


def taken(service: Service, answer: Json, wanted: int) -> list[ServedChoice]:
    """Take the texts of an answer, at most as many as wanted, if the model asked for gave them.

    Raises:
        EndpointError: another model's name, no texts, or out of form.
    """
    name, habits = named_model(answer), service.endpoint.habits
    if name is None:
        habits.note("its answers name no model: taken for the one that was asked")
    elif is_stranger(service, name):
        raise EndpointError(
            f"the server answers as model {name!r}, asked for {service.model!r}; if that is the same "
            f"model, say so by ?answers_as={name:.100}"
        )
    elif service.answers_as and not is_same_model(service.model, name):
        habits.note(f"its answers name the model {service.answers_as!r}, as answers_as says")
    found = answer.get("choices")
    if isinstance(found, list) and len(found) > wanted:
        habits.note("the server gives more texts than asked: the surplus is left out, and paid")
    if isinstance(found, list) and any(
        isinstance(c, Mapping) and c.get("finish_reason") == "content_filter" for c in found
    ):
        habits.note("the server's content filter cut some answers: they are marked as they came")
    return choices_of(answer, wanted)


def bill_of(service: Service, answer: Json, asked: str, choices: Sequence[ServedChoice]) -> Usage:
    """Return what an answer cost; what the server does not count is estimated, and said."""
    usage = usage_of(answer, asked, choices)
    if usage.is_estimate:
        service.endpoint.habits.note(
            "the server does not count its tokens in all answers: they are estimated there, from its "
            "log-probabilities or at four characters a token"
        )
    return usage


def may_think(service: Service, choices: Sequence[ServedChoice], path: str) -> bool:
    """Learn where the model thinks, so that no stop string ends it there; say whether it does here."""
    opens = service.thinking != "none" and any(PAIR[0] in choice.text for choice in choices)
    thinks = opens or any(choice.reasoning for choice in choices)
    if thinks:
        service.endpoint.habits.think(path)
    return thinks
