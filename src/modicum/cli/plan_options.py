"""The plan of a run: a study file, the default study, or a model and a task with options."""

import dataclasses
from collections.abc import Collection
from importlib import resources
from pathlib import Path

from modicum.catalog import read_setting
from modicum.cli.built_in import STAND_IN, is_own_data, names_task
from modicum.cli.option_types import file_text
from modicum.cli.task_options import task_reference
from modicum.errors import ConfigError
from modicum.running.planning import plan_for
from modicum.running.quick import quickened
from modicum.study.plan import Plan, read_plan
from modicum.study.trust import refuse_untrusted

__all__ = ["default_plan", "model_for", "plan_of", "study_or_task"]


def plan_of(study: Path | None, options: dict[str, object], *, trusted: bool) -> Plan:
    """Join a TOML study, or the default one, with what the options say.

    Raises:
        TrustError: the study asks for what only the user may switch on, and is not trusted.
    """
    is_quick = bool(options.pop("quick", False))
    set_by_user = {name for name, value in options.items() if value not in (None, ())}
    plan = _full(study, options, trusted=trusted)
    return quickened(plan, set_by_user) if is_quick else plan


def study_or_task(word: str | None, options: dict[str, object]) -> Path | None:
    """Return the study file that a word names; a task among them goes into the options.

    Raises:
        ConfigError: the word is a task, and --task names one as well.
    """
    if word is None or not names_task(word):
        return Path(word) if word else None
    if options.get("task"):
        raise ConfigError(
            f"{word} and --task {options['task']}", "one task", "leave one of them out"
        )
    options["task"] = word
    return None


def model_for(model: str | None, task: str) -> str:
    """Return the model that answers a task: the given one, else the built-in one that fits.

    Raises:
        ConfigError: none is given and none fits.
    """
    if model is not None:
        return model
    if _is_story(task):
        return "organism"
    if is_own_data(task):
        return STAND_IN
    raise ConfigError(f"--task {task} without --model", "a model", "add --model NAME or folder")


def _full(study: Path | None, options: dict[str, object], *, trusted: bool) -> Plan:
    """Return the plan at its full sizes."""
    given = {k: v for k, v in options.items() if v not in (None, ())}
    own: dict[str, str] = {k: file_text(given.pop(k)) for k in ("system", "template") if k in given}
    settings = _settings(given.pop("settings", ()))
    model, task = given.pop("model", None), task_reference(given.pop("task", None), given)  # type: ignore[arg-type]
    grid = {k: given.pop(k) for k in ("methods", "shots", "twin") if k in given}
    if model is None and task is None:
        plan = read_plan(study) if study else default_plan()
        kept = _kept(plan, {*given, *grid}, set(settings))
        refuse_untrusted(kept, trusted=trusted, where=f"the study {study}")
        values: dict[str, object] = {**plan.as_dict(), **given, **own}
        values["grids"] = [dataclasses.replace(g, **grid) for g in plan.grids]  # type: ignore[arg-type]
        values["settings"] = {**plan.settings, **settings}
        return Plan.thawed(values)
    if study is not None:
        raise ConfigError("a study and --model or --task", "one of them", "leave one out")
    if task is None:
        raise ConfigError(f"--model {model} without --task", "a task", "add --task NAME")
    return plan_for(
        model_for(None if model is None else str(model), str(task)),
        str(task),
        grid.get("methods", ()),  # type: ignore[arg-type]
        grid.get("shots", ()),  # type: ignore[arg-type]
        twin=grid.get("twin", ""),
        settings=settings,
        **given,
        **own,
    )


def _kept(plan: Plan, given: Collection[str], methods: Collection[str]) -> Plan:
    """Return what still stands of a study file beside options: their words are the user's own."""
    return dataclasses.replace(
        plan,
        grids=tuple(dataclasses.replace(g, twin="") if "twin" in given else g for g in plan.grids),
        reference="" if "reference" in given else plan.reference,
        retain=() if "retain" in given else plan.retain,
        probes=() if "probes" in given else plan.probes,
        settings={name: own for name, own in plan.settings.items() if name not in methods},
    )


def default_plan() -> Plan:
    """The study that runs when nothing is said."""
    with resources.as_file(resources.files("modicum") / "studies" / "organism.toml") as path:
        return read_plan(path)


def _is_story(task: str) -> bool:
    """Say whether a task is one of the organism's families."""
    names = {name for grid in default_plan().grids for name in grid.tasks}
    return task.removeprefix("scrambled:") in names


def _settings(pairs: object) -> dict[str, dict[str, str]]:
    """Read `method.field=value` pairs."""
    settings: dict[str, dict[str, str]] = {}
    for pair in pairs if isinstance(pairs, tuple) else ():
        method, field, value = read_setting(str(pair))
        settings.setdefault(method, {})[field] = value
    return settings
