"""What a study will cost, rung by rung, said before anything is loaded, drawn or written."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modicum.analysis.detect import detectable, problems_needed
from modicum.doctor.costs import duration
from modicum.store.database import Store
from modicum.study.forecast import draws
from modicum.study.grid import MEASURES
from modicum.study.plan import Plan
from modicum.study.speed import Speed, kept_speed, rough_speed, seconds_of, updates_of
from modicum.types import Trial

__all__ = ["PlannedRung", "Spending", "plan_text", "spending"]

BASELINE = "floor and ceiling"
"""Name of the measures, which every study takes."""


@dataclass(frozen=True)
class PlannedRung:
    """What one method of a study takes, its controls and twins included."""

    name: str
    trials: int
    """Those that have not run."""
    answers: int
    """Answers to draw at most; those of other studies are taken over for nothing."""
    tokens: int
    """Tokens of these at most: every answer at its length limit."""
    labels: int
    """Most labelled problems that the method itself uses in one trial."""
    updates: int
    """Optimiser steps."""
    seconds: float | None
    """Time in one process; None where the model's speed is not known."""


@dataclass(frozen=True)
class Spending:
    """What a study takes in all."""

    rungs: tuple[PlannedRung, ...]
    """In the order of the plan; the measures are one of them."""
    trials: int
    """Trials of the plan."""
    done: int
    """Those that have run before."""
    labels: int
    """Labelled problems a task that choose the floor and score the test."""
    seconds: float | None
    """Time in all, shared by the processes; None where a model's speed is not known."""
    baseline_s: float | None
    """Its part for the measures."""
    is_measured: bool
    """Whether all speeds were measured by the check."""


def spending(plan: Plan, store: Store | None = None, workers: int = 1) -> Spending:
    """Return what is still to be spent on a plan; loads no weights, draws and writes nothing.

    Args:
        plan: The study.
        store: What has run of it, and how fast its models were when they were checked.
        workers: Processes that share the time.
    """
    done = store.done() if store is not None else set[str]()
    trials = plan.trials()
    left = [trial for trial in trials if str(trial.id) not in done]
    speeds = _speeds(plan, left, store)
    grouped: dict[str, list[Trial]] = {}
    for trial in left:
        grouped.setdefault(BASELINE if trial.method in MEASURES else trial.method, []).append(trial)
    rungs = tuple(_rung(plan, name, own, speeds) for name, own in grouped.items())
    times = {rung.name: rung.seconds for rung in rungs}
    known = [seconds for seconds in times.values() if seconds is not None]
    baseline = times.get(BASELINE, 0.0)
    return Spending(
        rungs,
        len(trials),
        len(trials) - len(left),
        plan.selection + plan.test,
        sum(known) / workers if len(known) == len(times) else None,
        None if baseline is None else baseline / workers,
        all(speed.is_measured for speed in speeds.values() if speed is not None),
    )


def plan_text(plan: Plan, store: Store | None = None, workers: int = 1) -> str:
    """Return what a study will do, what it costs a rung and what its sizes can show, in 80 columns.

    Loads no weights, draws and writes nothing.

    Args:
        plan: The study.
        store: What has run of it, and how fast its models were when they were checked.
        workers: Processes that share the time.
    """
    ahead = spending(plan, store, workers)
    subjects = [f"{s.task} on {s.model}" for s in plan.subjects()]
    more = [f"and {len(subjects) - _SHOWN} more"] if len(subjects) > _SHOWN else []
    lines = [
        f"Plan of {plan.name}: nothing is loaded, drawn or written.",
        *(f"  {text}" for text in (*subjects[:_SHOWN], *more)),
        f"  {ahead.trials - ahead.done} trials to run, {ahead.done} done; "
        f"{ahead.labels} labelled problems a task for measuring",
        "",
        *_table(ahead),
        "",
        *_wrapped(_time_text(ahead, workers)),
        *_wrapped(_reach(plan)),
    ]
    return "\n".join(lines)


_SHOWN = 12
"""Subjects that are named."""
_COLUMNS = ("", "trials", "answers", "tokens ≤", "labels", "updates", "time")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 80, initial_indent="  ", subsequent_indent="    ")


