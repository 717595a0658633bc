"""What a study will cost, rung by rung, said before anything is loaded, drawn or written."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modicum.analysis.detect import chance_of_equal, detectable_text
from modicum.analysis.known import fixed_prompt
from modicum.doctor.costs import duration
from modicum.errors import ConfigError
from modicum.method import method_of
from modicum.store.database import Store
from modicum.study.forecast import draws
from modicum.study.grid import MEASURES
from modicum.study.plan import Plan
from modicum.study.speed import Speed, kept_speed, rough_speed, seconds_of, tokens_of, updates_of
from modicum.task import Task, resolve_task
from modicum.types import Trial

__all__ = [
    "PlannedRung",
    "Spending",
    "TrialShare",
    "plan_text",
    "reach_text",
    "refuse_unpayable",
    "said_tokens",
    "shares",
    "spending",
]

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
        plan.measuring,
        sum(known) / workers if len(known) == len(times) else None,
        None if baseline is None else baseline / workers,
        all(speed.is_measured for speed in speeds.values() if speed is not None),
    )


@dataclass(frozen=True)
class TrialShare:
    """What one trial is of a run."""

    answers: int
    """Answers to draw at most."""
    tokens: float
    """Tokens to run, prompts included; as long as those seen, or at their limit."""
    seconds: float
    """Time in one process; where the speed is not known, the tokens, trained ones too."""


def shares(plan: Plan, store: Store) -> dict[str, TrialShare]:
    """Return what each missing trial is of a run, by its id: they differ a hundredfold."""
    done = store.done()
    left = [trial for trial in plan.trials() if str(trial.id) not in done]
    speeds, found = _speeds(plan, left, store), {}
    for trial in left:
        ahead, speed = draws(plan, trial), speeds[trial.model, trial.subject] or _UNKNOWN
        seconds = seconds_of(ahead, trial, speed)
        found[str(trial.id)] = TrialShare(ahead.answers, tokens_of(ahead, speed), seconds)
    return found


def plan_text(plan: Plan, store: Store | None = None, workers: int = 1) -> str:
    """Return what a study will do, what it costs a rung and what its sizes can show, in 80 columns.

    Loads no weights, draws and writes nothing.

    Args:
        plan: The study.
        store: What has run of it, and how fast its models were when they were checked.
        workers: Processes that share the time.
    """
    ahead, fixed = spending(plan, store, workers), fixed_prompt(plan.subjects())
    subjects = [f"{s.task} on {s.model}" for s in plan.subjects()]
    more = [f"and {len(subjects) - _SHOWN} more"] if len(subjects) > _SHOWN else []
    lines = [
        f"Plan of {plan.name}: nothing is loaded, drawn or written.",
        *(f"  {text}" for text in (*subjects[:_SHOWN], *more)),
        f"  {ahead.trials - ahead.done} trials to run, {ahead.done} done; "
        f"{ahead.labels} labelled problems a task for measuring",
        *(_wrapped(fixed.said) if fixed is not None else []),
        "",
        *_table(ahead),
        "",
        *_wrapped(_time_text(ahead, workers)),
        *(line for text in _reaches(plan) for line in _wrapped(text)),
    ]
    return "\n".join(lines)


def refuse_unpayable(plan: Plan, store: Store | None, left_s: float, workers: int = 1) -> None:
    """Refuse a study whose measures alone take more time than there is, before it is spent.

    Args:
        plan: The study.
        store: What has run of it, and how fast its models were when they were checked.
        left_s: Seconds that are left of the budget.
        workers: Processes that share the time.

    Raises:
        ConfigError: so it is; where the speed is a rough guess, only where it is far so.
    """
    ahead = spending(plan, store, workers)
    least = (ahead.baseline_s or 0.0) / (_MEASURED if ahead.is_measured else _ROUGH)
    if not ahead.baseline_s or least <= left_s:
        return
    word = "about" if ahead.is_measured else "at least (a guess from the model's size)"
    whole = duration(ahead.seconds or ahead.baseline_s)
    raise ConfigError(
        f"{duration(max(left_s, 0.0))} left of --budget, and {BASELINE} alone need {word} "
        f"{duration(ahead.baseline_s if ahead.is_measured else least)}",
        f"more time; the whole study takes {'about' if ahead.is_measured else 'at most'} {whole}",
        "raise --budget, or take smaller sizes: --quick, --test, --samples, --max-new-tokens",
    )


def said_tokens(n: int) -> str:
    """Write a number of tokens in the unit that fits.

    >>> said_tokens(1_700_000), said_tokens(138_200), said_tokens(96)
    ('1.7M', '138.2k', '96')
    """
    return f"{n / 1e6:,.1f}M" if n >= 1e6 else f"{n / 1e3:,.1f}k" if n >= 1e3 else f"{n:,}"


_MEASURED = 1.5
"""How many times too long a time may be at a speed that so few answers showed."""
_ROUGH = 4.0
"""How many times too long a rough guess may be: answers count at their limit in it."""
_UNKNOWN = Speed(1.0, math.inf, 30.0, is_measured=False)
_FEW = 20
"""Problems that are made to see how often golds are equal; making them may take long."""
_SHOWN = 12
"""Subjects that are named."""
_COLUMNS = ("", "trials", "answers", "tokens ≤", "labels", "updates", "time")


def reach_text(task: Task, plan: Plan) -> str:
    """Return the sentence on what a task's test problems can show, where they are made from a few."""
    is_made = "test" not in task.sheet.available
    problems = task.problems("test", min(plan.test, _FEW) if is_made else plan.test)
    clusters = {p.cluster or p.id for p in problems}
    guess = chance_of_equal([p.answer for p in problems])
    is_clustered = not is_made and len(clusters) < len(problems)
    return detectable_text(
        plan.test if is_made else len(clusters), guess=guess, is_clustered=is_clustered
    )


def _reaches(plan: Plan) -> dict[str, None]:
    """Return the sentences of all tasks, each once."""
    names = dict.fromkeys(task for grid in plan.grids for task in grid.tasks)
    return dict.fromkeys(reach_text(resolve_task(name), plan) for name in names)


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
    known = [
        seconds_of(ahead, trial, speed)
        for trial, ahead in zip(trials, each, strict=True)
        if (speed := speeds[trial.model, trial.subject]) is not None
    ]
    return PlannedRung(
        name,
        len(trials),
        sum(one.answers for one in each),
        sum(one.tokens for one in each),
        0 if name == BASELINE else max(map(_labels, trials)),
        sum(updates_of(trial) for trial in trials),
        sum(known) if len(known) == len(trials) else None,
    )


def _labels(trial: Trial) -> int:
    """Count the labels that a trial reads."""
    method = method_of(trial)
    return method.reads(method.shown(trial.n_shots))


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
        said_tokens(rung.tokens),
        f"{rung.labels:,}",
        f"{rung.updates:,}",
        "?" if rung.seconds is None else duration(rung.seconds),
    )


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
