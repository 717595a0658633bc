"""Rows as a data frame, and as a file that is written while they come."""

import csv
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from modicum.errors import ConfigError, nearest
from modicum.running.data_out import Datum, Kind

if TYPE_CHECKING:
    import pandas

__all__ = ["SUFFIXES", "check_suffix", "frame", "write_rows"]

SUFFIXES = (".parquet", ".csv", ".jsonl")
"""Kinds of files, by the ends of their names."""
_AT_ONCE = 5_000
"""Rows that are in memory at once while a file is written."""
_DTYPES: Mapping[Kind, str] = {
    "text": "object",
    "whole": "Int64",
    "number": "float64",
    "truth": "boolean",
}


def frame(rows: Iterable[Mapping[str, Datum]], columns: Mapping[str, Kind]) -> "pandas.DataFrame":
    """Return rows as a data frame of pandas.

    Raises:
        ConfigError: pandas is not installed.
    """
    try:
        import pandas  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigError("no package pandas", "it", "pip install 'modicum[data]'") from error
    cells = [list(row.values()) for row in rows]
    found = pandas.DataFrame(cells, columns=list(columns))
    return found.astype({name: _DTYPES[kind] for name, kind in columns.items()})


def check_suffix(path: Path) -> str:
    """Return the end of a file's name that says its kind.

    Raises:
        ConfigError: another one.
    """
    if path.suffix in SUFFIXES:
        return path.suffix
    close = nearest(path.suffix, SUFFIXES)
    raise ConfigError(
        f"a file {path.name!r}", f"one of {', '.join(SUFFIXES)}",
        f"did you mean {path.with_suffix(close).name!r}?" if close else "choose one of them",
    )  # fmt: skip


def write_rows(rows: Iterable[Mapping[str, Datum]], columns: Mapping[str, Kind], path: Path) -> int:
    """Write rows into a file whose name says its kind, and return how many there were.

    It gets its name once it is whole. Texts are written as they are; what no text can hold (half a
    character, as a tokenizer may leave it) is written with a backslash, in JSON as JSON does.

    Raises:
        ConfigError: another kind of file, a place that cannot be written, or no pyarrow for Parquet.
    """
    kind = check_suffix(path)
    unfinished = path.with_name(f".{path.name}.unfinished")
    ways = {".parquet": _write_parquet, ".csv": _write_csv, ".jsonl": _write_jsonl}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        n = ways[kind](rows, columns, unfinished)
        unfinished.replace(path)
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}", "a place to write", "choose another"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
    return n


def _write_jsonl(
    rows: Iterable[Mapping[str, Datum]], columns: Mapping[str, Kind], path: Path
) -> int:
    """Write one object a line."""
    del columns
    n = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for n, row in enumerate(rows, start=1):  # noqa: B007 - how many there were
            file.write(json.dumps(row) + "\n")
    return n


def _write_csv(rows: Iterable[Mapping[str, Datum]], columns: Mapping[str, Kind], path: Path) -> int:
    """Write a line of names and one line a row."""
    n = 0
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for n, row in enumerate(rows, start=1):  # noqa: B007 - how many there were
            writer.writerow(row.values())
    return n


def _write_parquet(
    rows: Iterable[Mapping[str, Datum]], columns: Mapping[str, Kind], path: Path
) -> int:
    """Write groups of rows as they come."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigError(
            "no package pyarrow", "it, for Parquet", "pip install 'modicum[data]', or write .csv"
        ) from error
    types = {"text": pa.string(), "whole": pa.int64(), "number": pa.float64(), "truth": pa.bool_()}
    schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
    n = 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in _groups(rows):
            sound = [{name: _sound(cell) for name, cell in row.items()} for row in group]
            writer.write_table(pa.Table.from_pylist(sound, schema=schema))
            n += len(group)
    return n


def _groups(rows: Iterable[Mapping[str, Datum]]) -> Iterator[list[Mapping[str, Datum]]]:
    left = iter(rows)
    while group := list(itertools.islice(left, _AT_ONCE)):
        yield group


def _sound(cell: Datum) -> Datum:
    """Return a text that UTF-8 can hold; anything else as it is."""
    if not isinstance(cell, str) or cell.isascii():
        return cell
    return cell.encode("utf-8", "backslashreplace").decode("utf-8")
