"""The short closed list of zero-shot styles among which the floor is chosen."""

import dataclasses

from modicum.model import Language, Model, render
from modicum.task import QUESTION_ANSWER, Sheet
from modicum.types import Style

__all__ = ["closed_list", "is_asked_so"]

# Kojima et al. 2022 (2205.11916) and Zhou et al. 2022 (2211.01910)
_TRIGGERS = (
    ("step_by_step", "Let's think step by step."),
    (
        "work_it_out",
        "Let's work this out in a step by step way to be sure we have the right answer.",
    ),
)


def closed_list(
    model: Model, sheet: Sheet, *, own: Style | None, instruction: bool, is_fixed: bool = False
) -> tuple[tuple[Style, ...], tuple[str, ...]]:
    """Return the styles that fit the model, the default first, and the names of those left out.

    The default is the user's own prompt; else the one that travels with the model, as with an
    exported nudge; else the chat template where there is one; else raw.
    Styles that the tokenizer cannot encode are skipped and named, and so are raw ones where a
    server takes chat messages alone; a password is never among them. A model that knows no language
    gets no words beside the question but those that the task brings. Each style knows what opens
    and closes the model's thinking.

    Args:
        model: The loaded model.
        sheet: The task's form.
        own: The user's production prompt, or None.
        instruction: Let the task's own instruction into the list (`--styles all`).
        is_fixed: Whether the default alone is the list: nothing may take its place (`--styles own`).
    """
    language = model.language or Language()
    has_chat = language.chat(None, "?") is not None
    body = sheet.template.rstrip("\n")
    first = own or model.style
    wanted = [_asked(first, language)] if first is not None else []
    if has_chat:
        wanted.append(Style("chat", body, chat=True))
    wanted.append(Style("raw", sheet.template))
    for name, words in _TRIGGERS if model.language is not None else ():
        if has_chat:
            wanted.append(Style(f"chat_{name}", f"{body}\n{words}", chat=True))
        else:
            wanted.append(Style(name, f"{body}\n{words}\n"))
    wanted += sheet.triggers
    if model.language is not None and not has_chat and sheet.question_answer:
        known = {style.template for style in wanted}
        wanted += [s for s in (QUESTION_ANSWER,) if s.template not in known]
    if model.language is not None and instruction and sheet.instruction:
        text = sheet.template.replace("{question}", "{question} " + sheet.instruction)
        wanted.append(Style("instruction", text))
    if own is None and first is not None:
        known_as = _words(first)
        wanted = [first, *(s for s in wanted[1:] if _words(s) != known_as)]
    wanted = wanted[:1] if is_fixed else wanted
    fits = [s for s in wanted if (s.chat or language.takes_raw) and language.can_encode(s.fill(""))]
    skipped = tuple(s.name for s in wanted if s not in fits)
    return tuple(_thinking(style, model) for style in fits), skipped


def is_asked_so(style: Style, sheet: Sheet) -> bool:
    """Say whether a style that was made from a task's template still asks as the sheet does.

    Others, the user's own and those a task brings, say themselves how they ask.
    """
    name = style.name.removeprefix("chat_")
    if name in ("raw", "chat", *(trigger for trigger, _ in _TRIGGERS)):
        return style.template.startswith(sheet.template.rstrip("\n"))
    return True


def _words(style: Style) -> tuple[object, ...]:
    """Return what a style makes of a question, its name aside."""
    return (style.template, style.system, style.chat, style.stop)


def _asked(own: Style, language: Language) -> Style:
    """Return the user's prompt as a user turn where the model takes nothing else."""
    return own if own.chat or language.takes_raw else dataclasses.replace(own, chat=True)


def _thinking(style: Style, model: Model) -> Style:
    """Return the style with the model's thinking, and whether its prompt opens it."""
    language = model.language
    if language is None or language.thinking is None:
        return style
    is_opened = language.opens_thinking(render(model, style, "?"))
    return dataclasses.replace(style, thinking=language.thinking, is_opened=is_opened)
