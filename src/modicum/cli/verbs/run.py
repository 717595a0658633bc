"""Runs a study: measures the model, tries methods, prints the verdict."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic

import click

from modicum.analysis.known import fixed_prompt
from modicum.analysis.meaning import has_pick
from modicum.analysis.verdict import Verdict
from modicum.cli.built_in import stand_in_lines
from modicum.cli.consent import Declined, ahead_line
from modicum.cli.drive import How, driven, is_complete, only_read, opened
from modicum.cli.help_layout import GroupedCommand
from modicum.cli.plan_options import plan_of, study_or_task
from modicum.cli.printing import form_of, open_page, print_verdicts, printing_options, report_line
from modicum.cli.progress import waiting
from modicum.cli.run_options import run_options
from modicum.cli.task_text import task_lines
from modicum.cli.told_run import REPORT, ToldRun
from modicum.errors import ConfigError
from modicum.executor import follow
from modicum.report.untrusted import visible
from modicum.running.folder_lock import me, sole_driver
from modicum.running.homes import RUNS, home_of
from modicum.running.quick import quick_line
from modicum.running.runner import planned
from modicum.running.spending import Spending, plan_text, refuse_unpayable, spending
from modicum.secrecy import clean
from modicum.stats.written import count
from modicum.store.database import Store
from modicum.store.provenance import (
    changed_plugins,
    changed_weights,
    has_foreign,
    weights_source,
)
from modicum.store.siblings import siblings
from modicum.study.budget import Budget, read_seconds
from modicum.study.checks import check_plan
from modicum.study.plan import Plan

__all__ = ["command", "follow"]


@click.command("run", cls=GroupedCommand)
@click.argument("study", metavar="[STUDY.toml | FILE | TASK]", required=False)
@run_options
@printing_options
def command(study: str | None, **options: object) -> int:
    """Finds out whether a model already has an ability, and how little data unlocks it.

    Without arguments it runs the default study on the built-in toy model, the organism. Interrupt
    it at any time; the same command resumes it.

    Example: modicum run --model organism --task word_sums --quick
    """
    form, verbose, opens = form_of(options), bool(options.pop("verbose")), options.pop("opens")
    out = options.pop("out")
    named, is_alone = options.pop("reuse"), options.pop("no_reuse")
    leaves, trusted = bool(options.pop("no_wait")), bool(options.pop("trust"))
    workers, executor = options.pop("workers"), options.pop("executor")
    how = How(
        no_check=bool(options.pop("no_check")),
        force=bool(options.pop("force")),
        budget=_budget(options.pop("budget"), options.pop("max_tokens")),
        workers=workers if isinstance(workers, int) else None,
        executor=str(executor or ""),
        yes=bool(options.pop("yes")),
    )
    is_quick, is_dry = bool(options.get("quick")), bool(options.pop("dry_run"))
    plan = plan_of(study_or_task(study, options), options, trusted=trusted)
    folder, note = _place(out, plan, is_made=bool(options.get("task")))
    for line in [*note, *([quick_line(plan)] if is_quick else []), *stand_in_lines(plan)]:
        click.echo(line, err=True)
    if is_dry:
        return _show_plan(plan, folder, how)
    try:
        told, failed = _run(plan, folder, how, _others(folder, named, is_alone), leaves, options)
    except Declined:
        click.echo("nothing was begun", err=True)
        return 0
    print_verdicts(told.every, form, folder, verbose=verbose, own=len(told.own))
    _say_last(told.own, failed, folder / REPORT, is_text=form == "text")
    if opens and told.own:
        open_page(folder / REPORT)
    return 1 if failed or not told.own else 0


def _place(out: object, plan: Plan, *, is_made: bool) -> tuple[Path, list[str]]:
    """Return the study's folder, and a line where it is not the one that its name says."""
    if isinstance(out, Path):
        return out, []
    folder, note = home_of(plan) if is_made else (RUNS / plan.name, "")
    return folder, [note] if note else []


