"""Looks what a server offers and whether it keeps its word: a few small requests before a study."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from modicum.errors import AccessError, ConfigError, EndpointError
from modicum.plain import JsonValue
from modicum.serving.completions import hides_openers
from modicum.serving.endpoint import ChatRequest, Endpoint, Json
from modicum.serving.protocol import ServedChoice, ask_for, choices_of, named_model, prompt_of
from modicum.serving.service import Service, bill_of, is_stranger, may_think, taken
from modicum.serving.told import RefusedError

__all__ = ["MOST_ASKED", "check_branches", "hint_of", "looked", "most_logprobs", "unready"]

MOST_ASKED = 10
"""Log-probabilities a step that methods ask for unless told otherwise (CoT-decoding's `k`)."""
_FEWEST = 2
"""Log-probabilities a step without which no margin is known."""
_ROOM = 1024
"""Tokens of a look where fewer are refused, or hold nothing but thinking that is not shown."""
_TRIALS = (("Once upon a time", 16), ("1", 16), ("Once upon a time", _ROOM))
"""Trial prompts and their tokens; the last where the others came empty."""
_SEEDS = (11, 11, 12, 13)
"""Of the trial samples: the first two should be equal, the others not all so."""
_STOPS = ("\n\n\n", "\nQ:", "###", "END")
"""As many as a study may send; only whether they are taken is looked at."""
_REFUSING = (400, 422)
_ELSEWHERE = (200, 404, 405, 501)
"""Statuses of a place where no API is; 200 where what came is none of its answers."""


def looked(service: Service, kinds: Sequence[str], *, trust: bool) -> Service:
    """Look what a server offers; return what is known of it from then on.

    Args:
        service: What the user says of it.
        kinds: Of `completions` and `chat`, what may be asked.
        trust: Skip the trial samples that show whether it samples at all.

    Raises:
        ConfigError: it answers as another model, does not sample, or refuses the temperature.
        AccessError: log-probabilities were asked for and do not come.
        EndpointError: it fails otherwise.
    """
    if service.thinking == "opened":
        service.endpoint.habits.think("/chat/completions")
    raw, chat = _offers(service, kinds)
    service = replace(service, raw=raw, chat=chat)
    if service.logprobs:
        service = replace(service, top=most_logprobs(service, MOST_ASKED))
    said = _sampling(service, trust=trust)
    kind = {True: "raw prompts and chat messages", False: "raw prompts alone"}[chat]
    kind = kind if raw else "chat messages alone: raw styles are left out"
    top = f"at most {service.top} log-probabilities a step"
    return replace(service, notes=(*service.notes, kind, *said, *([top] if service.top else [])))


def most_logprobs(service: Service, wanted: int) -> int:
    """Find how many log-probabilities a step come; 0 where as many as wanted do.

    Fewer also come where hardly any other token is possible, or where several are written alike, as
    parts of characters are: that is no limit.

    Raises:
        AccessError: not even two come.
        EndpointError: the server fails otherwise.
    """
    none: EndpointError | None = None
    for top in range(wanted, _FEWEST - 1, -1):
        try:
            came = _tops(service, top)
        except EndpointError as error:
            is_other = isinstance(error, RefusedError) and "temperature" in error.names
            if error.status not in _REFUSING or is_other:
                raise
            none = error
            continue
        if came < _FEWEST:
            break
        return min(came, top) if came < wanted else 0
    raise AccessError(
        f"no log-probabilities of several tokens a step from {service.endpoint.base_url}"
        + (f": {none}" if none is not None else ""),
        "a server that gives them with /completions (vLLM, llama.cpp)",
        "leave logprobs=true out: text alone needs none",
    )


def _tops(service: Service, top: int) -> int:
    """Count the log-probabilities of a first token: the most of a few tries, `top` where none is missed.

    0 where a later token has too few for a margin.
    """
    most = 0
    for text in ("Hi", *dict.fromkeys(text for text, _ in _TRIALS)):
        ask = _ask(service, text, 2, top=top, temperature=0.0)
        [choice] = choices_of(service.endpoint.answer(ask), 1)
        if min((len(step.top) for step in choice.steps), default=0) < _FEWEST:
            return 0
        first = choice.steps[0].top
        if not hides_openers(first, top, 0.0):
            return top
        most = max(most, len(first))
    return most


def check_branches(service: Service, k: int) -> None:
    """Refuse, before anything is spent, more branches than the server can name first tokens.

    Raises:
        AccessError: it gives fewer log-probabilities a step.
    """
    limit = service.top
    if k > MOST_ASKED and not limit:
        limit = most_logprobs(service, k)
    if limit and k > limit:
        raise AccessError(
            f"{k} branches on {service.endpoint.base_url}, which gives {limit} "
            "log-probabilities a step",
            f"at most {limit} branches, or a server that gives more",
            f"set cot_decoding.k={limit}, or raise the server's limit (vLLM: --max-logprobs {k})",
        )


def unready(service: Service, error: EndpointError, *, is_proxied: bool) -> ConfigError:
    """Return the error of a server that cannot be used, with the usual mistake where it is known.

    Args:
        service: What the user says of it.
        error: What happened.
        is_proxied: Whether the environment names a proxy that is not asked.
    """
    endpoint = service.endpoint
    action = "start it, correct base_url, or raise ?timeout"
    if isinstance(error, RefusedError) and "temperature" in error.names:
        action = (
            "both change what is measured, so say which: ?least_temperature=0.01 draws greedy answers "
            "at that, ?leave_out=temperature leaves it to the server"
        )
    elif isinstance(error, RefusedError):
        action = (
            f"leave it out or rename it, if the study can do without: ?leave_out={error.names[0]}"
        )
    elif str(error).startswith("no connection") and is_proxied:
        action += "; the environment names a proxy: add ?proxy=environment to ask through it"
    elif error.status in (401, 403):
        action = (
            "name the variable that holds the key: ?api_key_env=NAME (Azure: &key_header=api-key)"
        )
    elif error.status in _ELSEWHERE and (hint := hint_of(endpoint)):
        action = hint
    elif error.status in _REFUSING:
        action = "see what it wants: ?leave_out, ?rename and ?extra change what every request holds"
    return ConfigError(
        str(error),
        f"an OpenAI-compatible server of {service.model!r} at {endpoint.base_url}",
        action,
    )


def hint_of(endpoint: Endpoint) -> str:
    """Say what is wrong with a base_url that leads to nothing; empty where it is not known."""
    path = endpoint.address.path
    for tail in ("/chat/completions", "/completions", "/models"):
        if path.endswith(tail):
            return f"did you mean base_url without {tail}?"
    base = endpoint.base_url.rstrip("/")
    better = base.removesuffix("/v1") if path.endswith("/v1") else f"{base}/v1"
    try:
        replace(endpoint, base_url=better, retries=0).answer(ChatRequest("/models", insists=False))
    except EndpointError:
        return ""
    return f"did you mean base_url={better}? models are listed there"


def _offers(service: Service, kinds: Sequence[str]) -> tuple[bool, bool]:
    """Try both kinds of prompt as a study will ask; return whether raw ones and chat messages are taken.

    A refusal of what stands in the request is no refusal of its kind.
    """
    prompts = {"completions": "Hi", "chat": prompt_of(None, "Hi")}
    found: dict[str, bool] = {}
    refusal: EndpointError | None = None
    for kind in kinds:
        failure = _tried(service, prompts[kind])
        found[kind] = failure is None
        if failure is not None:
            if not failure.status or isinstance(failure, RefusedError) or len(kinds) == 1:
                raise failure
            refusal = failure
    if refusal is not None and not any(found.values()):
        raise refusal
    return found.get("completions", False), found.get("chat", False)


def _tried(service: Service, prompt: str) -> EndpointError | None:
    """Ask for a token, or for more where that is refused; return why it fails, None where it does not."""
    failure: EndpointError | None = None
    for tokens in (1, _ROOM):
        ask = _ask(service, prompt, tokens, temperature=0.0, stop=[*_STOPS], insists=False)
        try:
            [choice] = _drawn(service, ask, 1)
        except EndpointError as error:
            failure = error
            if error.status not in _REFUSING or isinstance(error, RefusedError):
                break
            continue
        may_think(service, [choice], ask.path)
        return None
    return failure


def _sampling(service: Service, *, trust: bool) -> list[str]:
    """Draw a few samples with known seeds; say what the seeds are worth.

    Raises:
        ConfigError: every seed gives the same text: a study would take greedy answers for samples.
    """
    endpoint = service.endpoint
    if service.batch > 1:
        prompt = "Hi" if service.raw else prompt_of(None, "Hi")
        if len(_drawn(service, _ask(service, prompt, 1, n=2), 2)) < 2:
            endpoint.habits.give_one()
    if trust:
        return ["not looked whether the server samples: trust=true"]
    texts: list[str] = []
    for text, tokens in _TRIALS:
        if tokens == _ROOM and any(texts):
            break  # it has said the same in little room
        texts = _texts(service, text if service.raw else prompt_of(None, text), tokens)
        if len(set(texts)) > 1:
            repeats = "gives" if texts[0] == texts[1] else "does not give"
            return [f"the server {repeats} equal answers for equal seeds"]
    raise ConfigError(
        f"one answer for {len(set(_SEEDS))} seeds at temperature 1: {texts[0][:60]!r}",
        "a server that samples",
        "turn sampling on there (transformers serve: do_sample in the model's "
        "generation_config.json), or add ?trust=true if the model is that sure",
    )


def _texts(service: Service, prompt: str, tokens: int) -> list[str]:
    """Draw a text a seed; empty ones where so few tokens are refused."""
    endpoint = service.endpoint
    asks = [_ask(service, prompt, tokens, seed=seed) for seed in _SEEDS]
    texts = [""] * len(asks)
    try:
        with contextlib.closing(endpoint.answers(asks, service.concurrency)) as coming:
            for place, answer in coming:
                [choice] = _seen(service, asks[place], answer, 1)
                may_think(service, [choice], asks[place].path)
                texts[place] = f"{choice.reasoning or ''}{choice.text}"
    except EndpointError as error:
        is_small = error.status in _REFUSING and not isinstance(error, RefusedError)
        if tokens == _ROOM or not is_small:
            raise
        return [""] * len(asks)
    return texts


def _drawn(service: Service, ask: ChatRequest, n: int) -> list[ServedChoice]:
    return _seen(service, ask, service.endpoint.answer(ask), n)


def _seen(service: Service, ask: ChatRequest, answer: Json, n: int) -> list[ServedChoice]:
    """Return the texts of an answer; refuse one of another model."""
    name = named_model(answer)
    if is_stranger(service, name):
        raise ConfigError(
            f"the server {service.endpoint.base_url} answers as model {name!r}",
            f"{service.model!r}, as asked",
            "name the model that is served, or mend the server; if it is the same model under another "
            f"name, add ?answers_as={name:.100}",
        )
    choices = taken(service, answer, n)
    bill_of(service, answer, str((ask.body or {}).get("prompt", "")), choices)
    return choices


def _ask(
    service: Service,
    prompt: str,
    tokens: int,
    *,
    top: int = 0,
    insists: bool = True,
    **more: JsonValue,
) -> ChatRequest:
    """Return a small request; `more` are fields of its own."""
    body: Json = {**service.extra, "model": service.model, "max_tokens": tokens, "seed": 11}
    body |= {"temperature": 1.0, "top_p": 1.0, **more}
    return ask_for(prompt, body, top=top, insists=insists)
