"""The plans of one folder as one study: what belongs together is joined, the rest stands beside it.

A folder is run with several plans: another model, another task, fewer methods, other sizes. None of them
hides another. Plans that draw alike make one ladder a subject; of a subject that was measured in several
ways, each has a label that says in what they differ.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from modicum.study.grid import Grid
from modicum.study.plan import Plan, Subject

__all__ = ["WholePlan", "declared", "part_of", "whole_of"]

_READ = ("name", "prefer", "max_labels", "margin")
"""Fields that change how stored trials are read: those of the newest plan stand."""
_JOINED = ("grids", "seeds", "controls", "probes", "settings", "reference")
"""Fields of which a joined plan has what any of its plans has."""
_DRAWN = tuple(f.name for f in fields(Plan) if f.name not in (*_READ, *_JOINED))
"""Fields that make other trials of every subject."""
_LONGEST = 24
"""Characters of a value in a label."""


@dataclass(frozen=True)
class WholePlan(Plan):
    """All plans of a folder, the newest first; it is read, and never frozen."""

    variant: str = ""
    """What sets the newest plans apart from others on the same model and task; empty where none are."""
    beside: tuple[Plan, ...] = ()
    """Plans that draw otherwise."""

    @property
    def label(self) -> str:
        """What sets it apart from others on the same model and task."""
        return self.variant

    def subjects(self) -> list[Subject]:
        """Return the subjects of all plans, those of the newest first."""
        return [*super().subjects(), *(s for plan in self.beside for s in plan.subjects())]


def whole_of(plans: Sequence[Plan]) -> Plan:
    """Return the plans of a folder as one; a single plan as it is.

    Args:
        plans: At least one, the newest first.
    """
    groups: list[Plan] = []
    for plan in plans:
        place = next((i for i, group in enumerate(groups) if _fits(group, plan)), None)
        if place is None:
            groups.append(plan)
        else:
            groups[place] = _joined(groups[place], plan)
    if len(groups) == 1:
        return groups[0]
    labels = _labels(groups)
    first, *others = (_labelled(group, label) for group, label in zip(groups, labels, strict=True))
    return replace(first, beside=tuple(others))


def part_of(whole: Plan, plan: Plan) -> Plan:
    """Return the plan within a whole that holds what a declared plan does; the newest where none does."""
    parts = [whole, *(whole.beside if isinstance(whole, WholePlan) else ())]
    return next((part for part in parts if _fits(part, plan)), whole)


def declared(plan: Plan) -> Plan:
    """Return the newest plans of a whole as a plan that can be run and frozen."""
    return Plan(**{f.name: getattr(plan, f.name) for f in fields(Plan)})


def _fits(one: Plan, other: Plan) -> bool:
    """Say whether two plans make the same trials of whatever both of them name."""
    if any(getattr(one, name) != getattr(other, name) for name in _DRAWN):
        return False
    if one.reference and other.reference and one.reference != other.reference:
        return False
    both = _methods(one) & _methods(other)
    return all(one.settings.get(name, {}) == other.settings.get(name, {}) for name in both)


def _joined(newer: Plan, older: Plan) -> Plan:
    """Return both plans as one: every rung of either."""
    grids = list(newer.grids)
    for grid in older.grids:
        own = replace(grid, seeds=grid.seeds or older.seeds)
        if not any(_covers(known, own, newer.seeds) for known in grids):
            grids.append(own)
    used = {name: values for name, values in older.settings.items() if name in _methods(older)}
    return replace(
        newer,
        grids=tuple(grids),
        controls=newer.controls or older.controls,
        probes=tuple(dict.fromkeys((*newer.probes, *older.probes))),
        settings={**older.settings, **newer.settings, **used},
        reference=newer.reference or older.reference,
    )


def _covers(known: Grid, grid: Grid, seeds: int) -> bool:
    """Say whether a grid declares every trial of another one."""
    lists = ("models", "tasks", "methods", "shots", "twin_shots", "aside", "arms")
    is_within = all(set(getattr(grid, name)) <= set(getattr(known, name)) for name in lists)
    has_controls = known.controls or not grid.controls
    has_twin = grid.twin in ("", known.twin)
    return is_within and has_controls and has_twin and grid.seeds <= (known.seeds or seeds)


def _methods(plan: Plan) -> set[str]:
    return {name for grid in plan.grids for name in grid.methods}


def _labelled(plan: Plan, label: str) -> WholePlan:
    own = {f.name: getattr(plan, f.name) for f in fields(Plan)}
    return WholePlan(**own, variant=label)


def _labels(plans: Sequence[Plan]) -> list[str]:
    """Return what sets each plan apart; empty of those whose subjects stand in no other one."""
    pairs = [{(s.model, s.task) for s in plan.subjects()} for plan in plans]
    alike = [
        [other for j, other in enumerate(plans) if j != i and pairs[i] & pairs[j]]
        for i in range(len(plans))
    ]
    return [
        ", ".join(_apart(plan, others)) if others else ""
        for plan, others in zip(plans, alike, strict=True)
    ]


def _apart(plan: Plan, others: Sequence[Plan]) -> list[str]:
    """Return the fields in which a plan differs from others, each as `name=value`."""
    names = [f.name for f in dataclasses.fields(Plan) if f.name in (*_DRAWN, "reference")]
    said = [
        f"{name}={_shown(getattr(plan, name))}"
        for name in names
        if any(getattr(plan, name) != getattr(other, name) for other in others)
    ]
    for method in sorted(_methods(plan)):
        own = plan.settings.get(method, {})
        sets = [other.settings.get(method, {}) for other in others if method in _methods(other)]
        keys = sorted({key for one in (own, *sets) for key in one})
        said += [
            f"{method}.{key}={_shown(own.get(key, 'default'))}"
            for key in keys
            if any(one.get(key) != own.get(key) for one in sets)
        ]
    return said


def _shown(value: object) -> str:
    """Return a value in a few characters."""
    text = "+".join(map(str, value)) if isinstance(value, tuple) else str(value)
    text = " ".join(text.split()) or "none"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