def _run(
    plan: Plan,
    folder: Path,
    how: How,
    reuse: Sequence[Path],
    leaves: bool,
    options: Mapping[str, object],
) -> tuple[ToldRun, Mapping[str, str]]:
    """Run the study as its folder's only driver; return what it says, and why trials failed.

    Raises:
        Declined: the user does not want what it takes; a folder that was made for it is gone again.
    """
    ahead: Spending | None = None
    with only_read(folder) as known:
        if known is None or not is_complete(plan, known):
            with waiting("looking at the plan, the files and the model"):
                check_plan(plan)
                workers = how.shared_by(plan)
                ahead = spending(plan, known, workers)
            refuse_unpayable(plan, known, how.left(known), workers)
            how = how.asked(plan, known, ahead, workers)
    with opened(folder) as store:
        asked = monotonic()
        wait = None if leaves else _say_who(folder)
        with sole_driver(folder, lambda: store.driver, wait):
            store.keep_driver(me())
            _say_first(plan, store, folder, ahead, options)
            waited = dataclasses.replace(how, since=how.since + monotonic() - asked)
            told = driven(plan, store, waited, reuse)
        ids = planned(plan, store)
        failed = {name: why for name, why in store.failed().items() if name in ids}
    return told, failed


def _show_plan(plan: Plan, folder: Path, how: How) -> int:
    """Print what a study would do and cost; nothing is made or changed."""
    check_plan(plan)
    with only_read(folder) as known:
        click.echo(plan_text(plan, known, how.shared_by(plan)))
    return 0


def _say_who(folder: Path) -> Callable[[str], None]:
    """Return what says that another run is waited for."""

    def say(holder: str) -> None:
        click.echo(
            f"another run is at work in {folder} ({holder}): waiting until it has ended; "
            "--no-wait leaves at once",
            err=True,
        )

    return say


def _budget(time: object, tokens: object) -> Budget | None:
    """Return the budget of the two options, or None.

    Raises:
        ConfigError: no time with its unit, or no tokens at all.
    """
    if isinstance(tokens, int) and tokens < 1:
        raise ConfigError(f"--max-tokens {tokens}", "at least 1", "raise it")
    if time is None and tokens is None:
        return None
    seconds = read_seconds(str(time)) if time is not None else math.inf
    return Budget(seconds, float(tokens) if isinstance(tokens, int) else math.inf)


def _others(folder: Path, named: object, is_alone: object) -> tuple[Path, ...]:
    """Return the folders of other studies whose answers are taken over.

    Raises:
        ConfigError: a named folder that holds no study.
    """
    if is_alone:
        return ()
    for one in named if isinstance(named, tuple) else ():
        if not (one / "study.sqlite").exists():
            raise ConfigError(f"--reuse {one}", "a study folder", "check the path")
    return tuple(named) if isinstance(named, tuple) and named else siblings(folder)


def _say_first(
    plan: Plan,
    store: Store,
    folder: Path,
    ahead: Spending | None,
    options: Mapping[str, object],
) -> None:
    """Say what will be done before anything is; nothing but the study's size where it is complete."""
    names, done = planned(plan, store), store.done()
    click.echo(f"{_size_line(plan, len(names), len(names & done))}; results in {folder}", err=True)
    if (fixed := fixed_prompt(plan.subjects())) is not None:
        click.echo(fixed.said, err=True)
    is_local = any(weights_source(subject.model) for subject in plan.subjects())
    heads = store.heads() if is_local or has_foreign() else {}
    ran = [head for name, head in heads.items() if name in names]
    for line in (*changed_plugins(ran), *changed_weights(ran)):
        click.echo(line, err=True)
    if ahead is not None:
        click.echo(ahead_line(ahead), err=True)
        given = {name for name, value in options.items() if value is not None}
        for line in task_lines(plan, given):
            click.echo(line, err=True)


def _size_line(plan: Plan, trials: int, done: int) -> str:
    """Say what is studied, how many trials that takes, and what measuring takes."""
    first, *others = plan.subjects()
    what = f"{visible(first.task)} on {visible(first.model)}"
    if others:
        what = f"{plan.name}, {len(others) + 1} pairs of task and model"
    finished = f"{count(done)} done" if done else "none done yet"
    labels = f"{count(plan.measuring)} labelled problems{' a task' if others else ''}"
    return f"{what}: {count(trials, 'trial')}, {finished}; measuring uses {labels}"


def _say_last(
    verdicts: Sequence[Verdict], failed: Mapping[str, str], report: Path, *, is_text: bool
) -> None:
    """Say which trials failed, and how to go on."""
    for trial, error in failed.items():
        click.echo(clean(f"trial {trial} failed: {error.partition(chr(10))[0]}"), err=True)
    if verdicts and is_text:
        if len(verdicts) > 1 and any(has_pick(verdict) for verdict in verdicts):
            click.echo(f"  Export      modicum export {report.parent}")
        click.echo(report_line(report))
