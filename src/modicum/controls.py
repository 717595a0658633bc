"""The trials of the controls that a method draws itself."""

import dataclasses

from modicum.catalog import settings_of
from modicum.method import Method
from modicum.types import Trial

__all__ = ["control_arms"]


def control_arms(method: Method, arm: Trial) -> list[Trial]:
    """Gives the trials of a method's own controls, twins of one of its arms.

    A control with settings of its own is drawn with several seeds; `majority` is read from stored
    samples and needs no trial.
    """
    found: list[Trial] = []
    for name in method.controls:
        if name == "majority":
            continue
        twin = dataclasses.replace(arm, control=name)
        own = method.control_settings.get(name)
        if own is None:
            found.append(twin)
            continue
        other = settings_of(dataclasses.replace(method, **own))  # type: ignore[type-var]
        drawn = range(method.control_draws)
        found += [dataclasses.replace(twin, settings=other, seed=seed) for seed in drawn]
    return found
