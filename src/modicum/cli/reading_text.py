"""How a task's problems were read, as lines and as JSON: the same for preview, check and run."""

from modicum.plain import JsonValue
from modicum.report.untrusted import visible
from modicum.tables.reading import odd_text
from modicum.tables.table import Table
from modicum.task import Scrambled, Task

__all__ = ["reading_json", "reading_lines", "table_of"]


def table_of(task: Task) -> Table | None:
    """Return the table behind a task, or None where its problems are made on the spot."""
    inner = task.task if isinstance(task, Scrambled) else task
    return inner if isinstance(inner, Table) else None


def reading_json(task: Task) -> dict[str, JsonValue]:
    """Return marker and why, columns by role, unused columns, odd rows and notes as plain values."""
    table = table_of(task)
    if table is None:
        kind, why = _own(task)
        found: dict[str, JsonValue] = {"marker": kind, "why": why, "form": "", "columns": {}}
        return {**found, "unused": [], "odd": [], "notes": list(task.notes)}
    reading = table.reading
    why = "; ".join(filter(None, (reading.why or "as you said", reading.gold)))
    return {
        "marker": reading.marker,
        "why": why,
        "form": reading.form,
        "columns": {role: list(names) for role, names in reading.columns.items()},
        "unused": list(reading.unused),
        "odd": [
            {"line": one.line, "unit": one.unit, "file": one.name, "why": one.why}
            for one in reading.odd
        ],
        "notes": list(reading.notes),
    }


def reading_lines(task: Task, *, odd: bool = False) -> list[str]:
    """Return one line a note; nothing hidden in what the file holds.

    Args:
        task: The task.
        odd: Say of odd rows that `run` refuses them, instead of that they are left out.
    """
    table = table_of(task)
    if table is None:
        kind, why = _own(task)
        return [f"marker {kind} ({why})", *map(visible, task.notes)]
    if not (odd and table.reading.odd):
        return [visible(note) for note in table.notes]
    rows = odd_text(table.reading.odd)
    notes = [note for note in table.notes if rows not in note]
    return [
        *map(visible, notes),
        f"odd rows, which `run` refuses (--odd leave_out): {visible(rows)}",
    ]


def _own(task: Task) -> tuple[str, str]:
    """Name of a task that reads answers itself, and why no marker is chosen."""
    inner = task.task if isinstance(task, Scrambled) else task
    kind = type(inner).__module__.rpartition(".")[2]
    return kind, "reasoning-gym's own score" if kind == "gym" else "the task reads answers itself"
