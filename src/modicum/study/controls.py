"""The trials of the controls that a method draws itself, and of its arms with other settings."""

import dataclasses
from collections.abc import Sequence

from modicum.catalog import read_settings, settings_of
from modicum.method import METHODS, Method, method_of
from modicum.types import Settings, Supervision, Trial

__all__ = ["WITH", "control_arms", "is_marked_only", "setting_arms"]

_RELABELLED = ("format", "shuffled")
"""Controls that put other answers on the shots."""
WITH = "with "
"""How the name of an arm with other settings begins: `with reward=random, clip=0`."""


def is_marked_only(trial: Trial) -> bool:
    """Say whether a trial is a scrambled twin whose answers cannot depend on golds.

    It draws nothing: the answers of the trial beside it are marked against moved golds.
    """
    if not trial.is_twin:
        return False
    reads_none = trial.is_floor or not trial.n_shots
    return reads_none or method_of(trial).supervision == Supervision.QUESTION


def control_arms(method: Method, arm: Trial) -> list[Trial]:
    """Return the trials of a method's own controls, twins of one of its arms.

    A control with settings of its own is drawn with several seeds; `majority` is read from stored
    samples and needs no trial. Those that put other labels on the shots are left out where none is read.
    """
    found: list[Trial] = []
    is_bare = method.supervision == Supervision.QUESTION
    for control in method.controls:
        if control.name == "majority" or (is_bare and control.name in _RELABELLED):
            continue
        twin = dataclasses.replace(arm, control=control.name)
        if not control.settings:
            found.append(twin)
            continue
        if not dataclasses.is_dataclass(method):
            raise TypeError(f"{type(method).__name__}, which has no fields")
        other = settings_of(dataclasses.replace(method, **control.settings))
        drawn = range(control.draws)
        found += [dataclasses.replace(twin, settings=other, seed=seed) for seed in drawn]
    return found


def setting_arms(texts: Sequence[str], settings: Settings, arm: Trial, n_seeds: int) -> list[Trial]:
    """Return the trials of an arm's method with other settings, every seed of each.

    Args:
        texts: `method.field=value,field=value`; those of other methods are left out.
        settings: What the plan sets for the method.
        arm: The arm that they stand beside.
        n_seeds: Draws of shots.

    Raises:
        UnknownNameError: a setting that the method does not have.
        ConfigError: another form, or a value that does not fit.
    """
    found: list[Trial] = []
    for name, own in map(read_settings, texts):
        if name != arm.method:
            continue
        method = METHODS.build(name, {**settings, **own})
        said = ", ".join(f"{field}={value}" for field, value in own.items())
        twin = dataclasses.replace(arm, settings=settings_of(method), control=f"{WITH}{said}")
        found += [dataclasses.replace(twin, seed=seed) for seed in range(n_seeds)]
    return found
