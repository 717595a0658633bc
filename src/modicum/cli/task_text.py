"""What is said of the tasks before a run: their roles, what was guessed, what they can show."""

import dataclasses
from collections.abc import Collection

from modicum.cli.reading_text import reading_lines, table_of
from modicum.running.spending import reach_text
from modicum.study.plan import Plan
from modicum.study.problem_sets import POOL
from modicum.task import Task, resolve_task

__all__ = ["task_lines"]


def task_lines(plan: Plan, given: Collection[str]) -> list[str]:
    """Return the lines of every task of a plan; tasks with the same figures share one.

    Args:
        plan: The plan.
        given: Options that the user gave; sizes that were not among them have shrunk to what
            the task has.
    """
    lines: list[str] = []
    reach: dict[str, None] = {}
    for reference in dict.fromkeys(task for grid in plan.grids for task in grid.tasks):
        task = resolve_task(reference)
        said = (*_roles(task, plan), *(reading_lines(task) if table_of(task) else task.notes))
        lines += [f"{reference}: {text}" for text in said]
        reach[reach_text(task, plan)] = None
    for field in dataclasses.fields(Plan):
        size, usual = getattr(plan, field.name), field.default
        if field.name in ("test", "selection") and "task" in given and field.name not in given:
            text = f"{size} {field.name} problems, all there are, instead of {usual}"
            exist = {
                resolve_task(t).sheet.available.get(field.name) for g in plan.grids for t in g.tasks
            }
            lines += [text] if size != usual and size in exist else []
    return [*lines, *reach]


def _roles(task: Task, plan: Plan) -> list[str]:
    exist = task.sheet.available
    if not exist:
        return []
    used = (
        f"{plan.test} of {exist['test']} test, {plan.selection} of {exist['selection']} selection"
    )
    most = max((n for grid in plan.grids for n in grid.shots), default=0)
    pool = min(max(POOL, most), exist["shots"])
    return [f"labels: {used}, shots up to {most} from {pool}"] if "shots" in exist else []
