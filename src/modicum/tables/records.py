"""From a file to records: JSON in its common layouts, and cells parted by a delimiter."""

import csv
import io
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from modicum.errors import ConfigError
from modicum.tables.files import file_bytes, file_lines, flat

__all__ = [
    "Records",
    "Row",
    "class_names",
    "delimited_rows",
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
_NAMES = _ASKED | {"answer", "target", "label", "output", "solution"}
_TURN = frozenset({"role", "from"})
_LETTER = re.compile(r"\s*\(?[A-Ja-j]\)?\s*")
_NUMBER = re.compile(r"\s*[-−$]?[0-9][0-9,. /%]*\s*")


@dataclass(frozen=True)
class Row:
    """One record of the user's file."""

    line: int
    """Its line in the file, from 1; its record where the file has no lines."""
    values: Mapping[str, object]
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
    records: Sequence[dict[str, object]], names: Mapping[str, Sequence[str]]
) -> list[dict[str, object]]:
    """Return records in which the number of a class is its name."""

    def named(name: str, value: object) -> object:
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
                "one JSON object a line, or one array of them",
                "correct that line",
            ) from error
        return rows
    if isinstance(held, dict) and not part and len(lines) == 1 and _is_record(held):
        return _line_rows(lines)
    found = _records(held, name, part)
    return numbered([inner for record in found for inner in _unfolded(record, _MOST_WITHIN)])


def delimited_rows(name: str, delimiter: str, header: str) -> Records:
    """Read the rows of a file of parted cells.

    A row's line is that of its end. Quotes are plain characters where reading them as quotes
    fails and reading them as characters does not.

    Args:
        name: The file.
        delimiter: One character that parts the cells.
        header: `yes`, `no`, or empty: whether the first row names the columns is seen by what
            stands in it.

    Raises:
        ConfigError: missing, not UTF-8, empty, or not one cell for each column.
    """
    first = file_lines(name)[0][1]  # says what is wrong with the file as text
    text = file_bytes(name).decode("utf-8")
    said = []
    other = next((d for d in ";\t" if d in first), "")
    if delimiter == "," and "," not in first and other:
        delimiter = other
        said.append(f"cells parted by {other!r}")
    try:
        rows = _cells(text, delimiter, csv.QUOTE_MINIMAL)
        trouble = ""
    except csv.Error as error:
        rows, trouble = [], str(error)
    if trouble or _is_ragged(rows):
        try:
            plain = _cells(text, delimiter, csv.QUOTE_NONE)
        except csv.Error:
            plain = []
        if delimiter == "\t" and plain and not _is_ragged(plain):
            rows, trouble = plain, ""
    if trouble:
        raise ConfigError(f"{name}: {trouble}", "a CSV file", "correct it")
    is_headed = header == "yes" or (header != "no" and not _is_bare(rows))
    names = _distinct(rows[0][1]) if is_headed else _given_names(rows)
    body = rows[1:] if is_headed else rows
    if not body:
        raise ConfigError(f"{name} has no row below its names", "one problem a row", "fill it")
    if not (is_headed or header):
        said.append(f"no row of column names, called {', '.join(names)}")
    return Records([_row(line, cells, names) for line, cells in body], "; ".join(said))


def _row(line: int, cells: Sequence[str], names: Sequence[str]) -> Row:
    if len(cells) == len(names):
        return Row(line, dict(zip(names, cells, strict=True)))
    return Row(
        line, {}, fault=f"it has {len(cells)} cells, not one for each of {len(names)} columns"
    )


def _cells(text: str, delimiter: str, quoting: Literal[0, 3]) -> list[tuple[int, list[str]]]:
    """Part a text into cells, each row with the line of its end; a cell may be as long as it is."""
    usual = csv.field_size_limit(max(len(text) + 1, 2**17))
    try:
        reader = csv.reader(
            io.StringIO(text, newline=""),
            delimiter=delimiter,
            quoting=quoting,
            strict=True,
        )
        found: list[tuple[int, list[str]]] = []
        try:
            found.extend((reader.line_num, cells) for cells in reader if any(cells))
        except csv.Error as error:
            raise csv.Error(f"line {reader.line_num}: {error}") from error
        return found
    finally:
        csv.field_size_limit(usual)


def _is_ragged(rows: Sequence[tuple[int, list[str]]]) -> bool:
    return len({len(cells) for _, cells in rows}) > 1


def _is_bare(rows: Sequence[tuple[int, list[str]]]) -> bool:
    """Whether the first row is a problem already: its last cell is a gold as those below it are.

    True of the two layouts that the field publishes without names: a question, its options and a
    letter (MMLU), and a question with a number (MGSM).
    """
    first, below = rows[0][1], [cells for _, cells in rows[1:]]
    width = len(first)
    alike = [cells for cells in below if len(cells) == width]
    if width < 2 or not alike:
        return False
    form = _LETTER if width > 3 else _NUMBER if width == 2 else None
    is_named = any(cell.strip().lower() in _NAMES for cell in first)
    if form is None or is_named or not form.fullmatch(first[-1]):
        return False
    misses = sum(not form.fullmatch(cells[-1]) for cells in alike)
    return misses == 0 or few(misses, len(alike))


def _given_names(rows: Sequence[tuple[int, list[str]]]) -> list[str]:
    """Names for columns that have none."""
    width = len(rows[0][1])
    if width == 2:
        return ["question", "answer"]
    if width > 3 and _LETTER.fullmatch(rows[0][1][-1]):
        return ["question", *(chr(ord("A") + i) for i in range(width - 2)), "answer"]
    return [f"column {i}" for i in range(1, width + 1)]


def _distinct(names: Sequence[str]) -> list[str]:
    """Names of columns, the second of two equal ones numbered, blank ones by their place."""
    found: list[str] = []
    for i, name in enumerate(names, start=1):
        wanted = name.strip() or f"column {i}"
        spare = (f"{wanted} ({k})" for k in itertools.count(2))
        found.append(wanted if wanted not in found else next(n for n in spare if n not in found))
    return found


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


def _lists(held: Mapping[str, object]) -> list[str]:
    """Keys whose values are lists of objects; the turns of a chat are no records."""
    return [
        k
        for k, v in held.items()
        if isinstance(v, list) and v and isinstance(v[0], dict) and not _TURN & v[0].keys()
    ]


def _is_record(held: Mapping[str, object]) -> bool:
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
        "write one JSON object a line, or an array of them",
    )


def _by_key(held: Mapping[str, Mapping[str, object]]) -> list[object]:
    """Records of a table of tables: one a key, or one a place where each table is a column."""
    places = _columned(held)
    if places:
        return [{name: column[k] for name, column in held.items()} for k in places]
    return list(held.values())


def _columned(held: Mapping[str, object]) -> tuple[str, ...]:
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
