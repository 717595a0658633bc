"""A model behind an OpenAI-compatible server: text, and log-probabilities where it gives them."""

import contextlib
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, final

from modicum.errors import AccessError, EndpointError
from modicum.ledger import Ledger
from modicum.model import Model, ModelCard
from modicum.models._endpoint import Ask, Endpoint, Json
from modicum.models._protocol import (
    MOST_STOPS,
    Choice,
    Step,
    ask_for,
    choices_of,
    is_chat,
    named_model,
    prompt_of,
    stop_of,
    usage_of,
)
from modicum.seeds import key
from modicum.stock import Stock
from modicum.types import Completion, Request, Sampling

__all__ = ["Served", "Service", "Thinking", "is_same_model"]

Thinking = Literal["auto", "opened", "none"]

_PAIR = ("<think>", "</think>")
_END = re.compile(r"<\|[^|]*\|>|</s>|<eos>|<end_of_turn>|")
"""Texts that servers write for an end token."""
_VERSION = re.compile(r"@.+|-\d{4}-?\d{2}-?\d{2}")
"""What servers add to a name: a revision, the date of a release."""


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
    concurrency: int = 8
    """Requests in flight."""
    batch: int = 1
    """Samples asked for in one request."""
    extra: Mapping[str, object] = field(default_factory=dict)
    """Added to the body of every request."""
    thinking: Thinking = "auto"
    """`opened`: the server's chat template opens the thinking itself."""
    flops_per_token: float = 2e9
    parameters: int = 0
    """0 where they are not known."""
    notes: tuple[str, ...] = ()
    version: str = ""
    """Digest of the adapter's files where the model is an adapter that was loaded."""


@dataclass(frozen=True)
class _Job:
    """One request: which prompt it belongs to, and how many samples it draws."""

    request: int
    sample: int
    """The first sample that it draws."""
    n: int
    ask: Ask


