"""A model behind an OpenAI-compatible server: vLLM, llama.cpp, transformers serve, others."""

import dataclasses
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, final

from modicum.errors import ConfigError, EndpointError, nearest
from modicum.model import Backend
from modicum.secrecy import is_key_name, learn, looks_like_key
from modicum.serving.adapters import ServedAdapter, ServedAdapters
from modicum.serving.adapting import Habits, Json, names_of, renames_of
from modicum.serving.address import address_of, check_header, check_variable, read_key
from modicum.serving.endpoint import ChatRequest, Endpoint
from modicum.serving.opening import check_branches, hint_of, looked, most_logprobs, unready
from modicum.serving.parity import PROBE, TOLERANCE, ParityTrace, Scorer, Tolerance
from modicum.serving.proxy import names_proxy, proxy_for
from modicum.serving.served import Served
from modicum.serving.service import Service, Thinking, is_same_model
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
_HOTTEST = 2.0
"""Highest temperature that the protocol knows."""


@final
@dataclass(frozen=True)
class Openai(Backend):
    """Asks `openai:MODEL?base_url=http://127.0.0.1:8000/v1`; text, and log-probabilities if asked."""

    version: ClassVar[int] = 2
    pretrained: ClassVar[bool] = True
    powers: ClassVar[Mapping[str, str]] = {
        "": "server",
        "api_key_env": "environment",
        "proxy": "environment",
    }

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
    leave_out: str = ""
    """Parameters that no request holds, such as `seed,top_p`; what a server refuses is learnt."""
    rename: str = ""
    """Parameters under other names, such as `max_tokens:max_completion_tokens`."""
    least_temperature: float = 0.0
    """Temperature of greedy answers where a server refuses 0; they may differ from the likeliest."""
    answers_as: str = ""
    """Name that its answers bear where it is not the one asked for, such as a deployment's model."""
    api_version: str = ""
    """Sent as `?api-version=…` with every request, as Azure wants it."""
    key_header: str = ""
    """Header of the key in place of `Authorization: Bearer`; Azure's is `api-key`."""
    proxy: Literal["none", "environment", "always"] = "none"
    """`environment`: ask through `HTTPS_PROXY` and its like, but this machine; `always`: that too."""
    weights: str = ""
    """Their digest, where the name is an adapter's; `with_adapter` sets it."""

    def __post_init__(self) -> None:
        """Refuse settings outside their ranges, and state what log-probabilities change.

        Raises:
            ConfigError: a setting that holds a secret, so that no such object exists.
            ValueError: a setting outside its range.
        """
        self._check_query()
        address_of(self.base_url)
        check_variable(self.api_key_env)
        check_header(self.key_header)
        self._extra()
        left_out, renamed = names_of(self.leave_out), renames_of(self.rename)
        if set(left_out) & {*renamed, *(["logprobs"] if self.logprobs else [])}:
            msg = f"leave_out = {self.leave_out}, which is asked for elsewhere"
            raise ValueError(msg)
        if not re.fullmatch(r"[A-Za-z0-9._-]{0,40}", self.api_version):
            msg = "api_version that is none, such as 2024-10-21"
            raise ValueError(msg)
        if not 0 <= self.least_temperature <= _HOTTEST:
            msg = f"least_temperature = {self.least_temperature}"
            raise ValueError(msg)
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
        """Look at the settings; asks nobody.

        Raises:
            ConfigError: no model named, or no key.
        """
        if not self.name:
            raise ConfigError(
                "an endpoint without a model", "openai:MODEL", "name one that the server lists"
            )
        read_key(self.api_key_env)

    def ready(self) -> None:
        """Ask the server whether it serves the model.

        Raises:
            ConfigError: it is down, too slow, or does not list the model.
        """
        service = self._service()
        try:
            brief = dataclasses.replace(service.endpoint, retries=min(1, self.retries))
            listed = brief.answer(ChatRequest("/models"))
        except EndpointError as error:
            if error.status not in (404, 405, 501):
                raise self._unready(service, error) from error
            if hint := hint_of(service.endpoint):
                raise ConfigError(str(error), "a base_url that leads to an API", hint) from error
            return  # a server may list nothing; its answers name their model
        names = _listed(listed)[:_LISTED]
        own = [name for name in (self.name, self.answers_as) if name]
        if names and not any(is_same_model(asked, name) for asked in own for name in names):
            close = nearest(self.name, names)
            raise ConfigError(
                f"the server {self.base_url} does not list the model {self.name!r}",
                f"one of {', '.join(names[:20])}",
                f"did you mean {close!r}?" if close else "name one of those",
            )

    def ready_for(self, k: int) -> None:
        """Ask the server whether it can name as many first tokens as a method branches at.

        Raises:
            AccessError: it cannot.
            ConfigError: it fails.
        """
        if not self.logprobs:
            return
        service = self._service()
        try:
            service = dataclasses.replace(service, top=most_logprobs(service, k))
        except EndpointError as error:
            raise self._unready(service, error) from error
        check_branches(service, k)

    @property
    def more_access(self) -> str:
        """What to add to the reference for log-probabilities."""
        return "" if self.logprobs or self.endpoint == "chat" else "add &logprobs=true to the model"

    def open(self) -> Served:
        """Look what the server offers and whether it keeps its word; a few small requests.

        Raises:
            ConfigError: it is down, too slow, answers as another model or does not sample.
            AccessError: log-probabilities were asked for and do not come.
        """
        self.check()
        self.ready()
        service = self._service()
        kinds = ["completions", "chat"]
        if self.endpoint != "auto" or self.logprobs:
            kinds = ["chat" if self.endpoint == "chat" else "completions"]
        try:
            return Served(looked(service, kinds, trust=self.trust))
        except EndpointError as error:
            raise self._unready(service, error) from error

    def adapters(
        self,
        untuned: Scorer,
        probe: ParityTrace | tuple[str, str] | None = None,
        tolerance: Tolerance = TOLERANCE,
    ) -> ServedAdapters:
        """Return what loads, replaces and unloads LoRA adapters over this model while it runs.

        Args:
            untuned: Scores tokens with the local module before any tuning.
            probe: What is scored on both sides after each load, prompt and continuation; a text
                of some hundred tokens where None.
            tolerance: How far the two may differ.

        Raises:
            ConfigError: no key where `api_key_env` names one.
        """
        text = ParityTrace(*probe) if isinstance(probe, tuple) else probe or PROBE
        return ServedAdapters(self._endpoint(), self.name, untuned, text, tolerance, self._extra())

    def with_adapter(self, adapter: ServedAdapter) -> "Openai":
        """Return the same server sampling under an adapter's name.

        Its card's hash tells versions of one name apart, so that no kept sample of an older
        version is taken for this one's; each request carries the version as `cache_salt`, so that
        the server reuses no prefix of an older one either. Ask anew after each replacement.
        """
        return dataclasses.replace(
            self,
            name=adapter.name,
            answers_as="",  # that is the untuned model's
            weights=adapter.version,
            parameters=self._billions()[0],  # an adapter's name tells no size
            extra=json.dumps({**self._extra(), "cache_salt": adapter.version}),
        )

    def _service(self) -> Service:
        """Return what the user says of the server."""
        billions, said = self._billions()
        changes = (self.leave_out, self.rename, self.least_temperature)
        return Service(
            self.name,
            self._endpoint(),
            logprobs=self.logprobs,
            concurrency=self.concurrency,
            batch=self.batch,
            extra=self._extra(),
            thinking=self.thinking,
            flops_per_token=2e9 * (billions or 1.0),
            parameters=round(billions * 1e9),
            version=self.weights,
            answers_as=self.answers_as,
            asked=tuple(map(str, changes)) if any(changes) else (),
            notes=(f"served by {self.base_url}: its weights are not seen", *said),
        )

    def _endpoint(self) -> Endpoint:
        address = address_of(self.base_url)
        is_always = self.proxy == "always"
        return Endpoint(
            self.base_url,
            read_key(self.api_key_env),
            self.timeout,
            self.retries,
            key_header=self.key_header,
            query=f"api-version={self.api_version}" if self.api_version else "",
            proxy=None
            if self.proxy == "none"
            else proxy_for(address, os.environ, is_local_too=is_always),
            habits=Habits(
                names_of(self.leave_out), renames_of(self.rename), self.least_temperature
            ),
        )

    def _check_query(self) -> None:
        """Refuse a setting that hangs on base_url by a question mark of its own.

        Raises:
            ConfigError: one; nothing else that stands there is told.
        """
        found = re.fullmatch(r"[^?#]*\?([a-z_-]{1,20})=([\w.:,-]{1,40})", self.base_url)
        name = found[1].replace("-", "_") if found else ""
        known = {field.name for field in dataclasses.fields(self)}
        if found and name in known and not looks_like_key(found[2]) and not name.endswith("_env"):
            raise ConfigError(
                f"the setting {name} behind a second question mark",
                "settings with & between them",
                f"write base_url=…&{name}={found[2]}",
            )

    def _extra(self) -> Json:
        """Read the fields that are added to every request.

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

    def _unready(self, service: Service, error: EndpointError) -> ConfigError:
        is_proxied = self.proxy == "none" and names_proxy(service.endpoint.address, os.environ)
        return unready(service, error, is_proxied=is_proxied)

    def _billions(self) -> tuple[float, list[str]]:
        """Return the model's size in billions, as said or as its name tells; 0 if unknown."""
        if self.parameters:
            return self.parameters, []
        last = self.name.rstrip("/").rpartition("/")[2]
        sizes = [float(n) * (1.0 if unit in "bB" else 1e-3) for n, unit in _BILLIONS.findall(last)]
        if not sizes:
            said = "parameters not known: FLOPs are counted for a billion, right only side by side"
            return 0.0, [said]
        # of a mixture of experts both sizes stand in the name; a token passes through the smaller
        return min(sizes), [f"FLOPs are counted for {min(sizes):g}B parameters, from its name"]


def _listed(answer: Json) -> list[str]:
    """Return the names of the models that a server lists, in the forms that servers use."""
    entries = answer.get("data") or answer.get("models")
    names = []
    for entry in entries if isinstance(entries, list) else ():
        found = entry if isinstance(entry, dict) else {"id": entry}
        names += [found[n] for n in ("id", "name", "model") if isinstance(found.get(n), str)][:1]
    return names


def _object_in(text: str) -> Json | None:
    """Read a JSON object; None where there is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _holds_secret(value: object) -> bool:
    """Say whether a key is named, or seems to stand, anywhere in a value; it is known from here on."""
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
