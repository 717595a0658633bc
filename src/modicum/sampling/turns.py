"""Writes a chat prompt by a model's template, in a process of its own that can be ended.

A template is a program in a small language: it may run for ever or double a text until memory is gone,
and it comes with the model. transformers' sandbox keeps it from everything but its messages; time and
memory are kept by the process (`modicum.marking.killable`), which imports no torch.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import jinja2
from transformers.utils.chat_template_utils import render_jinja_template

from modicum.plain import JsonObject, JsonValue

__all__ = ["PART", "turns"]

PART = 8000
"""Characters of a prompt that are given at once: a reply is a line of limited length."""
_last: dict[str, str] = {}
"""The prompt of the last call, by what it was written from."""


def turns(
    template: str,
    messages: Sequence[Mapping[str, str]],
    names: JsonObject,
    start: int = 0,
) -> dict[str, JsonValue]:
    """Return a prompt's characters from a place on, and how many it has; or why the template refused.

    Args:
        template: The template.
        messages: The turns, each with `role` and `content`.
        names: The tokenizer's special tokens and switches, by the names that templates know.
        start: The place of the first character.
    """
    asked = json.dumps([template, messages, names])
    if asked not in _last:
        _last.clear()
        try:
            rendered, _ = cast(Any, render_jinja_template)(
                conversations=[list(messages)],
                chat_template=template,
                add_generation_prompt=True,
                **names,
            )
        except jinja2.TemplateError as error:
            return {"refused": str(error)[:2000]}
        _last[asked] = rendered[0]
    text = _last[asked]
    return {"size": len(text), "text": text[start : start + PART]}