@final
class Served(Model):
    """A model that a server runs; its weights are not seen."""

    def __init__(self, service: Service) -> None:
        """Takes what is known of the server."""
        self._service = service

    @property
    def card(self) -> ModelCard:
        """What is known of the model; the hash names the server, for no weights are seen."""
        service = self._service
        version = (service.version,) if service.version else ()
        return ModelCard(
            f"openai:{service.model}",
            f"{key('openai', service.endpoint.base_url, service.model, *version):016x}",
            service.parameters,
            service.flops_per_token,
            "",
            service.notes,
            reading=f"{key(service.raw, service.chat, service.extra, service.thinking):016x}",
        )

    def stocked(self, stock: Stock) -> Model:
        """Takes from its own study alone: by the next one the server may hold other weights."""
        return super().stocked(stock.alone())

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, ledger: Ledger
    ) -> list[tuple[Completion, ...]]:
        """Answers each request `n` times; see `Model.generate`.

        Each sample has a seed of its own, from its address; whether equal seeds give equal
        answers is up to the server.
        """
        top = 2 if sampling.margins else 0
        jobs = []
        for place, request in enumerate(requests):
            for first in range(0, request.n, self._service.batch):
                n = min(self._service.batch, request.n - first)
                seed = key(sampling.stream, request.address, request.first + first)
                ask = self._ask(request.prompt, sampling, n=n, seed=seed, top=top)
                jobs.append(_Job(place, first, n, ask))
        drawn: list[dict[int, Completion]] = [{} for _ in requests]

        def keep(job: _Job, texts: list[Completion]) -> None:
            drawn[job.request].update((job.sample + i, text) for i, text in enumerate(texts))

        self._run(jobs, sampling, ledger, keep)
        return [tuple(group[i] for i in sorted(group)) for group in drawn]

    def branch(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        ledger: Ledger,
        *,
        k: int,
        min_probability: float,
    ) -> list[tuple[Completion, ...]]:
        """Continues greedily after each of the k likeliest first tokens; see `Model.branch`.

        The first tokens come from one request a prompt, their continuations from one each: the
        prompt with the token's text behind it, which the server cuts into tokens anew. A first
        token that is half a character is left out.

        Raises:
            AccessError: no log-probabilities were asked for, or a chat prompt.
        """
        self._need_logprobs("branching at the first token")
        greedy = replace(sampling, temperature=0.0, margins=True)
        firsts: list[list[Step]] = [[] for _ in requests]

        def note(job: _Job, choices: list[Choice]) -> None:
            firsts[job.request] = _openers(choices[0], k, min_probability)

        one = replace(greedy, max_new_tokens=1, stop=())
        asks = [self._ask(r.prompt, one, n=1, seed=0, top=k) for r in requests]
        self._run([_Job(i, 0, 1, ask) for i, ask in enumerate(asks)], one, ledger, None, note)
        drawn: list[dict[int, Completion]] = [{} for _ in requests]
        rest = replace(greedy, max_new_tokens=sampling.max_new_tokens - 1)
        jobs = []
        for place, (request, openers) in enumerate(zip(requests, firsts, strict=True)):
            for rank, opener in enumerate(openers):
                if _END.fullmatch(opener.token) or rest.max_new_tokens == 0:
                    drawn[place][rank] = _alone(opener)
                    continue
                ask = self._ask(request.prompt + opener.token, rest, n=1, seed=0, top=2)
                jobs.append(_Job(place, rank, 1, ask))

        def keep(job: _Job, texts: list[Completion]) -> None:
            opener = firsts[job.request][job.sample]
            drawn[job.request][job.sample] = _joined(opener, texts[0], sampling.stop)

        self._run(jobs, rest, ledger, keep)
        return [tuple(group[i] for i in sorted(group)) for group in drawn]

    def logprob(self, prompts: Sequence[str], continuations: Sequence[str]) -> list[float]:
        """Gives the sum of log-probabilities (nats) of each continuation after its prompt.

        Raises:
            AccessError: no log-probabilities were asked for, or a chat prompt.
            EndpointError: the server does not echo prompts with theirs.
        """
        self._need_logprobs("scoring a given text")
        body = {**self._body(), "max_tokens": 1, "temperature": 0.0, "echo": True}
        pairs = list(zip(prompts, continuations, strict=True))
        asks = [ask_for(prompt + more, body, top=1) for prompt, more in pairs]
        sums = [0.0] * len(asks)
        service = self._service
        with contextlib.closing(service.endpoint.answers(asks, service.concurrency)) as coming:
            for place, answer in coming:
                [choice] = self._choices(answer, 1)
                prompt, more = pairs[place]
                sums[place] = _score(choice.steps, len(prompt), len(prompt) + len(more))
        return sums

    def chat(self, system: str | None, user: str) -> str | None:
        """Gives a text that stands for the messages; the server's own template makes the prompt.

        None where it takes no messages.
        """
        return prompt_of(system, user) if self._service.chat else None

    def can_encode(self, text: str) -> bool:  # noqa: ARG002 - its tokenizer is not at hand
        """Says yes: the tokenizer is the server's, and it is not asked."""
        return True

    @property
    def takes_raw(self) -> bool:
        """Whether it goes on from any text."""
        return self._service.raw

    @property
    def thinking(self) -> tuple[str, str] | None:
        """What opens and what closes its thinking; also put around what the server parts off."""
        return None if self._service.thinking == "none" else _PAIR

    def opens_thinking(self, prompt: str) -> bool:
        """Says whether the server's chat template opens the thinking, which only the user knows."""
        return self._service.thinking == "opened" and is_chat(prompt)

    def _need_logprobs(self, purpose: str) -> None:
        if not self._service.logprobs:
            raise AccessError(
                f"{purpose} on {self.card.name!r}, opened without log-probabilities",
                "a server that gives them with /completions",
                "open it with ?logprobs=true, or leave the method out",
            )

    def _body(self) -> Json:
        return {**self._service.extra, "model": self._service.model}

    def _ask(self, prompt: str, sampling: Sampling, *, n: int, seed: int, top: int) -> Ask:
        if not (self._service.chat if is_chat(prompt) else self._service.raw):
            raise AccessError(
                f"a {'chat' if is_chat(prompt) else 'raw'} prompt for {self.card.name!r}",
                "the kind of prompt that the server takes",
                "choose another style, or another ?endpoint",
            )
        body: Json = {
            **self._body(),
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": 1.0,
            "seed": seed % 2**31,
        }
        if sampling.stop:
            body["stop"] = [s for s in sampling.stop if s][:MOST_STOPS]
        if n > 1:
            body["n"] = n
        return ask_for(prompt, body, top=top)

    def _run(
        self,
        jobs: Sequence[_Job],
        sampling: Sampling,
        ledger: Ledger,
        keep: Callable[[_Job, list[Completion]], None] | None,
        note: Callable[[_Job, list[Choice]], None] | None = None,
    ) -> None:
        """Asks in parallel; hands each answer on as it comes and counts its tokens."""
        service = self._service
        asks = [job.ask for job in jobs]
        coming = contextlib.closing(service.endpoint.answers(asks, service.concurrency))
        with ledger.timed(), coming as answers:
            for place, answer in answers:
                job = jobs[place]
                choices, usage = self._choices(answer, job.n), usage_of(answer)
                ledger.ran(
                    prompt=usage.prompt,
                    sampled=usage.sampled,
                    flops_per_token=service.flops_per_token,
                )
                counts = _shares(usage.sampled, job.n)
                texts = [_completion(c, sampling, n) for c, n in zip(choices, counts, strict=True)]
                if keep is not None:
                    keep(job, texts)
                if note is not None:
                    note(job, choices)

    def _choices(self, answer: Json, wanted: int) -> list[Choice]:
        """Gives the texts of an answer, which must come from the model that was asked."""
        name = named_model(answer)
        if not is_same_model(self._service.model, name):
            said = f"the server answers as model {name!r}, asked for {self._service.model!r}"
            raise EndpointError(said)
        return choices_of(answer, wanted)


