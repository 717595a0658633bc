"""A model behind an OpenAI-compatible server: vLLM, llama.cpp, transformers serve, others."""

import contextlib
import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, final

from modicum.errors import AccessError, ConfigError, EndpointError, nearest
from modicum.model import Backend
from modicum.models._adapters import Adapter, ServedAdapters
from modicum.models._address import address_of, check_variable, read_key
from modicum.models._endpoint import Ask, Endpoint, Json
from modicum.models._parity import PROBE, TOLERANCE, Probe, Scorer, Tolerance
from modicum.models._protocol import Choice, ask_for, choices_of, named_model, prompt_of, usage_of
from modicum.models._served import Served, Service, Thinking, is_same_model
from modicum.secrecy import is_key_name, learn, looks_like_key
from modicum.types import Access

__all__ = ["Openai"]

_BILLIONS = re.compile(r"(?<![\w.])a?(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", re.IGNORECASE)
"""Sizes in names: `135M`, `8B`, and `A3B` for the part that a token passes through."""
_MOST = 1024
"""Most requests in flight, samples in one, and tries."""
_LISTED = 10_000
"""Most models that are looked at of a server's list."""
_DAY = 86_400
"""Seconds: nobody waits longer for one answer."""
_TRIALS = ("Once upon a time", "1")
_TRIAL_TOKENS = 16
_SEEDS = (11, 11, 12, 13)
"""Of the trial samples: the first two should be equal, the others not all so."""


