"""The command that comes next: the one that would decide an undecided ability, else the export."""

import dataclasses
import math
from collections.abc import Sequence

from modicum.analysis.ability import Ability
from modicum.analysis.case import UNREAD_NEED, UNTRAINED
from modicum.analysis.deciding import DecidingSizes, deciding_sizes
from modicum.analysis.evidence import Evidence
from modicum.analysis.gather import Gathered
from modicum.analysis.measured import NextCommand
from modicum.analysis.readings import is_forced_above
from modicum.analysis.verdict import Verdict
from modicum.model import backend_access
from modicum.store.database import Store
from modicum.study.forecast import draws
from modicum.study.grid import MEASURES, Grid
from modicum.study.plan import Plan, Subject
from modicum.study.speed import Speed, kept_speed, seconds_of
from modicum.task import resolve_task
from modicum.types import Access, Supervision, Trial

__all__ = ["next_command"]

_TUNINGS = (("fine_tune", Supervision.SOLUTION), ("rejection_tuning", Supervision.ANSWER))
"""Tunings that may show an ability to be absent, with what their shots must reveal."""
_KEPT = (
    "selection", "stream", "prefer", "max_labels", "reference", "max_new_tokens", "styles", "retain",
    "retain_test", "probes",
)  # fmt: skip
"""Fields of a plan that are said again where they are not the usual ones; each is an option of `run`."""
_LENT = ("live:", "records:")
"""How references begin that only the process that lent them knows."""
_UNIT = Speed(1.0, math.inf, 30.0)
"""Counts work where no time was measured."""


def next_command(
    found: Gathered, answer: Ability, verdict: Verdict, store: Store
) -> NextCommand | None:
    """Return the command that would decide it, or that exports what is to be shipped; None for neither.

    Args:
        found: What is stored of the subject.
        answer: The word and what it was read from.
        verdict: With what is shipped.
        store: The study's, for what has run and how fast.
    """
    subject = found.subject
    if answer.word != "undecided":
        return _export(subject) if verdict.ship.works and answer.word != "shown" else None
    if answer.sentence == UNTRAINED:
        return None  # nothing would decide what is not asked, and no form of export holds a net
    evidence = found.evidence
    if (unread := evidence.default_unread) is not None and answer.needs[0].startswith(UNREAD_NEED):
        cut = [a.stops[-1] == "length" for a in found.default.answers if a.stops]
        return _longer(subject, is_cut=2 * sum(cut) > float(unread.sum()))
    sizes = deciding_sizes(evidence, answer, verdict.seeds, is_whole=not found.left_out)
    plan = _deciding_plan(subject, sizes, evidence)
    if plan == _alone(subject) and not found.left_out:
        have = resolve_task(subject.task).sheet.available.get("test", plan.test)
        return NextCommand(
            why=f"more problems: the task has {have:,}, about {sizes.test:,} are needed"
        )
    later = Subject(plan, subject.model, subject.task)
    why = "should decide it"
    if plan.test < sizes.test:
        why = f"takes all {plan.test:,} problems of the task, where about {sizes.test:,} would decide it"
    if not any(plan.method(name).changes_model for name in plan.grids[0].methods):
        why += "; without tuning, which needs the weights, nothing is shown to be absent"
    return NextCommand(
        arguments=_arguments(later),
        why=why,
        seconds=_seconds(subject, later, verdict, store),
        labels=plan.measuring,
        is_python=_is_lent(subject),
    )


def _is_lent(subject: Subject) -> bool:
    return any(one.startswith(_LENT) for one in (subject.model, subject.task))


def _export(subject: Subject) -> NextCommand:
    """Return the export of what is shipped; names the subject where the study has several."""
    several = len(subject.plan.subjects()) > 1
    named = ("--model", subject.model, "--task", subject.task) if several else ()
    return NextCommand(("export", *named), "", is_python=_is_lent(subject))


def _longer(subject: Subject, *, is_cut: bool) -> NextCommand:
    """Return the same study with a longer limit, or what to change where length is not the cause."""
    if not is_cut:
        return NextCommand(
            why="answers that can be read: state the answer's format in the prompt (--template), or "
            "choose another --marker; `modicum check` shows what was not read"
        )
    limit = subject.plan.max_new_tokens or resolve_task(subject.task).sheet.max_new_tokens
    later = Subject(
        dataclasses.replace(_alone(subject), max_new_tokens=2 * limit), subject.model, subject.task
    )
    return NextCommand(
        _arguments(later),
        "lets answers end that were cut",
        labels=later.plan.measuring,
        is_python=_is_lent(subject),
    )


