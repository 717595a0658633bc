"""What is said of the tasks before a run: their roles, what was guessed, what they can show."""

import dataclasses
from collections import Counter
from collections.abc import Collection, Sequence

from modicum.analysis.detect import DISCORDANT_GAIN, detectable, problems_needed
from modicum.cli.reading_text import reading_lines, table_of
from modicum.study.plan import Plan
from modicum.study.problem_sets import POOL
from modicum.task import Task, resolve_task

__all__ = ["detectable_text", "task_lines"]

_FEW = 20
"""Problems that are made to see how often golds are equal; making them may take long."""
_SMALLEST_GUESS = 0.05
"""Chance of a guess below which it changes no figure here."""


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
        reach[_reach_text(task, plan)] = None
    for field in dataclasses.fields(Plan):
        size, usual = getattr(plan, field.name), field.default
        if field.name in ("test", "selection") and "task" in given and field.name not in given:
            text = f"{size} {field.name} problems, all there are, instead of {usual}"
            exist = {
                resolve_task(t).sheet.available.get(field.name) for g in plan.grids for t in g.tasks
            }
            lines += [text] if size != usual and size in exist else []
    return [*lines, *reach]


def detectable_text(n: int, guess: float, margin: float) -> str:
    """Say which gain, and which equivalence, test problems can show at all.

    Args:
        n: Test problems; clusters where they hang together.
        guess: Chance that another problem's gold is right.
        margin: Margin within which *absent* must show that nothing was gained, as a share.
    """
    found = detectable(n, guess=guess, margin=margin)
    text = (
        f"{n} test labels can show a gain from {_points(found.gain)}, and equality within "
        f"{_points(found.equivalence)} (80 % power; two systems that differ on "
        f"{max(DISCORDANT_GAIN, 2 * guess * (1 - guess)):.0%} of the problems)"
    )
    if found.can_show_absent:
        return text
    wanted = problems_needed(margin, guess=guess)
    return f"{text}; absent asks for {_points(margin)}: about {wanted} test labels"


def _reach_text(task: Task, plan: Plan) -> str:
    """The text of a task's test; where problems are made on the spot, from a few golds of them."""
    is_made = "test" not in task.sheet.available
    problems = task.problems("test", min(plan.test, _FEW) if is_made else plan.test)
    n = plan.test if is_made else len({p.cluster or p.id for p in problems})
    return detectable_text(n, _guess([p.answer for p in problems]), plan.margin)


def _guess(golds: Sequence[str]) -> float:
    """The share of pairs of problems with equal golds, at most one half; 0 below a twentieth."""
    pairs = len(golds) * (len(golds) - 1)
    share = sum(n * (n - 1) for n in Counter(golds).values()) / pairs if pairs else 0.0
    return min(share, 0.5) if share >= _SMALLEST_GUESS else 0.0


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
