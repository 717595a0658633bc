"""The plan of a model on a task, where little is said: its methods, its budgets and its sizes."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modicum.files.foreign import is_name
from modicum.method import LADDER, METHODS, Kind, Needs
from modicum.model import MODELS, Backend, backend_access, plugin_of
from modicum.study.plan import Grid, Plan
from modicum.task import full_reference, resolve_task
from modicum.types import Access, Supervision

__all__ = ["SHOTS", "default_methods", "plain_name", "plan_for", "plan_of"]

SHOTS = (1, 4, 8)
"""Budgets of the methods that take labels, where none are given."""
_LONGEST = 60
"""Characters of a study's name that is made from its task's."""
_SIZES: Mapping[str, int] = {
    field.name: int(str(field.default))
    for field in dataclasses.fields(Plan)
    if field.name in ("test", "selection")
}


def default_methods(model: str, task: str) -> tuple[str, ...]:
    """Return the usual methods that fit what the task's shots reveal and what the model offers.

    Of the tunings the one stands that reads most of what the shots reveal.

    Prompts that reason or demonstrate are left out where the task names a worked form of its own:
    there the forced form says what they would, and the organism knows neither words nor long
    prompts.
    """
    sheet, offered = resolve_task(task).sheet, backend_access(model)
    stated = MODELS.entry(plugin_of(model)[0]).stated
    speaks = bool(stated.get("speaks", Backend.speaks))
    found = [one for name in METHODS.entries if (one := _usual(name)) is not None]
    fit = [
        one
        for one in found
        if one.access <= offered
        and one.supervision <= sheet.supervision
        and (speaks or not one.language)
    ]
    most = max((one.supervision for one in fit if one.kind == "tuning"), default=0)
    kept = [
        one
        for one in fit
        if (one.kind != "prompt" or not sheet.opener)
        and (one.kind != "tuning" or one.supervision == most)
    ]
    return tuple(one.name for one in sorted(kept, key=lambda one: one.rank))


@dataclass(frozen=True)
class _Usual:
    """A method of the usual ladder, known without importing it."""

    name: str
    kind: Kind
    access: Access
    supervision: Supervision
    language: bool

    @property
    def rank(self) -> tuple[int, int, str]:
        """Its place on the ladder: cheapest kind first, then what any model offers."""
        return LADDER.index(self.kind), int(self.access), self.name


def _usual(name: str) -> _Usual | None:
    """Return a method of modicum's own that says it is usual; None else."""
    entry = METHODS.entry(name)
    stated = entry.stated
    kind, needs = stated.get("kind"), stated.get("needs")
    known = next((one for one in LADDER if one == kind), None)
    if entry.package or not stated.get("is_usual") or known is None:
        return None
    said = needs if isinstance(needs, Mapping) else {}
    access = Access[str(said.get("access", Needs.access.name))]
    supervision = Supervision[str(said.get("supervision", Needs.supervision.name))]
    return _Usual(name, known, access, supervision, bool(said.get("language", Needs.language)))


def plan_for(
    model: str,
    task: str,
    methods: Sequence[str] = (),
    shots: Sequence[int] = (),
    **options: object,
) -> Plan:
    """Return the plan of one model on one task; `options` are the other fields of `Plan`.

    Sizes that are not given shrink to what the task has: a small file is no error.

    Raises:
        UnknownNameError: unknown task, method or option.
    """
    task = full_reference(task)
    names = tuple(methods) or default_methods(model, task)
    exist = resolve_task(task).sheet.available
    budgets = tuple(shots) or tuple(n for n in SHOTS if n <= exist.get("shots", n)) or SHOTS[:1]
    sizes = {n: min(size, exist[n]) for n, size in _SIZES.items() if n in exist}
    grid = Grid((model,), (task,), names, budgets, str(options.pop("twin", "")))
    return Plan.thawed({"name": plain_name(task), **sizes, **options, "grids": [grid]})


def plan_of(
    models: Sequence[str],
    tasks: Sequence[str],
    methods: Sequence[str] = (),
    shots: Sequence[int] = (),
    **options: object,
) -> Plan:
    """Return the plan of every one of several models on every one of several tasks.

    Each pair has the methods that fit it where none are named; sizes that are not given are those of the
    smallest task.

    Raises:
        UnknownNameError: unknown task, method or option.
    """
    plans = [plan_for(model, task, methods, shots, **options) for model in models for task in tasks]
    if len(plans) == 1:
        return plans[0]
    named = str(options.get("name") or "-".join(dict.fromkeys(plan.name for plan in plans)))
    return dataclasses.replace(
        plans[0],
        name=named[:_LONGEST].rstrip("."),
        grids=tuple(grid for plan in plans for grid in plan.grids),
        test=min(plan.test for plan in plans),
        selection=min(plan.selection for plan in plans),
    )


def plain_name(task: str) -> str:
    """Return a task's name as a folder may bear it: a file's name without its suffix.

    >>> plain_name("jsonl:data/my sums.jsonl?answer=gold"), plain_name("gym:chain_sum")
    ('my-sums', 'gym-chain_sum')
    """
    head = task.partition("?")[0]
    kind, _, detail = head.rpartition("scrambled:")[2].partition(":")
    file = Path(detail.removesuffix(".gz"))
    name = file.stem if file.suffix == f".{kind}" else head
    plain = re.sub(r"[^\w.-]+", "-", name)[:_LONGEST].rstrip(".")
    return plain if is_name(plain) else f"study-{plain.strip('.-')}".rstrip("-")