def _speeds(
    plan: Plan, trials: Sequence[Trial], store: Store | None
) -> Mapping[tuple[str, str], Speed | None]:
    """Return the speed of every subject and twin: measured, that of the same model, or rough."""
    measured: dict[tuple[str, str], Speed] = {}
    for subject in plan.subjects():
        found = kept_speed(store, subject.model, subject.task) if store is not None else None
        if found is not None:
            measured[subject.model, subject.task] = found
    rough: dict[str, Speed | None] = {}
    speeds: dict[tuple[str, str], Speed | None] = {}
    for pair in dict.fromkeys((trial.model, trial.subject) for trial in trials):
        model, task = pair
        alike = [speed for (name, _), speed in measured.items() if name == model]
        alike += [speed for (_, name), speed in measured.items() if name == task]
        if pair not in measured and not alike and model not in rough:
            rough[model] = rough_speed(model)
        speeds[pair] = measured.get(pair) or (alike[0] if alike else rough.get(model))
    return speeds


def _rung(
    plan: Plan,
    name: str,
    trials: Sequence[Trial],
    speeds: Mapping[tuple[str, str], Speed | None],
) -> PlannedRung:
    each = [draws(plan, trial) for trial in trials]
    times: list[float] = []
    for trial, ahead in zip(trials, each, strict=True):
        speed = speeds[trial.model, trial.subject]
        if speed is not None:
            times.append(seconds_of(ahead, trial, speed))
    return PlannedRung(
        name,
        len(trials),
        sum(one.answers for one in each),
        sum(one.answers * one.limit for one in each),
        0 if name == BASELINE else max(trial.n_shots for trial in trials),
        sum(updates_of(trial) for trial in trials),
        sum(times) if len(times) == len(trials) else None,
    )


def _table(ahead: Spending) -> list[str]:
    rows = [_COLUMNS, *(_cells(rung) for rung in ahead.rungs)]
    if len(ahead.rungs) > 1:
        rungs = ahead.rungs
        known = [rung.seconds for rung in rungs if rung.seconds is not None]
        rows.append(
            _cells(
                PlannedRung(
                    "in all",
                    sum(rung.trials for rung in rungs),
                    sum(rung.answers for rung in rungs),
                    sum(rung.tokens for rung in rungs),
                    max(rung.labels for rung in rungs),
                    sum(rung.updates for rung in rungs),
                    sum(known) if len(known) == len(rungs) else None,
                )
            )
        )
    widths = [max(len(row[place]) for row in rows) for place in range(len(_COLUMNS))]
    return [
        "  "
        + "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _cells(rung: PlannedRung) -> tuple[str, ...]:
    return (
        rung.name,
        f"{rung.trials:,}",
        f"{rung.answers:,}",
        _tokens(rung.tokens),
        f"{rung.labels:,}",
        f"{rung.updates:,}",
        "?" if rung.seconds is None else duration(rung.seconds),
    )


def _tokens(n: int) -> str:
    return f"{n / 1e6:,.1f}M" if n >= 1e6 else f"{n / 1e3:,.1f}k" if n >= 1e3 else f"{n:,}"


def _time_text(ahead: Spending, workers: int) -> str:
    if ahead.seconds is None:
        return "Time: not known before `modicum check` has measured the model's speed."
    shared = f" in {workers} processes" if workers > 1 else ""
    if ahead.is_measured:
        return (
            f"Time: about {duration(ahead.seconds)}{shared}, at the speed that the check measured."
        )
    rough = "a rough guess from the model's size, until the check measures it."
    return f"Time: about {duration(ahead.seconds)}{shared}; {rough}"


def _reach(plan: Plan) -> str:
    can = detectable(plan.test, margin=plan.margin)
    gain = f"gains of {100 * can.gain:.0f} points or more" if can.gain <= 1 else "no gain reliably"
    text = f"{plan.test} test problems can show {gain}"
    if can.can_show_absent:
        return f"{text}, and that an ability is absent."
    return f"{text}; absence takes {problems_needed(plan.margin)}."
