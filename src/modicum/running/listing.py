"""What lies below a folder of studies, from what each one has kept: nothing is computed or opened."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from modicum.errors import ModicumError
from modicum.plain import JsonObject, JsonValue, thawed
from modicum.running.plan_name import plan_name
from modicum.store.database import Store
from modicum.store.opening import DATABASE

__all__ = ["ListedStudy", "ListedSubject", "listed"]


@dataclass(frozen=True)
class ListedSubject:
    """One model on one task; without a verdict where its measures have not all ended."""

    task: str
    model: str
    variant: str = ""
    """What sets it apart from others on the same model and task."""
    ability: str = ""
    """The word; empty where there is no verdict."""
    floor: float | None = None
    """Accuracy of the model as asked plainly, a share."""
    floor_interval: tuple[float, float] | None = None
    """Its 95 % interval."""
    best: float | None = None
    """Accuracy of its best method, a share."""
    best_interval: tuple[float, float] | None = None
    """Its 95 % interval."""
    method: str = ""
    """That method."""
    labels: int | None = None
    """Labels that unlock the ability; None where nothing does."""
    ship: str = ""
    """What to ship; empty where nothing is."""


@dataclass(frozen=True)
class ListedStudy:
    """One study folder."""

    folder: Path
    subjects: tuple[ListedSubject, ...] = ()
    ended: str = ""
    """When its last run ended, as far as is known (ISO 8601, UTC)."""
    trials: int = 0
    """Trials of all its plans, as far as they were counted."""
    missing: int = 0
    """Those that have not finished."""
    failed: int = 0
    error: str = ""
    """Why it cannot be read."""


def listed(root: Path) -> list[ListedStudy]:
    """Return the studies in a folder, and one folder below it; the newest last.

    What cannot be read is listed with the reason; a folder in which a study was refused or declined
    before it began is none.
    """
    places = {path.parent for depth in ("", "*/", "*/*/") for path in root.glob(depth + DATABASE)}
    found = filter(None, map(_study, sorted(places)))
    return sorted(found, key=lambda study: study.ended)


def _study(folder: Path) -> ListedStudy | None:
    try:
        store = Store(folder, read_only=True)
        try:
            return _read(store) if store.plan is not None else None
        finally:
            store.close()
    except (ModicumError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        first = str(error).partition("\n")[0].removeprefix("found: ")
        return ListedStudy(folder, error=first or type(error).__name__)


def _read(store: Store) -> ListedStudy:
    done, failed = store.done(), store.failed()
    ids = {name for plan in store.plans for name in _planned(store, plan)}
    said = json.loads(store.kept("verdicts", None) or "[]")
    subjects = [_subject(thawed(dict[str, JsonValue], one)) for one in said]
    known = {(one.task, one.model) for one in subjects}
    pairs = dict.fromkeys(pair for plan in store.plans for pair in _pairs(plan))
    bare = [ListedSubject(task, model) for task, model in pairs if (task, model) not in known]
    return ListedStudy(
        store.folder,
        (*subjects, *bare),
        _ended(store),
        len(ids),
        len(ids - done),
        len(ids & failed.keys()),
    )


def _planned(store: Store, plan: JsonObject) -> Sequence[str]:
    """Return the ids of a plan's trials as they were last counted; those of the newest in old folders."""
    kept = store.kept(plan_name(plan), None)
    if kept is None and plan == store.plan:
        kept = store.kept("trials", None)
    return thawed(list[str], json.loads(kept or "[]"))


def _pairs(plan: JsonObject) -> Iterator[tuple[str, str]]:
    """Give every task and model of a plan."""
    for grid in thawed(list[JsonObject], plan.get("grids", [])):
        for model in thawed(list[str], grid["models"]):
            for task in thawed(list[str], grid["tasks"]):
                yield task, model


def _subject(verdict: JsonObject) -> ListedSubject:
    """Return a subject from its kept verdict."""
    rows = thawed(list[JsonObject], verdict["rungs"])
    scores = {_name(row): row["score"] for row in rows}
    best = max(scores, key=lambda name: _value(scores[name]), default="")
    ship = thawed(dict[str, JsonValue], verdict["ship"])["name"]
    labels = verdict.get("unlocked_labels")
    return ListedSubject(
        task=str(verdict["task"]),
        model=str(verdict["model"]),
        variant=str(verdict.get("variant", "")),
        ability=str(verdict["ability"]),
        floor=_value(verdict["floor"]),
        floor_interval=_interval(verdict["floor"]),
        best=_value(scores[best]) if best else None,
        best_interval=_interval(scores[best]) if best else None,
        method=best,
        labels=labels if isinstance(labels, int) else None,
        ship=str(ship or ""),
    )


def _name(row: JsonObject) -> str:
    return f"{row['method']} n={row['n_shots']}" if row["n_shots"] else str(row["method"])


def _value(figure: JsonValue) -> float:
    return thawed(float, thawed(dict[str, JsonValue], figure)["value"])


def _interval(figure: JsonValue) -> tuple[float, float]:
    table = thawed(dict[str, JsonValue], figure)
    return thawed(float, table["low"]), thawed(float, table["high"])


def _ended(store: Store) -> str:
    """Return when the last run ended: its start and how long it was seen; else when the file changed."""
    ends = [int(s.name.partition("-")[0]) / 1e9 + s.seconds for s in store.sessions()]
    last = max(ends, default=(store.folder / DATABASE).stat().st_mtime)
    return datetime.fromtimestamp(last, UTC).isoformat(timespec="seconds")
