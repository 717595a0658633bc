"""Your own problems in one JSON array, or an object that holds a list: `json:FILE`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from modicum.tables.files import file_stamp
from modicum.tables.records import Records, json_rows
from modicum.tables.table import Table

__all__ = ["Json"]


@final
@dataclass(frozen=True)
class Json(Table):
    """The records of a JSON document; a file of one object a line is read too."""

    powers: ClassVar[Mapping[str, str]] = {"marker": "markers"}

    part: str = ""
    """Key of the list within an object; `examples`, `data` … or the only list where empty."""

    def rows(self, name: str) -> Records:
        """Read the records.

        Raises:
            ConfigError: missing, not UTF-8, empty, no JSON, or without a list of objects.
        """
        return Records(json_rows(name, self.part))

    def stamp(self) -> tuple[object, ...]:
        """Time and size of the files."""
        return file_stamp(self.name, self.test)
