"""Your own problems, one a row of cells parted by tabulators: `tsv:FILE`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, final

from modicum.tables.delimited import delimited_rows
from modicum.tables.files import file_stamp
from modicum.tables.records import Records
from modicum.tables.table import Table

__all__ = ["Tsv"]


@final
@dataclass(frozen=True)
class Tsv(Table):
    """The rows of a TSV file; quotes are plain characters where they do not pair."""

    powers: ClassVar[Mapping[str, str]] = {"marker": "markers"}

    header: Literal["", "yes", "no"] = ""
    """Whether the first row names the columns; seen by what stands in it where empty."""

    def rows(self, name: str) -> Records:
        """Read the rows; a row's line is that of its end.

        Raises:
            ConfigError: missing, not UTF-8, or empty.
        """
        return delimited_rows(name, "\t", self.header)

    def stamp(self) -> tuple[object, ...]:
        """Time and size of the files."""
        return file_stamp(self.name, self.test)
