"""Records of a file, and how JSON keeps them in its common layouts."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from modicum.errors import ConfigError
from modicum.tables.files import Cell, file_lines, flat

__all__ = [
    "Records",
    "Row",
    "class_names",
    "few",
    "json_rows",
    "numbered",
    "with_class_names",
]

_LISTS = ("examples", "data", "rows", "questions", "problems", "items", "instances", "train")
"""Names under which an object keeps its records, in this order."""
_WITHIN = ("qa_pairs", "qas", "questions", "paragraphs")
"""Names of lists within a record whose members are the problems; the rest belongs to each."""
_MOST_WITHIN = 3
"""Levels of such lists that are opened."""
_ASKED = frozenset({"question", "problem", "prompt", "input"})
"""Keys that only a problem has."""
_TURN = frozenset({"role", "from"})


@dataclass(frozen=True)
class Row:
    """One record of the user's file."""

    line: int
    """Its line in the file, from 1; its record where the file has no lines."""
    values: Mapping[str, Cell]
    """Cells by column; a table within a cell is there under `column.key` too."""
    unit: str = "line"
    """What is counted: `line` or `record`."""
    fault: str = ""
    """Why nothing could be read here; empty where something could."""


@dataclass(frozen=True)
class Records:
    """The rows of a file, and what of its form was seen and not said."""

    rows: list[Row]
    note: str = ""
    """In words; empty where nothing was guessed."""


