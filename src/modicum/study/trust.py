"""Whose words are followed: what a plan asks for that only the user's own command line may switch on.

A study file, the plan in a study's folder and the trials in its database may be a stranger's. What they
ask for of code, servers and keys (`powers`) is refused unless the user says that he trusts them.
"""

from collections.abc import Iterable, Iterator, Sequence

from modicum.catalog import read_reference, read_setting, read_settings
from modicum.errors import ConfigError, TrustError
from modicum.study.grid import NOTHING, TEXT, Grid
from modicum.study.plan import Plan
from modicum.study.powers import Power, model_powers, setting_powers, task_powers
from modicum.study.whole import WholePlan
from modicum.types import Trial

__all__ = ["powers_of", "powers_of_trial", "refuse_untrusted"]

_MOST = 12
"""Powers that a refusal names; of more it gives the number."""


def powers_of(plan: Plan) -> tuple[Power, ...]:
    """Return everything that a plan asks for, each once, in the order in which it stands there.

    Nothing is built, opened or run.
    """
    found: list[Power] = []
    for grid in plan.grids:
        found += _of_grid(grid)
    found += model_powers(plan.reference, "reference") if plan.reference else ()
    for task in plan.retain:
        found += task_powers(task, "retained task") if task not in (TEXT, NOTHING) else ()
    for reference in plan.probes:
        name, _, own = read_reference(reference)
        found += setting_powers("probes", name, own, f"probe {name}")
    for method, settings in plan.settings.items():
        found += setting_powers("methods", method, settings)
    for other in plan.beside if isinstance(plan, WholePlan) else ():
        found += powers_of(other)
    return tuple(dict.fromkeys(found))


def powers_of_trial(trial: Trial) -> tuple[Power, ...]:
    """Return everything that a trial asks for: one of a stranger's database may differ from its plan."""
    return (
        *model_powers(trial.model, "model of a trial"),
        *task_powers(trial.task, "task of a trial"),
        *setting_powers("methods", trial.method, trial.settings),
    )


def refuse_untrusted(
    plan: Plan, *, trusted: bool, where: str, trials: Sequence[Trial] = ()
) -> None:
    """Refuse a plan that asks for what only the user may switch on, unless he trusts it.

    Args:
        plan: What a file says.
        trusted: Whether the user said so (`--trust`).
        where: The file or folder, for the message.
        trials: Trials of a database that are about to be followed.

    Raises:
        TrustError: it asks, and the user did not say so; every power is named.
    """
    asked = dict.fromkeys((*powers_of(plan), *(p for t in trials for p in powers_of_trial(t))))
    if trusted or not asked:
        return
    lines = [f"- {power}" for power in list(asked)[:_MOST]]
    more = [f"- and {len(asked) - _MOST} more"] if len(asked) > _MOST else []
    raise TrustError(
        "\n".join(
            (
                f"{where} asks for things that only you may allow; none of them was done:",
                *lines,
                *more,
            )
        ),
        "a study whose files run no code, call no server and read no key",
        "read those settings; if you trust their author, repeat the command with --trust",
    )


def _of_grid(grid: Grid) -> Iterator[Power]:
    for model in grid.models:
        yield from model_powers(model)
    yield from model_powers(grid.twin, "twin") if grid.twin else ()
    for task in grid.tasks:
        yield from task_powers(task)
    yield from _of_words(grid)


def _of_words(grid: Grid) -> Iterable[Power]:
    """Look at the arms and asides, whose settings are words; those that cannot be read are never run."""
    for text in grid.arms:
        try:
            method, settings = read_settings(text)
        except ConfigError:
            continue
        yield from setting_powers("methods", method, settings)
    for text in grid.aside:
        try:
            method, field, value = read_setting(text)
        except ConfigError:
            continue
        yield from setting_powers("methods", method, {field: value})
