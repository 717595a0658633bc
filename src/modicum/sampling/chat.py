"""The prompt of a chat template, written within limits of time and memory."""

import threading
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import jinja2
from transformers import PreTrainedTokenizerBase

from modicum.errors import CheckpointError, JudgeError
from modicum.files.foreign import words_of
from modicum.marking.killable import killable
from modicum.plain import JsonObject

__all__ = ["MEMORY_MB", "TEMPLATE_S", "chat_prompt", "user_prompt"]

TEMPLATE_S = 5.0
"""Seconds that a template may take for one prompt."""
MEMORY_MB = 1024
"""Address space of the process that writes prompts."""
_LONGEST = 16_000_000
"""Characters of the longest prompt."""
_ONE = threading.Lock()


def user_prompt(
    tokenizer: PreTrainedTokenizerBase, system: str | None, user: str, told: Mapping[str, bool]
) -> str | None:
    """Return the prompt of one user turn, or None where there is no template.

    Where the template knows no system role, the system prompt stands before the question.
    """
    if not tokenizer.chat_template:
        return None
    asked = {"role": "user", "content": user}
    if system is None:
        return chat_prompt(tokenizer, [asked], told)
    try:
        turns = [{"role": "system", "content": system}, asked]
        return chat_prompt(tokenizer, turns, told)
    except jinja2.TemplateError:
        folded = {"role": "user", "content": f"{system}\n\n{user}"}
        return chat_prompt(tokenizer, [folded], told)


def chat_prompt(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Mapping[str, str]],
    told: Mapping[str, bool] = MappingProxyType({}),
) -> str:
    """Return what transformers' `apply_chat_template` gives, for the assistant to go on.

    Args:
        tokenizer: Has a chat template, which may be a stranger's.
        messages: The turns, each with `role` and `content`.
        told: What the template is told beside them, such as `enable_thinking`.

    Raises:
        TemplateError: the template refuses these turns, or is none.
        CheckpointError: it takes too long or too much, or raises anything else.
    """
    try:
        template = str(tokenizer.get_chat_template())
        return _asked(template, list(messages), {**tokenizer.special_tokens_map, **told})
    except (JudgeError, ValueError) as error:
        raise CheckpointError(
            f"its chat template: {words_of(error)}",
            f"a template that writes a prompt within {TEMPLATE_S:g} s and {MEMORY_MB} MB",
            "mend chat_template in its tokenizer's files, or ask in a raw style",
        ) from error


def _asked(template: str, messages: list[Mapping[str, str]], names: JsonObject) -> str:
    """Have a prompt written in the process of its own, and fetch it part by part."""
    worker = killable("modicum.sampling.turns:turns", TEMPLATE_S, MEMORY_MB)
    text, size = "", 1
    with _ONE:
        while len(text) < size:
            found = worker.ask(template=template, messages=messages, names=names, start=len(text))
            if not isinstance(found, dict):
                raise JudgeError(f"{type(found).__name__}, expected a table")
            if "refused" in found:
                raise jinja2.TemplateError(str(found["refused"]))
            text += str(found["text"])
            size = int(found["size"])
            if size > _LONGEST:
                raise ValueError(f"a prompt of {size:,} characters")
    return text