def few(k: int, n: int) -> bool:
    """Whether k of n are so few that they are odd ones out and no second form of the file.

    One of five or more, else at most a tenth.

    >>> few(1, 20), few(2, 20), few(3, 20), few(1, 3)
    (True, True, False, False)
    """
    return 0 < k <= max(1, n // 10) and n >= 5


def numbered(records: Sequence[object]) -> list[Row]:
    """Return the rows of records that have no lines of their own."""
    return [
        Row(i, flat(record), "record")
        if isinstance(record, Mapping)
        else Row(i, {}, "record", f"it is a {type(record).__name__}, no object")
        for i, record in enumerate(records, start=1)
    ]


def class_names(metadata: bytes | None) -> dict[str, list[str]]:
    """Return the names of classes by column, as the package datasets notes them in Parquet files."""
    try:
        features = json.loads(metadata or b"{}")["info"]["features"]
        return {
            name: [str(one) for one in kind["names"]]
            for name, kind in features.items()
            if isinstance(kind, dict) and kind.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def with_class_names(
    records: Sequence[dict[str, Cell]], names: Mapping[str, Sequence[str]]
) -> list[dict[str, Cell]]:
    """Return records in which the number of a class is its name."""

    def named(name: str, value: Cell) -> Cell:
        known = names.get(name, ())
        return known[value] if isinstance(value, int) and 0 <= value < len(known) else value

    return [{k: named(k, v) for k, v in record.items()} for record in records]


def json_rows(name: str, part: str = "") -> list[Row]:
    """Read records from JSON: one object a line, one array, or an object that holds a list.

    Args:
        name: The file.
        part: Key of the list within an object; a common name, or the only list, where empty.

    Raises:
        ConfigError: missing, not UTF-8, empty, no JSON, or an object without records.
    """
    lines = file_lines(name)
    if len(lines) > 1 and not part and isinstance(_parsed(lines[0][1]), dict):
        return _line_rows(lines)
    try:
        held = json.loads("\n".join(text for _, text in lines))
    except (ValueError, RecursionError) as error:
        rows = _line_rows(lines)
        if 2 * sum(bool(row.fault) for row in rows) > len(rows) and len(lines) > 1:
            place = getattr(error, "lineno", 1)
            where = f"line {lines[min(place, len(lines)) - 1][0]} of {name}"
            raise ConfigError(
                f"{where} is not JSON: {_short(error)}",
                "one JSON object on each line, or an array of them",
                "correct that line",
            ) from error
        return rows
    if isinstance(held, dict) and not part and len(lines) == 1 and _is_record(held):
        return _line_rows(lines)
    found = _records(held, name, part)
    return numbered([inner for record in found for inner in _unfolded(record, _MOST_WITHIN)])


def _parsed(text: str) -> object:
    """What a line holds; None where it is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _line_rows(lines: Sequence[tuple[int, str]]) -> list[Row]:
    rows = []
    for number, text in lines:
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            rows.append(Row(number, {}, fault=f"it is not JSON: {_short(error)}"))
            continue
        if isinstance(record, dict):
            rows += [
                Row(number, flat(inner))
                for inner in _unfolded(record, _MOST_WITHIN)
                if isinstance(inner, Mapping)
            ]
        else:
            rows.append(Row(number, {}, fault=f"it is a {type(record).__name__}, no object"))
    return rows


def _short(error: Exception) -> str:
    return str(error)[:120]


def _lists(held: Mapping[str, Cell]) -> list[str]:
    """Keys whose values are lists of objects; the turns of a chat are no records."""
    return [
        k
        for k, v in held.items()
        if isinstance(v, list) and v and isinstance(v[0], dict) and not _TURN & v[0].keys()
    ]


def _is_record(held: Mapping[str, Cell]) -> bool:
    """Whether an object is one record, and no table of records."""
    kinds = {type(v) for v in held.values()}
    if _lists(held) or (len(held) > 1 and kinds == {list}) or _columned(held):
        return False
    return bool(_ASKED & held.keys()) or not all(isinstance(v, dict) for v in held.values())


def _records(held: object, name: str, part: str) -> Sequence[object]:
    """Find the records in a JSON document.

    Raises:
        ConfigError: no list of objects in it, or several and none of a common name.
    """
    if isinstance(held, list) and not part:
        return held
    if not isinstance(held, dict):
        raise ConfigError(
            f"{name} holds a {type(held).__name__}", "records", 'write [{"question": "…", …}, …]'
        )
    if part:
        inner = held.get(part)
        if isinstance(inner, list | dict):
            return _records(inner, name, "")
        raise ConfigError(
            f"{name} holds no list {part!r}", f"one of {', '.join(_lists(held))}", "name it: ?part="
        )
    lists = _lists(held)
    usual = [k for k in _LISTS if k in lists]
    if len(lists) == 1 or (usual and "test" not in lists):
        return list(held[usual[0] if usual else lists[0]])
    if lists:
        raise ConfigError(
            f"{name} holds several lists: {', '.join(lists)}",
            "one list of problems",
            f"name it: ?part={lists[0]}",
        )
    if held and all(isinstance(v, dict) for v in held.values()):
        return _by_key(held)
    sizes = {len(v) for v in held.values() if isinstance(v, list)}
    if len(sizes) == 1 and all(isinstance(v, list) for v in held.values()):
        return [dict(zip(held, cells, strict=True)) for cells in zip(*held.values(), strict=True)]
    raise ConfigError(
        f"{name} holds an object without a list of objects",
        "records",
        "write one JSON object on each line, or an array of them",
    )


def _by_key(held: Mapping[str, Mapping[str, Cell]]) -> list[object]:
    """Records of a table of tables: one a key, or one a place where each table is a column."""
    places = _columned(held)
    if places:
        return [{name: column[k] for name, column in held.items()} for k in places]
    return list(held.values())


def _columned(held: Mapping[str, Cell]) -> tuple[str, ...]:
    """The places of a table that is written by column, as pandas does; empty for another."""
    keys = {tuple(v) if isinstance(v, dict) else () for v in held.values()}
    first = next(iter(keys), ())
    is_so = len(keys) == 1 and len(first) > 1 and all(k.isdecimal() for k in first)
    return first if is_so else ()


def _unfolded(record: object, levels: int) -> Iterator[object]:
    """Open a record that keeps several questions beside one passage: one record a question."""
    if isinstance(record, dict) and levels and not _ASKED & record.keys():
        for name in _WITHIN:
            inner = record.get(name)
            if isinstance(inner, list) and inner and all(isinstance(one, dict) for one in inner):
                rest = {k: v for k, v in record.items() if k != name}
                for one in inner:
                    yield from _unfolded({**rest, **one}, levels - 1)
                return
    yield record
