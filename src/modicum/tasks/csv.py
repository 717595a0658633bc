"""Your own problems, one a row, below a line of column names or without: `csv:FILE`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, final

from modicum.errors import ConfigError
from modicum.tables.delimited import delimited_rows
from modicum.tables.files import file_stamp
from modicum.tables.records import Records
from modicum.tables.table import Table

__all__ = ["Csv"]


@final
@dataclass(frozen=True)
class Csv(Table):
    """The rows of a CSV file; a cell in quotes may hold the delimiter and line breaks."""

    powers: ClassVar[Mapping[str, str]] = {"marker": "markers"}

    delimiter: str = ","
    """What parts the cells, one character; `tab` for tabulators."""
    header: Literal["", "yes", "no"] = ""
    """Whether the first row names the columns; seen by what stands in it where empty."""

    def rows(self, name: str) -> Records:
        """Read the rows; a row's line is that of its end.

        Raises:
            ConfigError: missing, not UTF-8, empty, broken quotes, or a delimiter that is none.
        """
        delimiter = "\t" if self.delimiter == "tab" else self.delimiter
        if len(delimiter) != 1 or delimiter in '\r\n"':
            raise ConfigError(
                f"the delimiter {self.delimiter!r}", "one character, or tab", "such as ;"
            )
        return delimited_rows(name, delimiter, self.header)

    def stamp(self) -> tuple[object, ...]:
        """Time and size of the files."""
        return file_stamp(self.name, self.test)
