"""Prints the verdicts of a study again and writes its report."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from modicum.analysis.verdict import Verdict
from modicum.cli.folder import reading
from modicum.cli.printing import form_of, open_page, print_verdicts, printing_options, report_line
from modicum.cli.report_file import stands, write
from modicum.errors import ConfigError, ModicumError, StoreError
from modicum.running.kept_verdicts import last_kept, recalled
from modicum.store.database import Store
from modicum.store.kept_tasks import TaskRecord
from modicum.study.plan import Plan
from modicum.study.powers import task_powers
from modicum.task import resolve_task

__all__ = ["command"]


@click.command("report")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File to write. [FOLDER/report.html]",
)
@click.option(
    "--trust", is_flag=True, help="Allow the study to run code, contact servers and read keys."
)
@click.option("--task", metavar="TASK", help="Print the verdicts on this task alone.")
@click.option("--model", metavar="MODEL", help="Print the verdicts on this model alone.")
@printing_options
def command(folder: Path, *, out: Path | None, trust: bool, **options: object) -> None:
    """Prints the verdicts of a study again and writes report.html into its folder.

    Nothing is run. The study keeps its own copies of the problems, so the task's file may have
    changed or gone.

    Example: modicum report runs/organism
    """
    form, verbose = form_of(options), bool(options["verbose"])
    path = out or folder / "report.html"
    with reading(folder, trusted=trust) as (store, plan):
        verdicts = _verdicts(plan, store)
        written = _write(path, verdicts, plan, store)
        kept = store.kept_tasks()
    for line in _changed(kept):
        click.echo(line, err=True)
    shown = _asked(verdicts, options["task"], options["model"])
    print_verdicts(shown, form, folder, verbose=verbose)
    if written and form == "text":
        click.echo(report_line(path))
    if options["opens"]:
        open_page(path)


def _asked(verdicts: Sequence[Verdict], task: object, model: object) -> list[Verdict]:
    """Return the verdicts of a task and a model, or of all.

    Raises:
        ConfigError: none is.
    """
    found = [v for v in verdicts if task in (None, v.task, v.titled) and model in (None, v.model)]
    if not found:
        known = "; ".join(f"--task {v.task} --model {v.model}" for v in verdicts)
        raise ConfigError(f"no verdict on {task or model}", f"one of: {known}", "choose one")
    return found


def _verdicts(plan: Plan, store: Store) -> Sequence[Verdict]:
    """Return the verdicts of what is stored; where they cannot be made any more, the last ones.

    Raises:
        ConfigError: there are none, and there never were.
    """
    why = "no task on a model has all of its measures yet"
    try:
        found = recalled(plan, store)
    except StoreError:
        raise
    except ModicumError as error:
        found, why = [], str(error).partition("\n")[0].removeprefix("found: ")
    if found:
        return found
    try:
        kept = last_kept(store)
    except ValueError as error:
        kept, why = [], str(error)
    if not kept:
        raise ConfigError(
            f"no verdict in {store.folder}: {why}",
            "a study with its measures",
            "finish it with the same `modicum run` command, or put back what its plan names",
        )
    click.echo(
        f"showing the verdict that was kept, since it cannot be computed again: {why}", err=True
    )
    return kept


def _write(path: Path, verdicts: Sequence[Verdict], plan: Plan, store: Store) -> bool:
    """Write the report unless it stands; where it cannot be written, say so and leave the verdict alone."""
    try:
        if stands(path, plan, store):
            return True
        write(path, verdicts, plan, store)
    except OSError as error:
        click.echo(
            f"{path} is as it was ({error.strerror}); name another file with --out", err=True
        )
        return False
    return True


def _changed(kept: Mapping[str, TaskRecord]) -> list[str]:
    """Say which files of problems are not what they were when the study ran."""
    lines = []
    for name, record in kept.items():
        detail = name.partition("?")[0].partition(":")[2]
        if not detail or not Path(detail).is_file() or task_powers(name):
            continue
        try:
            now = resolve_task(name).fingerprint
        except (ModicumError, OSError):
            now = ""
        if now != record.fingerprint:
            lines.append(f"{detail} has changed since: this is the study of what it held then")
    return lines
