"""Which built-in model answers where the user names none, and what that shows."""

from modicum.cli.reading_text import table_of
from modicum.study.plan import Plan
from modicum.task import resolve_task
from modicum.task_names import TASKS, full_reference, split_task

__all__ = ["STAND_IN", "is_own_data", "names_task", "stand_in_lines"]

STAND_IN = "scripted:adder"
"""Answers questions of the user's own file where no model is named: it reads any text and loads
nothing. The organism knows no English."""


def names_task(text: str) -> bool:
    """Say whether a word of the command line names a task, and not a study file or a model.

    >>> names_task("my/rows.jsonl"), names_task("gym:chain_sum"), names_task("my-study.toml")
    (True, True, False)
    """
    return split_task(full_reference(text))[1].partition("?")[0].partition(":")[0] in TASKS.entries


def is_own_data(task: str) -> bool:
    """Say whether a task reads problems of the user's own, from a file or a data set.

    Raises:
        UnknownNameError: no such task.
        ConfigError: a file that is not there or cannot be read.
    """
    return bool(table_of(resolve_task(full_reference(task))))


def stand_in_lines(plan: Plan) -> list[str]:
    """Return what a user must know of figures that come from the stand-in; nothing for other models."""
    if all(STAND_IN not in grid.models for grid in plan.grids):
        return []
    return [
        f"no model given: {STAND_IN} answers, a script that adds up the numbers of a question.",
        "  This shows how your file is read and marked, and what a study looks like; it says",
        "  nothing about a language model. For yours add --model NAME, a folder or a hub id;",
        "  `modicum models pull smollm2-135m` fetches a small real one (94 MB).",
    ]
