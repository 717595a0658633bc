"""How a table is read: one way for all of its rows, said in words, with what is odd and unused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modicum.errors import ConfigError
from modicum.tables.cells import OddCellError, is_blank, opened
from modicum.tables.columns import TURN, Columns, choose_columns
from modicum.tables.drafts import Draft, read_draft, settled
from modicum.tables.files import Cell
from modicum.tables.golds import Marking, choose_marking, is_prose, last_box, unboxed
from modicum.tables.opting import Opted, best_answer, opted
from modicum.tables.records import Row, few

__all__ = ["Odd", "TableRead", "TableReading", "Wanted", "odd_text", "read_table", "refuse_odd"]

_NAMED = 5
"""Odd rows that a message names."""
_NAMED_COLUMNS = 12
"""Unused columns that a note names."""
_FEWEST_CLASSED, _MOST_CLASSES = 8, 10
"""Rows from which, and classes up to which, a column of small numbers is told to be classes."""
_MOST_ODD = 0.5
"""Share of odd rows from which the reading is wrong, and not the rows."""


@dataclass(frozen=True)
class Wanted:
    """What the user says of a table; empty where it is to be seen."""

    columns: Mapping[str, str]
    """Columns by role, and the preset."""
    gold_is: str = ""
    marker: str = ""
    form: str = ""


@dataclass(frozen=True)
class Odd:
    """A row that cannot be read as the others are."""

    line: int
    """From 1."""
    unit: str
    """`line` or `record`."""
    name: str
    """The file."""
    why: str

    @property
    def text(self) -> str:
        """The row and what is odd about it, in words."""
        return f"{self.unit} {self.line} of {self.name}: {self.why}"


@dataclass(frozen=True)
class TableReading:
    """How a table was read."""

    columns: Mapping[str, tuple[str, ...]]
    """Columns by role; only roles that have any."""
    marker: str
    """Name of the marker."""
    form: str
    """Name of the exact format that is asked for."""
    why: str
    """Why this marker; empty where the user named it."""
    gold: str
    """How golds name options, in words; empty where there are none."""
    unused: tuple[str, ...]
    """Columns that serve for nothing."""
    odd: tuple[Odd, ...]
    """Rows that are left out, or refused where nothing says that they may be."""
    notes: tuple[str, ...]
    """All of it but the odd rows, one sentence each."""


@dataclass(frozen=True)
class TableRead:
    """A table once read: its problems as texts, and how."""

    drafts: tuple[Draft, ...]
    apart: tuple[Draft, ...]
    """Those of a file of its own for the test."""
    columns: Columns
    marking: Marking
    reading: TableReading


def read_table(
    name: str, rows: Sequence[Row], test_name: str, test_rows: Sequence[Row], wanted: Wanted
) -> TableRead:
    """Read all rows of a table, and of the file of its own for the test, in one way.

    Args:
        name: The file.
        rows: Its rows.
        test_name: The file of the test, or empty.
        test_rows: Its rows.
        wanted: What the user says.

    Raises:
        UnknownNameError: a column or marker that does not exist.
        ConfigError: columns that cannot be guessed, or golds that can be read in two ways.
    """
    rows, test_rows = opened(rows), opened(test_rows)
    if all(row.fault for row in rows):
        first = rows[0]
        raise ConfigError(
            f"{first.unit} {first.line} of {name}: {first.fault}",
            "one record with a question and an answer on each line",
            "correct that line",
        )
    columns = choose_columns(name, rows, wanted.columns)
    columns = settled(best_answer(columns, rows), rows, wanted.columns, name)
    drafts: list[Draft] = []
    odd: list[Odd] = []
    for own, file, is_apart in ((rows, name, False), (test_rows, test_name, True)):
        for row in own:
            try:
                drafts.append(read_draft(row, columns, file, is_apart=is_apart))
            except OddCellError as error:
                odd.append(Odd(row.line, row.unit, file, str(error)))
    chosen = opted(drafts, columns, wanted.gold_is, wanted.columns.get("choices", ""))
    odd += [_odd(draft, why, name, test_name) for draft, why in chosen.odd]
    _refuse_mostly_odd(odd, len(rows) + len(test_rows))
    marking = choose_marking(
        [draft.golds for draft in chosen.drafts],
        wanted=wanted.marker,
        form=wanted.form,
        options=max((draft.n_options for draft in chosen.drafts), default=0),
        math=_math(columns, chosen, rows),
    )
    _refuse_mostly_odd(
        [*odd, *(_odd(chosen.drafts[i], why, name, test_name) for i, why in marking.odd.items())],
        len(rows) + len(test_rows),
    )
    kept = [d for i, d in enumerate(chosen.drafts) if i not in marking.odd]
    odd += [_odd(chosen.drafts[i], why, name, test_name) for i, why in marking.odd.items()]
    odd.sort(key=lambda one: (one.name != name, one.line))
    return TableRead(
        tuple(draft for draft in kept if not draft.is_apart),
        tuple(draft for draft in kept if draft.is_apart),
        columns,
        marking,
        _reading(columns, chosen, marking, tuple(odd), rows, wanted),
    )


def odd_text(odd: Sequence[Odd]) -> str:
    """Return odd rows as one phrase: the first ones by their places, and how many more."""
    lines = "; ".join(one.text for one in odd[:_NAMED])
    return lines + (f"; and {len(odd) - _NAMED} more" if len(odd) > _NAMED else "")


def refuse_odd(odd: Sequence[Odd]) -> None:
    """Refuse rows that are not as the others.

    Raises:
        ConfigError: there are any; names the first ones, and the option that leaves them out.
    """
    if not odd:
        return
    raise ConfigError(
        odd_text(odd),
        "rows that can all be read in the same way",
        "correct them, or skip them: --odd leave_out",
    )


def _odd(draft: Draft, why: str, name: str, test_name: str) -> Odd:
    return Odd(draft.row.line, draft.row.unit, test_name if draft.is_apart else name, why)


def _refuse_mostly_odd(odd: Sequence[Odd], n: int) -> None:
    """Refuse a reading that fits too few rows.

    Raises:
        ConfigError: more than half of the rows are odd.
    """
    if len(odd) > _MOST_ODD * n:
        named = "; ".join(one.text for one in odd[:3])
        raise ConfigError(
            f"{len(odd)} of {n} rows that cannot be read: {named}",
            "a question and an answer in every row",
            "name other columns, or correct the file",
        )


def _math(columns: Columns, chosen: Opted, rows: Sequence[Row]) -> str:
    """Why golds are formulas to be asked for in boxes, as far as the columns say so."""
    if columns.preset == "math":
        return "preset math"
    drafts = chosen.drafts
    if not drafts or any(draft.n_options for draft in drafts):
        return ""
    if columns.answer and columns.answer != TURN:
        cells = [row.values.get(columns.answer) for row in rows if not row.fault]
        boxed = sum(isinstance(cell, str) and unboxed(cell) != cell for cell in cells)
        if boxed == len(cells) or few(len(cells) - boxed, len(cells)):
            return "the gold answers are in boxes"
    worked = [draft for draft in drafts if draft.solution]
    same = sum(unboxed(draft.golds[0]) == last_box(draft.solution) for draft in worked)
    if len(worked) == len(drafts) and (same == len(worked) or few(len(worked) - same, len(worked))):
        return "the last box of the solution is the gold answer"
    return ""


def _reading(
    columns: Columns,
    chosen: Opted,
    marking: Marking,
    odd: tuple[Odd, ...],
    rows: Sequence[Row],
    wanted: Wanted,
) -> TableReading:
    """Put into words how a table was read."""
    choices = chosen.choices.names or (("question",) if chosen.choices.kind == "text" else ())
    roles = {
        "question": (*columns.before, columns.question, *columns.after),
        "answer": (columns.answer or columns.solution,) if chosen.choices.kind != "scores" else (),
        "solution": (columns.solution,) if columns.solution else (),
        "choices": choices,
        **{role: (getattr(columns, role),) for role in ("id", "cluster", "difficulty", "verdict")},
    }
    used = {role: tuple(filter(None, names)) for role, names in roles.items()}
    unused = _unused(rows, {name for names in used.values() for name in names} | {columns.question})
    more = f" and {len(unused) - _NAMED_COLUMNS} more" if len(unused) > _NAMED_COLUMNS else ""
    long = sum(is_prose(draft.golds[0]) for draft in chosen.drafts)
    several = max((len(draft.golds) for draft in chosen.drafts), default=1)
    notes = (
        _guessed(columns, chosen, wanted),
        chosen.why,
        f"rows may list several gold answers, up to {several}; any of them counts"
        if several > 1
        else "",
        f"marker {marking.name} ({marking.why})" if marking.why else "",
        f"{long} of {len(chosen.drafts)} gold answers are full sentences, which no answer will match exactly"
        if long and marking.name == "exact"
        else "",
        _classes(columns, chosen, marking),
        f"unused columns: {', '.join(unused[:_NAMED_COLUMNS])}{more}" if unused else "",
    )
    return TableReading(
        columns={role: names for role, names in used.items() if names},
        marker=marking.name,
        form=marking.form.name,
        why=marking.why,
        gold=chosen.why,
        unused=unused,
        odd=odd,
        notes=tuple(filter(None, notes)),
    )


def _classes(columns: Columns, chosen: Opted, marking: Marking) -> str:
    """Say where golds are so few small numbers that they may be classes of which nothing is told."""
    golds = {draft.golds[0] for draft in chosen.drafts}
    may_be = columns.answer.lower() in ("label", "labels") and len(chosen.drafts) >= _FEWEST_CLASSED
    if marking.name != "number" or not may_be or not golds <= set(map(str, range(_MOST_CLASSES))):
        return ""
    named = ", ".join(sorted(golds))
    return f"the gold answers are only {named}: perhaps class numbers, which the question does not explain"


def _guessed(columns: Columns, chosen: Opted, wanted: Wanted) -> str:
    """What the user did not say, as one sentence; empty where nothing was guessed."""
    said = wanted.columns
    found = []
    for role, name in (("question", columns.question), ("answer", columns.answer)):
        is_marked = role == "answer" and chosen.choices.kind == "scores"
        if name and not said.get(role) and not is_marked:
            asked = f"last assistant turn of {columns.question!r}"
            found.append(f"{role} = " + (asked if name == TURN else f"column {name!r}"))
    if columns.solution and not said.get("solution"):
        own = f"column {columns.solution!r}" if columns.solution != TURN else "last assistant turn"
        found.append(f"solution = {own}")
    around = [name for name in (*columns.before, *columns.after) if name]
    if around and not said.get("context"):
        named = ", ".join(map(repr, around))
        found.append(f"with it column{'s' if len(around) > 1 else ''} {named}")
    if chosen.choices.is_guessed:
        names = ", ".join(map(repr, chosen.choices.names))
        where = "in the question's own text" if chosen.choices.kind == "text" else f"column {names}"
        found.append(f"options = {where}")
    if columns.preset and not said.get("preset"):
        found.append(f"preset {columns.preset}")
    return "detected: " + ", ".join(found) if found else ""


def _unused(rows: Sequence[Row], used: set[str]) -> tuple[str, ...]:
    """Columns that hold something and serve for nothing; keys of a table of which others serve."""
    names: dict[str, Cell] = {}
    for row in rows:
        for name, value in row.values.items():
            if name not in names and not is_blank(value):
                names[name] = value
    tables = {name for name, value in names.items() if isinstance(value, Mapping)}
    opened_for = {name for name in tables for one in used if one.startswith(f"{name}.")}
    found = []
    for name in names:
        table = next((t for t in tables if name.startswith(f"{t}.")), "")
        if name in used or name in opened_for or (table and table not in opened_for - used):
            continue
        found.append(name)
    return tuple(found)
