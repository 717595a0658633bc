"""Records of files whose cells are parted by a delimiter, with names of columns or without."""

import csv
import io
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from modicum.errors import ConfigError
from modicum.tables.files import file_bytes, file_lines
from modicum.tables.records import Records, Row, few

__all__ = ["delimited_rows"]

_NAMES = frozenset(
    {"question", "problem", "prompt", "input", "answer", "target", "label", "output", "solution"}
)
"""Names of columns that no first problem bears."""
_LETTER = re.compile(r"\s*\(?[A-Ja-j]\)?\s*")
_NUMBER = re.compile(r"\s*[-−$]?[0-9][0-9,. /%]*\s*")
_OPEN_END = "unexpected end of data"
"""What is said of quotes that are opened and never closed: all that follows would be one cell."""


@dataclass(frozen=True)
class _Parted:
    """One row of cells."""

    line: int
    """That of its end."""
    cells: tuple[str, ...]
    fault: str = ""


def delimited_rows(name: str, delimiter: str, header: str) -> Records:
    """Read the rows of a file of parted cells.

    A row's line is that of its end. With tabulators, quotes are plain characters where reading
    them as quotes fails and reading them as characters does not.

    Args:
        name: The file.
        delimiter: One character that parts the cells.
        header: `yes`, `no`, or empty: whether the first row names the columns is seen by what
            stands in it.

    Raises:
        ConfigError: missing, not UTF-8, empty, or a quote that is never closed.
    """
    first = file_lines(name)[0][1]  # says what is wrong with the file as text
    text = file_bytes(name).decode("utf-8")
    said = []
    other = next((d for d in ";\t" if d in first), "")
    if delimiter == "," and "," not in first and other:
        delimiter = other
        said.append(f"cells separated by {other!r}")
    rows = _rows(text, delimiter, name)
    is_headed = header == "yes" or (header != "no" and not _is_bare(rows))
    names = _distinct(rows[0].cells) if is_headed else _given_names(rows[0].cells)
    body = rows[1:] if is_headed else rows
    if not body:
        raise ConfigError(
            f"{name} has no row below its names", "one problem on each row", "add problems"
        )
    if not (is_headed or header):
        said.append(f"no header row; columns named {', '.join(names)}")
    return Records([_row(row, names) for row in body], "; ".join(said))


def _rows(text: str, delimiter: str, name: str) -> list[_Parted]:
    """Part a text, with quotes as quotes or, in a file with tabulators, as plain characters.

    Raises:
        ConfigError: a quote that is never closed, or a first row that cannot be read.
    """
    trouble = ""
    try:
        rows = _parted(text, delimiter, csv.QUOTE_MINIMAL)
    except csv.Error as error:
        rows, trouble = [], str(error)
    if delimiter == "\t" and (trouble or _is_ragged(rows)):
        plain = _parted(text, delimiter, csv.QUOTE_NONE)
        if not _is_ragged(plain):
            rows, trouble = plain, ""
    if trouble or rows[0].fault:
        raise ConfigError(f"{name}: {trouble or rows[0].fault}", "a CSV file", "correct it")
    return rows


def _parted(text: str, delimiter: str, quoting: Literal[0, 3]) -> list[_Parted]:
    """Part a text into rows; a cell may be as long as it is, a broken row does not end the file.

    Raises:
        csv.Error: a quote that is never closed.
    """
    usual = csv.field_size_limit(max(len(text) + 1, 2**17))
    try:
        lines = io.StringIO(text, newline="")
        reader = csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=True)
        found: list[_Parted] = []
        while True:
            before = reader.line_num
            try:
                cells = next(reader)
            except StopIteration:
                return found
            except csv.Error as error:
                if _OPEN_END in str(error):
                    raise csv.Error(f"line {before + 1}: a quote that is never closed") from error
                found.append(_Parted(reader.line_num, (), f"its quotes are broken: {error}"))
                continue
            if any(cells):
                found.append(_Parted(reader.line_num, tuple(cells)))
    finally:
        csv.field_size_limit(usual)


def _row(row: _Parted, names: Sequence[str]) -> Row:
    fault = row.fault
    if not fault and len(row.cells) != len(names):
        fault = f"it has {len(row.cells)} cells, not one for each of {len(names)} columns"
    return Row(row.line, {} if fault else dict(zip(names, row.cells, strict=True)), fault=fault)


def _is_ragged(rows: Sequence[_Parted]) -> bool:
    return len({len(row.cells) for row in rows}) > 1


def _is_bare(rows: Sequence[_Parted]) -> bool:
    """Whether the first row is a problem already: its last cell is a gold as those below it are.

    True of the two layouts that the field publishes without names: a question, its options and a
    letter (MMLU), and a question with a number (MGSM).
    """
    first = rows[0].cells
    width = len(first)
    alike = [row.cells for row in rows[1:] if len(row.cells) == width]
    if width < 2 or not alike:
        return False
    form = _LETTER if width > 3 else _NUMBER if width == 2 else None
    is_named = any(cell.strip().lower() in _NAMES for cell in first)
    if form is None or is_named or not form.fullmatch(first[-1]):
        return False
    misses = sum(not form.fullmatch(cells[-1]) for cells in alike)
    return misses == 0 or few(misses, len(alike))


def _given_names(first: Sequence[str]) -> list[str]:
    """Names for columns that have none."""
    width = len(first)
    if width == 2:
        return ["question", "answer"]
    if width > 3 and _LETTER.fullmatch(first[-1]):
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
