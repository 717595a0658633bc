"""Checks model, task and prompt for problems that would make the results misleading."""

import json
import textwrap
from pathlib import Path
from typing import Any

import click

from modicum.analysis.verdict import SCHEMA, as_json
from modicum.cli.built_in import names_task, stand_in_lines
from modicum.cli.check_text import WIDTH, checked_text, scan_text
from modicum.cli.doctor_first import looked_at
from modicum.cli.option_types import counts, file_text, names
from modicum.cli.plan_options import model_for
from modicum.cli.progress import Steps, waiting
from modicum.cli.reading_text import reading_json, reading_lines
from modicum.cli.task_options import task_options, task_reference
from modicum.doctor.scan import FINALISTS, GROUP, GYM, scan
from modicum.errors import ConfigError
from modicum.ledger import Ledger
from modicum.model import resolve_backend
from modicum.running.planning import plan_for
from modicum.running.quick import quickened
from modicum.simulation.draw import Size
from modicum.simulation.outlook import Outlook, outlook, outlook_text, prior_of
from modicum.study.checks import check_plan
from modicum.study.plan import Subject
from modicum.study.trial import open_model
from modicum.task import resolve_task
from modicum.types import Split

__all__ = ["command"]

_SEEN: tuple[Split, ...] = ("shots", "selection")
_GOLDS = 100
"""Golds that are looked at of each."""
SCAN_TOKENS = 96
"""Length limit of a scan's answers, unless said."""


@click.command("check")
@click.argument("model", metavar="[MODEL]")
@click.argument("task", metavar="TASK", required=False)
@task_options
@click.option(
    "--scan",
    "family",
    type=click.Choice(["gym"]),
    help="Find a task that the model solves only sometimes, among some twenty.",
)
@click.option(
    "--methods",
    metavar="NAMES",
    callback=names,
    help="Methods that you plan to try, separated by commas. [those that fit]",
)
@click.option(
    "--shots",
    metavar="N,N,…",
    callback=counts,
    help="Numbers of labelled examples that you plan to try. [1,4,8]",
)
@click.option("--test", metavar="N", type=int, help="Number of test problems. [400]")
@click.option(
    "--selection",
    metavar="N",
    type=int,
    help="Number of labelled problems used to choose the best plain prompt. [40]",
)
@click.option(
    "--max-new-tokens",
    metavar="N",
    type=int,
    help="Longest answer, in tokens. [the task's own limit; with --scan 96]",
)
@click.option("--quick", is_flag=True, help="Check for the small sizes of `run --quick`.")
@click.option(
    "--system",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Your own system prompt, in a text file.",
)
@click.option(
    "--template",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Your own prompt with {question} where the question goes, in a text file.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder for the results of --scan. [runs/scan-MODEL]",
)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
def command(model: str, task: str | None, **options: object) -> int:
    """Samples 64 answers and finds problems that would make the results misleading or the run fail.

    `run` does this first by itself. The answers of the test problems are not read. With --scan it
    tries some twenty small tasks instead and names one that the model solves only sometimes;
    interrupt a scan at any time, the same command resumes it.

    Example: modicum check organism word_sums
    """
    family, wants_json = options.pop("family"), bool(options.pop("wants_json"))
    out = options.pop("out")
    if task is None and family is None and names_task(model):
        model, task = model_for(None, model), model
    if (task is None) == (family is None):
        raise ConfigError(
            "a task and --scan" if task else "neither a task nor --scan",
            "one of them",
            "write `modicum check MODEL TASK`, `modicum check FILE` for the built-in model, or "
            "`modicum check MODEL --scan gym`",
        )
    if task is None:
        return _scan(model, out, options.get("max_new_tokens"), wants_json=wants_json)
    return _check(model, task, options, wants_json=wants_json)


def _check(model: str, task: str, options: dict[str, object], *, wants_json: bool) -> int:
    """Look at one subject; exit code 2 where `run` would stop."""
    task = task_reference(task, options) or task
    given: dict[str, Any] = {k: v for k, v in options.items() if v not in (None, ())}
    given.update({k: file_text(given[k]) for k in ("system", "template") if k in given})
    methods, shots = given.pop("methods", ()), given.pop("shots", ())
    is_quick = bool(given.pop("quick", False))
    plan = plan_for(model, task, methods, shots, **given)
    plan = quickened(plan, set(given)) if is_quick else plan
    check_plan(plan)
    for line in stand_in_lines(plan):
        click.echo(line, err=True)
    subject = plan.subjects()[0]
    studied = resolve_task(subject.task)
    if not wants_json:
        for line in reading_lines(studied):
            click.echo(line)
    checked = looked_at(subject)
    with waiting("drawing studies of your sizes"):
        expected = _outlook(subject)
    if wants_json:
        found = {
            "schema": SCHEMA,
            "task": task,
            "model": model,
            "reading": reading_json(studied),
            "findings": as_json(checked.findings),
            "costs": checked.ledger.as_dict(),
            "outlook": {"right": expected.right, "wrong": expected.wrong, "draws": expected.draws},
        }
        click.echo(json.dumps(found, indent=1))
    else:
        click.echo("")
        click.echo(checked_text(checked))
        for line in textwrap.wrap(outlook_text(expected), WIDTH):
            click.echo(line)
    return 2 if checked.faults else 0


def _outlook(subject: Subject) -> Outlook:
    """Say how often truths would come out right; golds are those of the shots and the selection."""
    plan, task = subject.plan, resolve_task(subject.task)
    seen = [
        problem.answer
        for split in _SEEN
        for problem in task.problems(split, min(_GOLDS, task.sheet.available.get(split, _GOLDS)))
    ]
    seeds = max(grid.seeds or plan.seeds for grid in plan.grids)
    return outlook(Size(max(plan.test, 4), max(plan.samples, 2), seeds), prior_of(seen))


def _scan(model: str, out: object, limit: object, *, wants_json: bool) -> int:
    """Try the listed tasks and prints the table."""
    resolve_backend(model)  # refused before a folder bears its name
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in model.partition("?")[0])
    folder = out if isinstance(out, Path) else Path("runs") / f"scan-{name.strip('-')}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"folder {folder} cannot be written ({error.strerror})",
            "a writable folder",
            "choose another with --out",
        ) from error
    with waiting(f"loading {model}"):
        opened = open_model(model)
    tokens = limit if isinstance(limit, int) else SCAN_TOKENS
    with Steps(-(-len(GYM) // GROUP) + (FINALISTS > 0)) as steps:
        found = scan(
            opened,
            GYM,
            folder,
            max_new_tokens=tokens,
            tell=steps.begin,
            ledger=Ledger(observer=lambda ledger: steps.beat(ledger.tokens_sampled)),
        )
    if wants_json:
        click.echo(json.dumps({"schema": SCHEMA, "scan": as_json(found)}, indent=1))
    else:
        click.echo(scan_text(found))
    return 0
