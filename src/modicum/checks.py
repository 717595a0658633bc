"""What must hold of a plan before any weights load."""

from modicum.errors import AccessError, ConfigError
from modicum.method import METHODS, Method
from modicum.model import Backend, resolve_backend
from modicum.study import POOL, Grid, Plan
from modicum.task import Task, resolve_task
from modicum.types import Supervision

__all__ = ["check_plan"]


def check_plan(plan: Plan) -> None:
    """Refuses, before any weights load, what cannot work.

    Raises:
        UnknownNameError: unknown model, task, method or setting.
        AccessError: a method that needs more access than a model offers.
        ConfigError: more shots than exist, or shots that reveal too little.
    """
    for name in plan.settings:
        METHODS.entry(name)
    for grid in plan.grids:
        tasks = [resolve_task(task) for task in grid.tasks]
        models = [*grid.models, *([grid.twin] if grid.twin else [])]
        backends = [(reference, resolve_backend(reference)) for reference in models]
        for name in grid.methods:
            method = plan.method(name)
            for reference, backend in backends:
                _check_access(name, method, reference, backend)
            for reference, task in zip(grid.tasks, tasks, strict=True):
                _check_shots(name, method, reference, task, grid)
        for reference, task in zip(grid.tasks, tasks, strict=True):
            _check_split(reference, task, "test", plan.test, "--test")
            _check_split(reference, task, "selection", plan.selection, "--selection")
    _check_reference(plan)
    named = [m for g in plan.grids for m in (*g.models, g.twin)]
    for reference in dict.fromkeys(filter(None, (*named, plan.reference))):
        resolve_backend(reference).ready()
    for subject in plan.subjects():
        subject.asides()  # builds every setting
        for name in subject.retain():
            _check_split(name, resolve_task(name), "test", plan.retain_test, "retain_test")


def _check_reference(plan: Plan) -> None:
    if not plan.reference:
        return
    resolve_backend(plan.reference)
    if all(subject.model == plan.reference for subject in plan.subjects()):
        raise ConfigError(
            f"reference {plan.reference!r}, the model that is studied",
            "a second model",
            "name a reasoning twin, say, or leave --reference out",
        )


def _check_access(name: str, method: Method, reference: str, backend: Backend) -> None:
    if method.access > backend.access:
        raise AccessError(
            f"method {name!r} on model {reference!r}, which offers {backend.access.name.lower()}",
            f"a model with access to {method.access.name.lower()}",
            "leave the method out, or give the weights (a folder or hub id)",
        )


def _check_shots(name: str, method: Method, reference: str, task: Task, grid: Grid) -> None:
    if method.supervision == Supervision.QUESTION:
        return
    if method.supervision > task.sheet.supervision:
        raise ConfigError(
            f"method {name!r} on task {reference!r}, whose shots reveal "
            f"{task.sheet.supervision.name.lower()}",
            f"shots that reveal {method.supervision.name.lower()}",
            "choose rejection_tuning, which needs answers only",
        )
    budgets = (*grid.shots, *grid.twin_shots)
    if min(budgets) < 1:
        raise ConfigError("shots below 1", "at least 1 shot", "remove it from --shots")
    exist = min(POOL, task.sheet.available.get("shots", POOL))
    if max(budgets) > exist:
        raise ConfigError(
            f"{max(budgets)} shots of task {reference!r}", f"at most {exist}", "lower --shots"
        )


def _check_split(reference: str, task: Task, split: str, wanted: int, option: str) -> None:
    exist = task.sheet.available.get(split)
    if exist is not None and wanted > exist:
        raise ConfigError(
            f"{wanted} {split} problems of task {reference!r}",
            f"at most {exist}",
            f"lower {option}",
        )
