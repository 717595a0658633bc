"""Records that Python holds: a list of dictionaries, a data frame, a data set of the package datasets."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias, final

from modicum.errors import ConfigError
from modicum.files.lent import Lender, Loan
from modicum.tables.files import Cell
from modicum.tables.records import with_class_names

__all__ = ["LENDER", "LentRows", "lend_rows", "plain_rows"]

Rows: TypeAlias = tuple[dict[str, Cell], ...]


@final
@dataclass(frozen=True)
class LentRows:
    """Records, and how they are to be read."""

    rows: Rows
    settings: Mapping[str, str]
    """Fields of the task, by name."""


LENDER: Lender[LentRows] = Lender("records", "Study(task=rows, ...)")
_FORMS = "a list of dictionaries, a data frame or a data set"
_SHOWN = 3
"""Keys that a message names."""


def lend_rows(
    data: object, name: str = "rows", settings: Mapping[str, str] = MappingProxyType({})
) -> Loan[LentRows]:
    """Lend records to studies of this process; their name holds a hash of what they say.

    Args:
        data: Records, as `plain_rows` takes them.
        name: What the verdict calls them.
        settings: Fields of the task that are not as usual; the hash is one of them too.

    Raises:
        ConfigError: no records, or none at all.
    """
    if not re.fullmatch(r"\w[\w.-]{0,39}", name):
        raise ConfigError(
            f"records named {name!r:.80}",
            "letters, digits, points, hyphens and underscores",
            "choose another name",
        )
    rows = plain_rows(data)
    digest = hashlib.blake2b(digest_size=6)
    for part in (*rows, *sorted(settings.items())):
        digest.update(json.dumps(part).encode() + b"\n")
    return LENDER.lend(f"{name}-{digest.hexdigest()}", LentRows(rows, dict(settings)))


def plain_rows(data: object) -> Rows:
    """Return records as a JSONL file would hold them.

    Args:
        data: A list of dictionaries or a table of columns; a pandas, polars or pyarrow table; a data
            set of the package datasets, whose numbers of classes become the classes' names.

    Raises:
        ConfigError: something else, or nothing in it.
    """
    records = [_plain_row(row, place) for place, row in enumerate(_records(data), start=1)]
    if not records:
        raise ConfigError("no records", "one problem per record", "pass some")
    return tuple(with_class_names(records, _classes(data)))


def _records(data: object) -> Iterable[object]:
    """Return the records of whatever holds them."""
    for way, named in (("to_dicts", ()), ("to_pylist", ()), ("to_dict", ("records",))):
        found = getattr(data, way, None)
        if callable(found) and hasattr(data, "columns" if way != "to_pylist" else "schema"):
            given = found(*named)
            return given if isinstance(given, list) else []
    if isinstance(data, Mapping):
        return _transposed(data)
    if isinstance(data, str | bytes) or not isinstance(data, Iterable):
        raise ConfigError(f"a task of type {type(data).__name__}", _FORMS, "give its records")
    return data


def _transposed(table: Mapping[object, object]) -> list[object]:
    """Return the records of a table of columns.

    Raises:
        ConfigError: its values are no columns of one length: splits of a data set, say.
    """
    columns = {name: list(c) for name, c in table.items() if isinstance(c, list | tuple)}
    sizes = {len(cells) for cells in columns.values()}
    if len(columns) != len(table) or len(sizes) != 1:
        named = ", ".join(map(repr, list(table)[:_SHOWN]))
        raise ConfigError(
            f"a table of {named}, which are no columns of one length",
            _FORMS,
            "choose one of its parts, such as data['train']; or put one record into a list",
        )
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def _plain_row(row: object, place: int) -> dict[str, Cell]:
    if not isinstance(row, Mapping):
        raise ConfigError(
            f"record {place} is a {type(row).__name__}",
            'a dictionary, such as {"question": "…", "answer": "…"}',
            "give each problem's columns by name",
        )
    return {str(name): _plain(cell) for name, cell in row.items()}


def _plain(cell: object) -> Cell:
    """Return a cell as JSON would hold it; what JSON has no word for as a text."""
    if hasattr(cell, "tolist"):
        cell = cell.tolist()  # of numpy: a number of its own, or a list of them
    if isinstance(cell, Mapping):
        return {str(name): _plain(inner) for name, inner in cell.items()}
    if isinstance(cell, list | tuple):
        return [_plain(inner) for inner in cell]
    is_missing = type(cell).__name__ in ("NAType", "NaTType") or (
        isinstance(cell, float) and cell != cell  # noqa: PLR0124 - how pandas says "missing"
    )
    if is_missing or cell is None:
        return None
    if isinstance(cell, str | bool | int | float):
        return cell
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    return cell.isoformat() if hasattr(cell, "isoformat") else f"({type(cell).__name__})"


def _classes(data: object) -> dict[str, list[str]]:
    """Return the names of classes by column, as the package datasets knows them."""
    features = getattr(data, "features", None)
    if not isinstance(features, Mapping):
        return {}
    named = {str(name): getattr(kind, "names", None) for name, kind in features.items()}
    return {name: [str(one) for one in names] for name, names in named.items() if names}
