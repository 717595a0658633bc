"""Shows problems exactly as a model sees them, and how the file was read."""

import json

import click

from modicum.analysis.verdict import SCHEMA
from modicum.catalog import read_reference
from modicum.cli.reading_text import reading_json, reading_lines, table_of
from modicum.cli.task_options import task_options, task_reference
from modicum.errors import ConfigError
from modicum.plain import JsonObject, JsonValue
from modicum.report.untrusted import pieces, visible
from modicum.tables.table import Table
from modicum.task import TASKS, Scrambled, Task, full_reference, resolve_task
from modicum.task_names import split_task
from modicum.types import Problem, Split, Style

__all__ = ["command"]

_SPLITS: tuple[Split, ...] = ("shots", "selection", "test")
_BAR = "  │ "


@click.command("preview")
@click.argument("task")
@task_options
@click.option(
    "-n", "count", metavar="N", type=int, default=3, help="Number of problems to show. [3]"
)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
def command(task: str, **options: object) -> int:
    """Shows problems exactly as a model sees them, with their answers, and how the file was read.

    TASK is a file, hub:NAME, gym:NAME or a task's name. Says what each column was taken for, which
    marker reads the answers and why, which columns are unused, and which rows look different.
    A chat model gets the same text as a user turn of its template.

    Example: modicum preview examples/data/word_problems.jsonl
    """
    count, wants_json = int(str(options.pop("count"))), bool(options.pop("wants_json"))
    if count < 0:
        raise ConfigError(f"-n {count}", "at least 0", "raise it")
    reference = task_reference(task, options) or task
    found = _resolved(reference)
    problems = _first(found, count)
    if wants_json:
        shown = [_as_json(found, problem, split) for problem, split in problems]
        said = {"schema": SCHEMA, "task": full_reference(reference), **reading_json(found)}
        click.echo(json.dumps({**said, "problems": shown}, indent=1))
        return 0
    sizes = found.sheet.available
    counted = ", ".join(f"{sizes[s]} {s}" for s in _SPLITS if s in sizes)
    click.echo(visible(full_reference(reference)) + (f" · {counted}" if counted else ""))
    for line in reading_lines(found, odd=True):
        click.echo(line)
    for problem, split in problems:
        click.echo("\n" + "\n".join(_text(found, problem, split)))
    return 0


def _resolved(reference: str) -> Task:
    """Resolve a task; odd rows of a file are shown and not refused."""
    _, head = split_task(full_reference(reference))
    is_table = issubclass(TASKS.load(read_reference(head)[0]), Table)
    settings: JsonObject = {"odd": "leave_out"} if is_table else {}
    return resolve_task(reference, settings)


def _first(task: Task, count: int) -> list[tuple[Problem, Split]]:
    """Return the first problems: of a file in its order, else of the shots."""
    table = table_of(task)
    if table is None:
        n = min(count, task.sheet.available.get("shots", count))
        return [(problem, "shots") for problem in task.problems("shots", n)]
    known = {p.id: (p, s) for s in _SPLITS for p in task.problems(s, task.sheet.available[s])}
    return [known[problem.id] for problem in table.in_order()[:count]]


def _prompt(task: Task, problem: Problem) -> str:
    """The whole prompt in the style that asks nothing more than the task does."""
    return Style("raw", task.sheet.template).fill(problem.question)


def _as_json(task: Task, problem: Problem, split: Split) -> dict[str, JsonValue]:
    golds = task.golds(problem)
    return {
        "id": problem.id,
        "question": problem.question,
        "gold": list(golds) if len(golds) > 1 else golds[0],
        "prompt": _prompt(task, problem),
        "solution": problem.solution,
        "split": split,
        "origin": task.origin(problem),
    }


def _text(task: Task, problem: Problem, split: Split) -> list[str]:
    """Return a problem as lines; nothing is wrapped or cut, hidden characters are spelled out."""
    plain = "".join(piece for piece, _ in pieces(_prompt(task, problem).expandtabs(4)))
    golds = (
        " or ".join(map(visible, filter(None, task.golds(problem))))
        or "(none: the task scores answers)"
    )
    origin = task.task.origin(problem) if isinstance(task, Scrambled) else task.origin(problem)
    return [
        f"{visible(origin)} · {split} · id {visible(problem.id)}",
        *(f"{_BAR}{line}".rstrip() for line in plain.split("\n")),
        f"  gold  {golds}",
    ]
