"""A model behind an OpenAI-compatible server: text, and log-probabilities where it gives them."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

from modicum.errors import AccessError
from modicum.ledger import Ledger
from modicum.model import Extra, Language, Model, ModelCard
from modicum.seeds import key
from modicum.serving.adapting import Json
from modicum.serving.completions import (
    END,
    alone,
    completion,
    joined,
    openers,
    score,
    scored,
    shares,
    silenced,
)
from modicum.serving.endpoint import ChatRequest
from modicum.serving.opening import check_branches
from modicum.serving.protocol import (
    MOST_STOPS,
    PAIR,
    ServedChoice,
    Step,
    ask_for,
    is_chat,
    prompt_of,
    spoken,
)
from modicum.serving.service import Service, bill_of, may_think, taken
from modicum.stock import Group
from modicum.types import Branches, Completion, Request, Sampling

__all__ = ["Served"]


@dataclass(frozen=True)
class _Job:
    """One request: which prompt it belongs to, and how many samples it draws."""

    request: int
    sample: int
    """The first sample that it draws."""
    n: int
    ask: ChatRequest
    prompt: str = ""
    """What the model is to go on from."""
    seeds: tuple[int, ...] = ()
    """One a sample, for those that must be asked one by one."""
    is_opened: bool = False
    """Whether the prompt opened the thinking."""


@final
class Served(Language, Model):
    """A model that a server runs; its weights are not seen, and its tokenizer is not asked."""

    offers: frozenset[Extra] = frozenset({"branches", "scores"})

    def __init__(self, service: Service) -> None:
        """Take what is known of the server."""
        self._service = service
        self._silenced = 0
        """Completions out of which a secret was cut."""

    @property
    def card(self) -> ModelCard:
        """What is known of the model; the hash names the server, for no weights are seen."""
        service, n = self._service, self._silenced
        version = (service.version,) if service.version else ()
        own = service.endpoint.habits.notes
        said = f"the server wrote the key, or parts of it, into {n} answers; it was cut out"
        return ModelCard(
            f"openai:{service.model}",
            f"{key('openai', service.endpoint.base_url, service.model, *version):016x}",
            service.parameters,
            service.flops_per_token,
            "",
            (*service.notes, *own, *([said] if n else [])),
            reading=f"{key(*self._reading):016x}",
        )

    @property
    def _reading(self) -> tuple[object, ...]:
        service = self._service
        return (service.raw, service.chat, service.extra, service.thinking, *service.asked)

    @property
    def is_lasting(self) -> bool:
        """No: by the next study the server may hold other weights."""
        return False

    def draw(self, requests: Sequence[Request], sampling: Sampling, ledger: Ledger) -> list[Group]:
        """Draw each request's samples, or its branches; see `Model.draw`.

        Each sample has a seed of its own, from its address; whether equal seeds give equal
        answers is up to the server.

        Raises:
            AccessError: branches or scores, and no log-probabilities were asked for, fewer come
                than branches are wanted, or a chat prompt.
            EndpointError: scores, and those of the end tokens do not come.
        """
        if sampling.branches is not None:
            return self._branched(requests, sampling, sampling.branches, ledger)
        if sampling.scores:
            self._need_logprobs("the log-probability of each token")
        top = 2 if sampling.margins else int(sampling.scores)
        jobs = []
        for place, request in enumerate(requests):
            samples = self._service.samples
            for first in range(0, request.n, samples):
                n = min(samples, request.n - first)
                seeds = tuple(
                    key(sampling.stream, request.address, request.first + first + i)
                    for i in range(n)
                )
                ask = self._ask(request.prompt, sampling, n=n, seed=seeds[0], top=top)
                opened = self.opens_thinking(request.prompt)
                jobs.append(_Job(place, first, n, ask, spoken(request.prompt), seeds, opened))
        drawn: list[dict[int, Completion]] = [{} for _ in requests]

        def keep(job: _Job, texts: list[Completion]) -> None:
            drawn[job.request].update((job.sample + i, text) for i, text in enumerate(texts))

        self._run(jobs, sampling, ledger, keep)
        return self._kept(drawn)

    def _branched(
        self, requests: Sequence[Request], sampling: Sampling, wanted: Branches, ledger: Ledger
    ) -> list[Group]:
        """Continue greedily after each of the likeliest first tokens.

        The first tokens come from one request a prompt, their continuations from one each: the
        prompt with the token's text behind it, which the server cuts into tokens anew. A first
        token that is half a character is left out.
        """
        self._need_logprobs("branching at the first token")
        check_branches(self._service, wanted.k)
        greedy = replace(sampling, temperature=0.0, margins=True, branches=None, scores=False)
        firsts: list[list[Step]] = [[] for _ in requests]

        def note(job: _Job, choices: list[ServedChoice]) -> None:
            firsts[job.request] = openers(choices[0], wanted.k, wanted.min_probability)

        one = replace(greedy, max_new_tokens=1, stop=())
        asks = [self._ask(r.prompt, one, n=1, seed=0, top=wanted.k) for r in requests]
        looks = [_Job(i, 0, 1, ask, requests[i].prompt) for i, ask in enumerate(asks)]
        self._run(looks, one, ledger, None, note)
        drawn: list[dict[int, Completion]] = [{} for _ in requests]
        rest = replace(greedy, max_new_tokens=sampling.max_new_tokens - 1)
        jobs = []
        for place, (request, begun) in enumerate(zip(requests, firsts, strict=True)):
            for rank, opener in enumerate(begun):
                if END.fullmatch(opener.token) or rest.max_new_tokens == 0:
                    drawn[place][rank] = scored(alone(opener), sampling)
                    continue
                prompt = request.prompt + opener.token
                ask = self._ask(prompt, rest, n=1, seed=0, top=2)
                opened = PAIR[0] in opener.token
                jobs.append(_Job(place, rank, 1, ask, prompt, is_opened=opened))

        def keep(job: _Job, texts: list[Completion]) -> None:
            opener = firsts[job.request][job.sample]
            thinks = self._service.thinking != "none"
            whole = joined(opener, texts[0], sampling.stop, thinks=thinks)
            drawn[job.request][job.sample] = scored(whole, sampling)

        self._run(jobs, rest, ledger, keep)
        return self._kept(drawn)

    def logprob(self, prompts: Sequence[str], continuations: Sequence[str]) -> list[float]:
        """Return the sum of log-probabilities (nats) of each continuation after its prompt.

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
                [choice] = taken(service, answer, 1)
                prompt, more = pairs[place]
                sums[place] = score(choice.steps, len(prompt), len(prompt) + len(more))
        return sums

    def chat(self, system: str | None, user: str) -> str | None:
        """Return a text that stands for the messages; the server's own template makes the prompt.

        None where it takes no messages.
        """
        return prompt_of(system, user) if self._service.chat else None

    @property
    def takes_raw(self) -> bool:
        """Whether it goes on from any text."""
        return self._service.raw

    @property
    def thinking(self) -> tuple[str, str] | None:
        """What opens and what closes its thinking; also put around what the server parts off."""
        return None if self._service.thinking == "none" else PAIR

    def opens_thinking(self, prompt: str) -> bool:
        """Say whether the server's chat template opens the thinking, which only the user knows."""
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

    def _ask(self, prompt: str, sampling: Sampling, *, n: int, seed: int, top: int) -> ChatRequest:
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
        note: Callable[[_Job, list[ServedChoice]], None] | None = None,
    ) -> None:
        """Ask in parallel; hands each answer on as it comes and counts its tokens.

        What an answer leaves to be drawn is asked for in turn, one by one.
        """
        while jobs:
            jobs = self._round(jobs, sampling, ledger, keep, note)

    def _round(
        self,
        jobs: Sequence[_Job],
        sampling: Sampling,
        ledger: Ledger,
        keep: Callable[[_Job, list[Completion]], None] | None,
        note: Callable[[_Job, list[ServedChoice]], None] | None,
    ) -> list[_Job]:
        """Ask all once; gives what is left to be drawn."""
        service, left = self._service, list[_Job]()
        known = service.endpoint.habits.thinking
        asks = [job.ask for job in jobs]
        coming = contextlib.closing(service.endpoint.answers(asks, service.concurrency))
        with ledger.timed(), coming as answers:
            for place, answer in answers:
                job = jobs[place]
                choices = taken(service, answer, job.n)
                usage = bill_of(service, answer, job.prompt, choices)
                ledger.drawn += len(choices)
                ledger.ran(
                    prompt=usage.prompt,
                    sampled=usage.sampled,
                    flops_per_token=service.flops_per_token,
                )
                thinks = may_think(service, choices, job.ask.path)
                if thinks and job.ask.path not in known and _is_cut_off(job, choices):
                    left.append(job)  # asked again without stop strings
                    continue
                counts = shares(usage.sampled, len(choices))
                opened = None if service.thinking == "none" else job.is_opened
                texts = [
                    completion(c, sampling, n, is_opened=opened)
                    for c, n in zip(choices, counts, strict=True)
                ]
                if keep is not None:
                    keep(job, texts)
                if note is not None:
                    note(job, choices)
                left += self._rest(job, len(choices))
        return left

    def _rest(self, job: _Job, came: int) -> list[_Job]:
        """Return the samples of a request that did not come, one by one."""
        if came == job.n:
            return []
        self._service.endpoint.habits.give_one()
        body = {name: v for name, v in (job.ask.body or {}).items() if name != "n"}
        return [
            replace(
                job,
                sample=job.sample + i,
                n=1,
                ask=replace(job.ask, body={**body, "seed": job.seeds[i] % 2**31}),
                seeds=job.seeds[i : i + 1],
            )
            for i in range(came, job.n)
        ]

    def _kept(self, drawn: Sequence[Mapping[int, Completion]]) -> list[Group]:
        """Return completions in order, without secrets: from here on they are stored and shown."""
        groups = []
        for group in drawn:
            ordered = [group[i] for i in sorted(group)]
            clean = tuple(map(silenced, ordered))
            self._silenced += sum(a is not b for a, b in zip(ordered, clean, strict=True))
            groups.append(clean)
        return groups


def _is_cut_off(job: _Job, choices: Sequence[ServedChoice]) -> bool:
    """Say whether a stop string that was sent may have ended a text within its thinking."""
    return bool((job.ask.body or {}).get("stop")) and any(
        choice.finish.lower() != "length"
        and (not choice.text if choice.reasoning else PAIR[0] in _open_end(choice.text))
        for choice in choices
    )


def _open_end(text: str) -> str:
    """Return what follows the last thinking that ended."""
    return text.rpartition(PAIR[1])[2]