def _alone(subject: Subject) -> Plan:
    """Return the plan of one subject alone, in one grid."""
    plan = subject.plan
    grids = [g for g in plan.grids if subject.model in g.models and subject.task in g.tasks]
    first = grids[0]
    names = tuple(dict.fromkeys(n for g in grids for n in g.methods if n not in MEASURES))
    seeds = first.seeds or plan.seeds
    grid = dataclasses.replace(
        first, models=(subject.model,), tasks=(subject.task,), methods=names, seeds=0
    )
    return dataclasses.replace(plan, grids=(grid,), seeds=seeds)


def _deciding_plan(subject: Subject, sizes: DecidingSizes, evidence: Evidence) -> Plan:
    """Return the plan at sizes that would decide, as far as the task and the model allow."""
    plan, sheet = _alone(subject), resolve_task(subject.task).sheet
    grid = plan.grids[0]
    test = max(plan.test, min(sizes.test, sheet.available.get("test", sizes.test)))
    return dataclasses.replace(
        plan,
        test=test,
        samples=sizes.samples,
        seeds=sizes.seeds,
        ceiling_test=0,
        controls=True,
        grids=(
            dataclasses.replace(
                grid,
                methods=_with_tuning(subject, grid),
                shots=_with_more_shots(subject, grid, evidence),
            ),
        ),
    )


def _with_tuning(subject: Subject, grid: Grid) -> tuple[str, ...]:
    """Add a tuning that can run where the ladder has none: without one nothing is shown absent."""
    if any(subject.plan.method(name).changes_model for name in grid.methods):
        return grid.methods
    sheet, offered = resolve_task(subject.task).sheet, backend_access(subject.model)
    fits = [name for name, least in _TUNINGS if least <= sheet.supervision]
    return (*grid.methods, *fits[:1]) if offered >= Access.WEIGHTS else grid.methods


def _with_more_shots(subject: Subject, grid: Grid, evidence: Evidence) -> tuple[int, ...]:
    """Add a larger budget where the worked form answers and tuning has not brought that out."""
    is_tuned = any(rung.is_tuned for rung in evidence.rungs)
    if not is_tuned or not is_forced_above(evidence):
        return grid.shots
    exist = resolve_task(subject.task).sheet.available.get("shots", 4 * max(grid.shots))
    more = min(4 * max(grid.shots), exist)
    return grid.shots if more <= max(grid.shots) else (*grid.shots, more)


def _arguments(later: Subject) -> tuple[str, ...]:
    """Return the arguments of `modicum run` that stand for the plan of one subject."""
    plan, grid = later.plan, later.plan.grids[0]
    said = ["run", "--model", later.model, "--task", later.task]
    for name in ("test", "samples", "seeds"):
        said += [f"--{name}", str(getattr(plan, name))]
    if grid.methods:
        said += ["--methods", ",".join(grid.methods)]
    if grid.shots != Grid.shots:
        said += ["--shots", ",".join(map(str, grid.shots))]
    if grid.twin:
        said += ["--twin", grid.twin]
    for name in _KEPT:
        value = getattr(plan, name)
        if value != getattr(Plan, name):
            values = value if isinstance(value, tuple) else (value,)
            said += [text for one in values for text in (_option(name), str(one))]
    for method, settings in plan.settings.items():
        said += [t for field, v in settings.items() for t in ("--set", f"{method}.{field}={v}")]
    said += [
        t for name in ("system", "template") if getattr(plan, name) for t in (f"--{name}", "FILE")
    ]
    return tuple(said)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _seconds(subject: Subject, later: Subject, verdict: Verdict, store: Store) -> float | None:
    """Return about how long it takes, from what this study took; None where nothing was measured."""
    done = store.done()
    own = [trial for trial in _trials(subject) if trial.id in done]
    new = [trial for trial in _trials(later) if trial.id not in done]
    is_own = verdict.tokens_reused <= 0.1 * verdict.tokens and verdict.seconds > 0
    before = _work(subject.plan, own, _UNIT)
    if is_own and before:
        return verdict.seconds * _work(later.plan, new, _UNIT) / before
    speed = kept_speed(store, subject.model, subject.task)
    return None if speed is None else _work(later.plan, new, speed)


def _trials(subject: Subject) -> Sequence[Trial]:
    every = (*subject.measures(), *subject.rungs(), *subject.twins())
    return list({trial.id: trial for trial in every}.values())


def _work(plan: Plan, trials: Sequence[Trial], speed: Speed) -> float:
    return sum(seconds_of(draws(plan, trial), trial, speed) for trial in trials)
