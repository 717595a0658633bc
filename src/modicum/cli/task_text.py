"""What is said of the tasks before a run: their roles, what was guessed, what they can show."""

import dataclasses
from collections.abc import Collection, Sequence

from modicum.analysis.detect import DISCORDANT_GAIN, detectable, problems_needed
from modicum.study import POOL, Plan
from modicum.task import Task, resolve_task
from modicum.types import Problem

__all__ = ["detectable_text", "task_lines"]


def task_lines(plan: Plan, given: Collection[str]) -> list[str]:
    """Gives the lines of every task of a plan; tasks with the same figures share one.

    Args:
        plan: The plan.
        given: Options that the user gave; sizes that were not among them have shrunk to what
            the task has.
    """
    lines: list[str] = []
    reach: dict[str, None] = {}
    for reference in dict.fromkeys(task for grid in plan.grids for task in grid.tasks):
        task = resolve_task(reference)
        lines += [f"{reference}: {text}" for text in (*_roles(task, plan), *task.notes)]
        reach[detectable_text(task.problems("test", plan.test), plan.margin)] = None
    for field in dataclasses.fields(Plan):
        size, usual = getattr(plan, field.name), field.default
        if field.name in ("test", "selection") and "task" in given and field.name not in given:
            text = f"{size} {field.name} problems, all there are, instead of {usual}"
            lines += [text] if size != usual else []
    return [*lines, *reach]


def detectable_text(problems: Sequence[Problem], margin: float) -> str:
    """Says which gain, and which equivalence, test problems can show at all.

    The chance of a guess is that of naming another problem's gold; problems that hang together
    count as one.

    Args:
        problems: The test problems.
        margin: Margin within which *absent* must show that nothing was gained, as a share.
    """
    n = len({p.cluster or p.id for p in problems})
    golds = [p.answer for p in problems]
    guess = sum(golds.count(gold) ** 2 for gold in set(golds)) / len(golds) ** 2
    guess = guess if guess > 1 / len(golds) + 1e-9 else 0.0
    found = detectable(n, guess=min(guess, 0.5), margin=margin)
    text = (
        f"{n} test labels can show a gain from {_points(found.gain)}, and equality within "
        f"{_points(found.equivalence)} (80 % power; two systems that differ on "
        f"{max(DISCORDANT_GAIN, 2 * guess * (1 - guess)):.0%} of the problems)"
    )
    if found.can_show_absent:
        return text
    wanted = problems_needed(margin, guess=min(guess, 0.5))
    return f"{text}; absent asks for {_points(margin)}: about {wanted} test labels"


def _points(share: float) -> str:
    return "no size at all" if share > 1 else f"{100 * share:.1f} points"


def _roles(task: Task, plan: Plan) -> list[str]:
    exist = task.sheet.available
    if not exist:
        return []
    used = (
        f"{plan.test} of {exist['test']} test, {plan.selection} of {exist['selection']} selection"
    )
    most = max((n for grid in plan.grids for n in grid.shots), default=0)
    pool = min(POOL, exist["shots"])
    return [f"labels: {used}, shots up to {most} from {pool}"] if "shots" in exist else []
