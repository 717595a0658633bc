"""Which subject and which rung of a study is meant: what the options say, else what the verdict ships."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import click

from modicum.analysis.meaning import has_pick, ship_text
from modicum.analysis.verdict import RungRow, Verdict
from modicum.errors import ConfigError
from modicum.running.restoring import rung
from modicum.store.database import Store
from modicum.study.plan import Plan, Subject
from modicum.types import FLOOR, PROMPT, Trial

__all__ = [
    "pick",
    "pick_options",
    "picked_trial",
    "place_of",
    "row_of",
    "subject_of",
    "verdict_on",
]

F = TypeVar("F", bound=Callable[..., object])


def verdict_on(subject: Subject, verdicts: Iterable[Verdict]) -> Verdict | None:
    """Return the verdict on a subject, or None."""
    wanted = (subject.model, subject.task, subject.plan.label)
    return next((v for v in verdicts if (v.model, v.task, v.variant) == wanted), None)


def pick_options(help_of_rung: str) -> Callable[[F], F]:
    """Return a decorator that adds the options that name a method of a study, for `pick`."""

    def add(function: F) -> F:
        for option in reversed(
            (
                click.option("--rung", "name", metavar="METHOD", help=help_of_rung),
                click.option(
                    "--n-shots",
                    type=click.IntRange(0),
                    metavar="N",
                    help="Its number of labelled examples. [the most that were tried]",
                ),
                click.option(
                    "--seed",
                    type=click.IntRange(0),
                    default=0,
                    metavar="N",
                    help="Its draw of examples. [0]",
                ),
                click.option(
                    "--model", metavar="MODEL", help="Use this model, where there are several."
                ),
                click.option(
                    "--task", metavar="TASK", help="Use this task, where there are several."
                ),
            )
        ):
            function = option(function)
        return function

    return add


def subject_of(
    plan: Plan, model: object, task: object, verdicts: Sequence[Verdict] = ()
) -> Subject:
    """Return the one subject that is meant; of several sizes of it the last one that has a verdict."""
    fits = [s for s in plan.subjects() if model in (None, s.model) and task in (None, s.task)]
    if len({(s.model, s.task) for s in fits}) == 1:
        return next((s for s in fits if verdict_on(s, verdicts) is not None), fits[0])
    pairs = dict.fromkeys((s.model, s.task) for s in plan.subjects())
    known = "; ".join(f"--model {model} --task {task}" for model, task in pairs)
    raise ConfigError(
        f"{len({(s.model, s.task) for s in fits})} pairs of task and model that fit",
        "one model and one task",
        f"choose of: {known}",
    )


def pick(
    verdict: Verdict | None, subject: Subject, name: object, n_shots: object
) -> tuple[tuple[str, str, int] | None, str]:
    """Return the rung to set beside the floor as (name, method, shots), and why it is this one.

    Raises:
        ConfigError: a rung that the study does not have, or no verdict to recommend one.
    """
    if name is not None:
        method, _, shots = str(name).replace("-", "_").partition(" n=")
        known = sorted(t.n_shots for t in subject.rungs() if t.method == method)
        wanted = n_shots if isinstance(n_shots, int) else int(shots) if shots.isdigit() else None
        chosen = wanted if wanted is not None else max(known, default=0)
        return (f"{method} n={chosen}" if chosen else method, method, chosen), "chosen by --rung"
    if n_shots is not None:
        raise ConfigError("--n-shots without --rung", "both", "name the method")
    if verdict is None:
        raise ConfigError(
            f"no verdict on {subject.model}, {subject.task} yet",
            "a study whose measures have run",
            "run it on: `modicum run` with the same folder; or name a method with --rung",
        )
    row = row_of(verdict, verdict.ship.name)
    if row is None or row.is_prompt:
        return None, f"the study ships {ship_text(verdict)}"
    return (row.name, row.method, row.n_shots), verdict.ship.why


def picked_trial(
    verdict: Verdict | None, subject: Subject, name: object, n_shots: object, seed: int
) -> tuple[Trial, str]:
    """Return the trial whose nudge is meant, the floor's for the plain model, and why it is this one.

    Raises:
        ConfigError: no such rung, or a study that recommends nothing.
    """
    if name is not None and str(name).replace("-", "_") in (PROMPT, FLOOR, "floor"):
        return subject.floor(), "chosen by --rung"
    row, why = pick(verdict, subject, name, n_shots)
    if row is not None:
        _, method, shots = row
        return rung(subject, method, shots, seed), why
    if verdict is not None and verdict.ship.name == PROMPT and has_pick(verdict):
        return subject.floor(), why
    raise ConfigError(
        why, "a method that works", "name one with --rung if you want it all the same"
    )


def place_of(store: Store, trial: Trial) -> Path:
    """Return the folder for a trial's exports within its study's."""
    shots = f"-n{trial.n_shots}" if trial.n_shots and not trial.is_floor else ""
    seed = f"-seed{trial.seed}" if trial.seed else ""
    return store.folder / "exports" / f"{trial.method}{shots}{seed}"


def row_of(verdict: Verdict, name: str | None) -> RungRow | None:
    """Return the row of a rung's name, or None."""
    return next((row for row in verdict.rungs if row.name == name), None)
