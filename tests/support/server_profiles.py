"""Servers as they are: a few oddities each that were documented or reported, none of them guessed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from modicum.secrecy import learn

KEY = "sk-profile-0123456789"
"""Key of the servers that want one."""


@dataclass(frozen=True)
class Profile:
    """How a kind of server behaves, and how it is asked."""

    manners: Mapping[str, object]
    settings: Mapping[str, object] = field(default_factory=dict)
    """What the user must add to the reference."""
    notes: tuple[str, ...] = ()
    """Beginnings of what the card must say."""
    needs_key: bool = False
    gives_logprobs: int = 0
    """Most of them a step; 0 where it gives none with raw prompts."""


def _vllm_refuses(path: str, body: dict) -> tuple[int, object] | None:
    """Older ones forbid fields that they do not know, located as pydantic does.

    modelscope/ms-agent#489 and 1Panel-dev/MaxKB#2912 quote the answer, vllm-project/vllm#10463 lists
    more of them and ends it. `--max-logprobs` limits log-probabilities (EleutherAI/
    lm-evaluation-harness#1735, vllm-project/vllm#5299).
    """
    if "seed" in body:
        return 400, _vllm_error(
            "[{'type': 'extra_forbidden', 'loc': ('body', 'seed'), 'msg': 'Extra inputs are not "
            f"permitted', 'input': {body['seed']}}}]"
        )
    if (body.get("logprobs") or 0) > 5:
        return 400, _vllm_error(
            f"Requested sample logprobs of {body['logprobs']}, which is greater than max allowed: 5"
        )
    return None


def _vllm_error(message: str) -> dict:
    return {
        "object": "error", "message": message, "type": "BadRequestError", "param": None, "code": 400,
    }  # fmt: skip


def _vllm_edits(answer: dict, body: dict) -> None:
    """Name the stop string that it met, or null, beside the reason."""
    for choice in answer["choices"]:
        choice["stop_reason"] = None


def _llama_cpp_edits(answer: dict, body: dict) -> None:
    """Answers under one name whatever was loaded (ggml-org/llama.cpp#11069); #17668 ended it."""
    answer["model"] = "gpt-3.5-turbo"


def _ollama_refuses(path: str, body: dict) -> tuple[int, object] | None:
    """Errors carry nulls for param and code (ollama/ollama#12425); no log-probabilities of raw
    prompts in older ones, whose field is left unread (mike-fabian/ibus-typing-booster#502).
    """
    if body["model"] == "no-such-model":
        error = {"message": "model not found", "type": "api_error", "param": None, "code": None}
        return 404, {"error": error}
    return None


def _ollama_edits(answer: dict, body: dict) -> None:
    """Parts thinking off into `reasoning` (ollama/ollama#15288)."""
    for choice in answer["choices"]:
        if "message" in choice and "reasoning_content" in choice["message"]:
            choice["message"]["reasoning"] = choice["message"].pop("reasoning_content")


def _openai_refuses(path: str, body: dict) -> tuple[int, object] | None:
    """Newer models of the chat endpoint.

    No `max_tokens` (openai/openai-python#2046, FoundationAgents/MetaGPT#1709 with the whole answer),
    no temperature but 1 (gabrii/Cursor-Azure-GPT-5#33), four stop strings at most
    (continuedev/continue#1572).
    """
    if "max_tokens" in body:
        words = (
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead."
        )
        return 400, _openai_error(words, "max_tokens", "unsupported_parameter")
    if body.get("temperature", 1) != 1:
        words = (
            f"Unsupported value: 'temperature' does not support {body['temperature']:g} with this "
            "model. Only the default (1) value is supported."
        )
        return 400, _openai_error(words, "temperature", "unsupported_value")
    if len(body.get("stop", ())) > 4:
        words = (
            "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an "
            f"array with length {len(body['stop'])} instead."
        )
        return 400, _openai_error(words, "stop", "array_above_max_length")
    return None


def _openai_error(message: str, param: str, code: str) -> dict:
    return {
        "error": {
            "message": message, "type": "invalid_request_error", "param": param, "code": code,
        }
    }  # fmt: skip


def _azure_edits(answer: dict, body: dict) -> None:
    """Add what its filters found (microsoft/semantic-kernel#5240), and name the model behind the
    deployment rather than the deployment.
    """
    answer["model"] = "gpt-35-turbo"
    answer["prompt_filter_results"] = [{"prompt_index": 0, "content_filter_results": {}}]
    for choice in answer["choices"]:
        choice["content_filter_results"] = {"hate": {"filtered": False, "severity": "safe"}}


PROFILES: Mapping[str, Profile] = {
    "vllm": Profile(
        {"refuse": _vllm_refuses, "edit": _vllm_edits},
        notes=("the server refuses seed",),
        gives_logprobs=5,
    ),
    # no echo of prompts with their log-probabilities (ggml-org/llama.cpp#15189)
    "llama_cpp": Profile(
        {"edit": _llama_cpp_edits, "echoes": False},
        settings={"answers_as": "gpt-3.5-turbo"},
        notes=("its answers name the model 'gpt-3.5-turbo'",),
        gives_logprobs=3,
    ),
    # `n` is not among the fields that it reads (docs.ollama.com/api/openai-compatibility)
    "ollama": Profile(
        {
            "refuse": _ollama_refuses, "edit": _ollama_edits, "knows_n": False, "logprobs": False,
            "listed": ("tiny-1B:latest",),
        },
        settings={"batch": 4},
        notes=("the server gives fewer texts than asked",),
    ),
    # five log-probabilities at most with /completions, without a word (openai/openai-python#38)
    "openai": Profile(
        {"refuse": _openai_refuses, "offers": ("/chat/completions",), "key": KEY},
        settings={"leave_out": "temperature"},
        notes=(
            "the server refuses max_tokens: it is sent as max_completion_tokens",
            "temperature is left to the server",
        ),
        needs_key=True,
    ),
    # api-version in every query, api-key in place of a bearer token, the deployment in the path: see
    # the page learn.microsoft.com/azure/ai-foundry/openai/reference
    "azure": Profile(
        {
            "base": "/openai/deployments/tiny", "query": "api-version=2024-10-21", "listed": (),
            "key": KEY, "key_header": "api-key", "edit": _azure_edits,
        },
        settings={
            "api_version": "2024-10-21", "key_header": "api-key", "answers_as": "gpt-35-turbo",
        },
        notes=("its answers name the model 'gpt-35-turbo'",),
        needs_key=True,
        gives_logprobs=3,
    ),
}  # fmt: skip


def url_of(url: str, profile: Profile) -> str:
    """Return the address at which a profile's server is asked."""
    return url.removesuffix("/v1") + str(profile.manners.get("base", "/v1"))


def settings_of(profile: Profile, monkeypatch) -> dict[str, object]:
    """Return the settings of a reference, with the key in the environment where one is needed."""
    if not profile.needs_key:
        return dict(profile.settings)
    learn(KEY)
    monkeypatch.setenv("PROFILE_KEY", KEY)
    return {**profile.settings, "api_key_env": "PROFILE_KEY"}
