"""The short closed list of zero-shot styles among which the floor is chosen."""

from modicum.model import Model
from modicum.task import Sheet
from modicum.types import Style

__all__ = ["closed_list"]

# Kojima et al. 2022 (2205.11916) and Zhou et al. 2022 (2211.01910)
_TRIGGERS = (
    ("step_by_step", "Let's think step by step."),
    (
        "work_it_out",
        "Let's work this out in a step by step way to be sure we have the right answer.",
    ),
)


def closed_list(
    model: Model, sheet: Sheet, *, own: Style | None, instruction: bool
) -> tuple[tuple[Style, ...], tuple[str, ...]]:
    """Gives the styles that fit the model, the default first, and the names of those left out.

    The default is the user's own prompt; else the chat template where there is one; else raw.
    Styles that the tokenizer cannot encode are skipped and named; a password is never among them.

    Args:
        model: The loaded model.
        sheet: The task's form.
        own: The user's production prompt, or None.
        instruction: Let the task's own instruction into the list (`--styles all`).
    """
    has_chat = model.chat(None, "?") is not None
    body = sheet.template.rstrip("\n")
    wanted = [own] if own is not None else []
    if has_chat:
        wanted.append(Style("chat", body, chat=True))
    wanted.append(Style("raw", sheet.template))
    for name, words in _TRIGGERS:
        if has_chat:
            wanted.append(Style(f"chat_{name}", f"{body}\n{words}", chat=True))
        else:
            wanted.append(Style(name, f"{body}\n{words}\n"))
    wanted += sheet.triggers
    if instruction and sheet.instruction:
        text = sheet.template.replace("{question}", "{question} " + sheet.instruction)
        wanted.append(Style("instruction", text))
    fits = [s for s in wanted if model.can_encode(s.fill(""))]
    skipped = tuple(s.name for s in wanted if s not in fits)
    return tuple(fits), skipped
