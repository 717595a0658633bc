"""What is wrong with problems from a file: golds that are whole texts, questions without room."""

from collections.abc import Mapping, Sequence

from modicum.doctor.exam import Exam, FindingLevel, of
from modicum.errors import ConfigError
from modicum.model import Model
from modicum.stats.written import count
from modicum.tables.golds import is_prose
from modicum.task import Sheet, Task
from modicum.types import Finding, Problem, Split

__all__ = ["long_golds", "refuse_long"]

MOSTLY = 0.5
_NAMED = 3
"""Problems that a message names."""
_SPECIALS = 64
"""Tokens that a template may add to what a question's bytes can be at most."""


def long_golds(exam: Exam) -> tuple[Finding, ...]:
    """Find golds that are texts of sentences under a marker that compares them word for word."""
    golds = exam.golds
    long = [p for p in golds.problems if is_prose(p.answer)]
    if not long or golds.marker != "exact":
        return ()
    found = (
        f"{of(len(long), len(golds.problems), 'golds')} are full sentences, which no answer "
        f"will match exactly, such as {long[0].answer[:60]!r}"
    )
    action = (
        "name the column with the bare answer (--answer), use a --preset, or your own --mark-with"
    )
    level: FindingLevel = "fault" if len(long) >= MOSTLY * len(golds.problems) else "doubt"
    return (Finding("long_golds", level, found, action),)


def refuse_long(
    model: Model, task: Task, sheet: Sheet, splits: Mapping[Split, Sequence[Problem]]
) -> None:
    """Refuse questions that leave a model no room for an answer, before anything is asked.

    Args:
        model: The loaded model; one that does not say how much it reads is not looked at.
        task: Says where a problem comes from.
        sheet: The task's form.
        splits: The problems that the study will ask.

    Raises:
        ConfigError: a prompt as long as the model's context, with its line.
    """
    encode, module = getattr(model, "encode", None), getattr(model, "module", None)
    if encode is None or module is None:
        return
    config = module.config.get_text_config()
    context = int(getattr(config, "max_position_embeddings", None) or 0)
    if not context:
        return
    long: list[tuple[Problem, int]] = []
    for problem in (p for problems in splits.values() for p in problems):
        prompt = sheet.template.replace("{question}", problem.question)
        # a token is a byte at least, so that short texts need not be encoded
        if len(prompt.encode("utf-8", "replace")) + _SPECIALS >= context:
            n_tokens = len(encode(prompt))
            long += [(problem, n_tokens)] if n_tokens >= context else []
    if not long:
        return
    named = "; ".join(f"{task.origin(p)}: {n:,} tokens" for p, n in long[:_NAMED])
    raise ConfigError(
        f"{count(len(long), 'question')} too long for the model's context of {context:,} tokens: {named}",
        "questions that leave room for an answer",
        "remove or shorten those lines, or choose a model with a longer context",
    )
