"""Your own problems, one JSON object a line: `jsonl:FILE`, also compressed by gzip."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from modicum.tables.files import file_stamp
from modicum.tables.records import Records, json_rows
from modicum.tables.table import Table

__all__ = ["Jsonl"]


@final
@dataclass(frozen=True)
class Jsonl(Table):
    """The records of a JSONL file; GSM8K's, MATH's and other data sets' forms are known by sight."""

    powers: ClassVar[Mapping[str, str]] = {"marker": "markers"}

    def rows(self, name: str) -> Records:
        """Read one object a line; blank lines do not count.

        Raises:
            ConfigError: missing, not UTF-8, empty, or no JSON at all.
        """
        return Records(json_rows(name))

    def stamp(self) -> tuple[object, ...]:
        """Time and size of the files."""
        return file_stamp(self.name, self.test)