def is_same_model(asked: str, named: str) -> bool:
    """Says whether a server's name for a model means the one asked for.

    >>> is_same_model("org/m", "org/m@main"), is_same_model("m", "m-2026-01-31")
    (True, True)
    >>> is_same_model("llama-3", "llama-3-70b")
    False
    """
    rest = named.removeprefix(asked)
    return named == asked or (rest != named and _VERSION.fullmatch(rest) is not None)


def _shares(total: int, n: int) -> list[int]:
    """Parts a count of tokens that a server gives for n texts together."""
    return [total // n + (i < total % n) for i in range(n)]


def _completion(choice: Choice, sampling: Sampling, n_tokens: int) -> Completion:
    """Gives a completion: thinking put back, cut at a stop string, margins where asked."""
    whole = choice.text
    if choice.reasoning is not None:
        is_over = bool(choice.text) or choice.finish != "length"
        whole = _PAIR[0] + choice.reasoning + (_PAIR[1] + choice.text if is_over else "")
    text, stop = stop_of(choice, whole, sampling.stop)
    if not sampling.margins:
        return Completion(text, n_tokens, stop)
    if not choice.steps:
        raise EndpointError("an answer without the log-probabilities that were asked for")
    pieces = _pieces([step.token for step in choice.steps], whole)
    margins = tuple(_margin(step) for step in choice.steps)
    chances = tuple(step.probability for step in choice.steps)
    return Completion(text, len(pieces), stop, pieces, margins, chances)


def _pieces(tokens: Sequence[str], text: str) -> tuple[str, ...]:
    """Gives a text for each token; joined they begin with the text.

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


def _openers(choice: Choice, k: int, min_probability: float) -> list[Step]:
    """Gives the first tokens that are kept, likeliest first, each with its margin's top."""
    if not choice.steps or not choice.steps[0].top:
        raise EndpointError("an answer without the likeliest first tokens that were asked for")
    top = choice.steps[0].top
    kept = [
        pair for pair in top[:k] if "\ufffd" not in pair[0] and not pair[0].startswith("bytes:")
    ]
    return [
        Step(token, chance, top)
        for rank, (token, chance) in enumerate(kept)
        if rank == 0 or chance >= min_probability
    ]


def _alone(opener: Step) -> Completion:
    """Gives a branch that ends with its first token."""
    is_end = _END.fullmatch(opener.token) is not None
    text = "" if is_end else opener.token
    stop: Literal["eos", "length"] = "eos" if is_end else "length"
    return Completion(text, 1, stop, (text,), (_margin(opener),), (opener.probability,))


def _joined(opener: Step, rest: Completion, stops: Sequence[str]) -> Completion:
    """Gives a branch: its first token and what the server went on with."""
    text, stop = opener.token + rest.text, rest.stop
    places = [place for s in stops if s and (place := text.find(s)) >= 0]
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


def _score(steps: Sequence[Step], start: int, end: int) -> float:
    """Gives the log-probability of the tokens that lie in a stretch of the echoed text."""
    inside = [
        math.log(max(step.probability, sys.float_info.min))
        for step in steps
        if step.start is not None and step.start < end and step.start + len(step.token) > start
    ]
    if not inside and end > start:
        raise EndpointError("no log-probabilities of the prompt: the server does not echo it")
    return sum(inside)