@final
@dataclass(frozen=True)
class Openai(Backend):
    """Asks `openai:MODEL?base_url=http://127.0.0.1:8000/v1`; text, and log-probabilities if asked."""

    powers: ClassVar[Mapping[str, str]] = {"": "server", "api_key_env": "environment"}

    name: str = ""
    """The model's name, as the server lists it."""
    base_url: str = "http://127.0.0.1:8000/v1"
    """Where `/completions` and `/chat/completions` lie."""
    api_key_env: str = ""
    """Name of the environment variable that holds the key; never the key itself."""
    timeout: float = 120.0
    """Seconds in which a whole answer must have come, at most a day."""
    retries: int = 5
    """Further tries where the server is down, slow or busy."""
    concurrency: int = 8
    """Requests in flight."""
    batch: int = 1
    """Samples asked for in one request (`n`); each request has a seed of its own."""
    endpoint: Literal["auto", "completions", "chat"] = "auto"
    """Raw prompts, chat messages, or what the server offers of both."""
    logprobs: bool = False
    """Ask for log-probabilities, as CoT-decoding needs them; with raw prompts alone."""
    thinking: Thinking = "auto"
    """`opened`: the chat template opens the thinking; `none`: leave `<think>` in the answers."""
    parameters: float = 0.0
    """Billions of them, for FLOPs; read from the name where 0."""
    extra: str = ""
    """A JSON object added to every request, such as `{"top_k": -1}`."""
    trust: bool = False
    """Skip the trial samples that show whether the server samples at all."""
    weights: str = ""
    """Their digest, where the name is an adapter's; `with_adapter` sets it."""

    def __post_init__(self) -> None:
        """Refuses settings outside their ranges, and states what log-probabilities change.

        Raises:
            ConfigError: a setting that holds a secret, so that no such object exists.
            ValueError: a setting outside its range.
        """
        address_of(self.base_url)
        check_variable(self.api_key_env)
        self._extra()
        sizes = (self.concurrency, self.batch, self.retries + 1)
        if not (0 < self.timeout <= _DAY and min(sizes) >= 1 and max(sizes) <= _MOST):
            msg = (
                f"timeout = {self.timeout}, retries = {self.retries}, "
                f"concurrency = {self.concurrency}, batch = {self.batch}"
            )
            raise ValueError(msg)
        if self.logprobs and self.endpoint == "chat":
            msg = "logprobs = true with endpoint = chat: a chat turn cannot be branched"
            raise ValueError(msg)
        if self.logprobs:  # what this server is asked for, not what every server offers
            object.__setattr__(self, "access", Access.LOGPROBS)

    def check(self) -> None:
        """Looks at the settings; asks nobody.

        Raises:
            ConfigError: no model named, or no key.
        """
        if not self.name:
            raise ConfigError(
                "an endpoint without a model", "openai:MODEL", "name one that the server lists"
            )
        read_key(self.api_key_env)

    def ready(self) -> None:
        """Asks the server whether it serves the model.

        Raises:
            ConfigError: it is down, too slow, or does not list the model.
        """
        try:
            brief = dataclasses.replace(self._endpoint(), retries=min(1, self.retries))
            listed = brief.answer(Ask("/models"))
        except EndpointError as error:
            if error.status in (404, 405, 501):
                return  # a server may list nothing; its answers name their model
            raise self._unready(error) from error
        data = listed.get("data")
        entries = data if isinstance(data, list) else []
        names = [str(e["id"]) for e in entries if isinstance(e, dict) and "id" in e][:_LISTED]
        if not any(is_same_model(self.name, name) for name in names):
            close = nearest(self.name, names)
            raise ConfigError(
                f"the server {self.base_url} does not list the model {self.name!r}",
                f"one of {', '.join(names[:20]) or '(none)'}",
                f"did you mean {close!r}?" if close else "name one of those",
            )

    def open(self) -> Served:
        """Looks what the server offers and whether it keeps its word; a few small requests.

        Raises:
            ConfigError: it is down, too slow, answers as another model or does not sample.
            AccessError: log-probabilities were asked for and do not come.
        """
        self.check()
        self.ready()
        try:
            raw, chat = self._offers()
            if self.logprobs:
                self._see_logprobs()
            notes = self._sampling(raw=raw)
        except EndpointError as error:
            raise self._unready(error) from error
        billions, said = self._billions()
        return Served(
            Service(
                self.name,
                self._endpoint(),
                raw=raw,
                chat=chat,
                logprobs=self.logprobs,
                concurrency=self.concurrency,
                batch=self.batch,
                extra=self._extra(),
                thinking=self.thinking,
                flops_per_token=2e9 * (billions or 1.0),
                parameters=round(billions * 1e9),
                version=self.weights,
                notes=(
                    f"served by {self.base_url}: its weights are not seen",
                    {True: "raw prompts and chat messages", False: "raw prompts alone"}[chat]
                    if raw
                    else "chat messages alone: raw styles are left out",
                    *notes,
                    *said,
                ),
            )
        )

    def adapters(
        self,
        untuned: Scorer,
        probe: Probe | tuple[str, str] | None = None,
        tolerance: Tolerance = TOLERANCE,
    ) -> ServedAdapters:
        """Gives what loads, replaces and unloads LoRA adapters over this model while it runs.

        Args:
            untuned: Scores tokens with the local module before any tuning.
            probe: What is scored on both sides after each load, prompt and continuation; a text
                of some hundred tokens where None.
            tolerance: How far the two may differ.

        Raises:
            ConfigError: no key where `api_key_env` names one.
        """
        text = Probe(*probe) if isinstance(probe, tuple) else probe or PROBE
        return ServedAdapters(self._endpoint(), self.name, untuned, text, tolerance, self._extra())

    def with_adapter(self, adapter: Adapter) -> "Openai":
        """Gives the same server sampling under an adapter's name.

        Its card's hash tells versions of one name apart, so that no kept sample of an older
        version is taken for this one's; each request carries the version as `cache_salt`, so that
        the server reuses no prefix of an older one either. Ask anew after each replacement.
        """
        return dataclasses.replace(
            self,
            name=adapter.name,
            weights=adapter.version,
            parameters=self._billions()[0],  # an adapter's name tells no size
            extra=json.dumps({**self._extra(), "cache_salt": adapter.version}),
        )

    def _endpoint(self) -> Endpoint:
        key = read_key(self.api_key_env)
        return Endpoint(self.base_url, key, self.timeout, self.retries)

    def _extra(self) -> Json:
        """Reads the fields that are added to every request.

        Raises:
            ConfigError: no JSON object, or one with a secret in it: it stands in the study's plan.
        """
        extra = _object_in(self.extra or "{}")
        if extra is None:
            raise ConfigError(
                "extra that is none", "a JSON object", 'write {"top_k": -1}, percent-encoded'
            )
        if _holds_secret(extra):
            raise ConfigError(
                "extra with a field that holds a key, or names one",
                "fields of the request alone, for they stand in the study's plan",
                "put the key into the variable that api_key_env names",
            )
        return extra

    def _unready(self, error: EndpointError) -> ConfigError:
        return ConfigError(
            str(error),
            f"an OpenAI-compatible server of {self.name!r} at {self.base_url}",
            "start it, correct base_url, or raise ?timeout",
        )

    def _offers(self) -> tuple[bool, bool]:
        """Tries both kinds of prompt; gives whether raw ones and chat messages are taken."""
        kinds = {"completions": "Hi", "chat": prompt_of(None, "Hi")}
        if self.endpoint != "auto" or self.logprobs:
            wanted = "chat" if self.endpoint == "chat" else "completions"
            kinds = {wanted: kinds[wanted]}
        found: dict[str, bool] = {}
        for kind, prompt in kinds.items():
            try:
                self._draw(prompt, 1, insists=False)
                found[kind] = True
            except EndpointError as error:
                if not error.status or len(kinds) == 1:
                    raise
                found[kind], refusal = False, error
        if not any(found.values()):
            raise refusal
        return found.get("completions", False), found.get("chat", False)

    def _see_logprobs(self) -> None:
        answer = self._endpoint().answer(self._ask("Hi", 2, top=5))
        [choice] = choices_of(answer, 1)
        if not choice.steps or min(len(step.top) for step in choice.steps) < 2:
            raise AccessError(
                f"no log-probabilities of several tokens a step from {self.base_url}",
                "a server that gives them with /completions (vLLM, llama.cpp)",
                "leave logprobs=true out: text alone needs none",
            )

    def _sampling(self, *, raw: bool) -> list[str]:
        """Draws a few samples with known seeds; says what the seeds are worth.

        Raises:
            ConfigError: every seed gives the same text: a study would take greedy answers for
                samples.
        """
        if self.trust:
            return ["not looked whether the server samples: trust=true"]
        for text in _TRIALS:
            prompt = text if raw else prompt_of(None, text)
            asks = [self._ask(prompt, _TRIAL_TOKENS, seed=seed) for seed in _SEEDS]
            texts = [""] * len(asks)
            with contextlib.closing(self._endpoint().answers(asks, self.concurrency)) as coming:
                for place, answer in coming:
                    [choice] = self._checked(answer, 1)
                    texts[place] = f"{choice.reasoning or ''}{choice.text}"
            if len(set(texts)) > 1:
                if self.batch > 1:
                    self._draw(prompt, 1, n=2)
                repeats = "gives" if texts[0] == texts[1] else "does not give"
                return [f"the server {repeats} equal answers for equal seeds"]
        raise ConfigError(
            f"one answer for {len(set(_SEEDS))} seeds at temperature 1: {texts[0][:60]!r}",
            "a server that samples",
            "turn sampling on there (transformers serve: do_sample in the model's "
            "generation_config.json), or add ?trust=true if the model is that sure",
        )

    def _draw(self, prompt: str, tokens: int, *, n: int = 1, insists: bool = True) -> list[Choice]:
        ask = self._ask(prompt, tokens, n=n, insists=insists)
        return self._checked(self._endpoint().answer(ask), n)

    def _checked(self, answer: Json, n: int) -> list[Choice]:
        """Gives the texts of an answer; refuses one of another model or without a bill."""
        name = named_model(answer)
        if not is_same_model(self.name, name):
            raise ConfigError(
                f"the server {self.base_url} answers as model {name!r}",
                f"{self.name!r}, as asked",
                "name the model that is served, or mend the server",
            )
        usage_of(answer)
        return choices_of(answer, n)

    def _ask(
        self,
        prompt: str,
        tokens: int,
        *,
        n: int = 1,
        seed: int = 11,
        top: int = 0,
        insists: bool = True,
    ) -> Ask:
        body: Json = {**self._extra(), "model": self.name, "max_tokens": tokens, "seed": seed}
        body |= {"temperature": 1.0, "top_p": 1.0, **({"n": n} if n > 1 else {})}
        return ask_for(prompt, body, top=top, insists=insists)

    def _billions(self) -> tuple[float, list[str]]:
        """Gives the model's size in billions, as said or as its name tells; 0 if unknown."""
        if self.parameters:
            return self.parameters, []
        last = self.name.rstrip("/").rpartition("/")[2]
        sizes = [float(n) * (1.0 if unit in "bB" else 1e-3) for n, unit in _BILLIONS.findall(last)]
        if not sizes:
            said = "parameters not known: FLOPs are counted for a billion, right only side by side"
            return 0.0, [said]
        # of a mixture of experts both sizes stand in the name; a token passes through the smaller
        return min(sizes), [f"FLOPs are counted for {min(sizes):g}B parameters, from its name"]


def _object_in(text: str) -> Json | None:
    """Reads a JSON object; None where there is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _holds_secret(value: object) -> bool:
    """Says whether a key is named, or seems to stand, anywhere in a value; it is known from here on."""
    if isinstance(value, dict):
        named = [item for name, item in value.items() if is_key_name(name)]
        for item in named:
            learn(str(item))
        return bool(named) or any(map(_holds_secret, (*value, *value.values())))
    if isinstance(value, list):
        return any(map(_holds_secret, value))
    if isinstance(value, str) and looks_like_key(value):
        learn(value)
        return True
    return False
