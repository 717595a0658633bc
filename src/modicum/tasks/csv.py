"""Your own problems, one a row below a line of column names: `csv:FILE`."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

from modicum.errors import ConfigError
from modicum.tasks._columns import Row
from modicum.tasks._files import file_stamp, lines_of
from modicum.tasks._table import Table

__all__ = ["Csv"]


@final
@dataclass(frozen=True)
class Csv(Table):
    """The rows of a CSV file; a cell in quotes may hold the delimiter and line breaks."""

    powers: ClassVar[Mapping[str, str]] = {"marker": "markers"}

    delimiter: str = ","
    """What parts the cells; `tab` for tabulators."""

    def rows(self, name: str) -> list[Row]:
        """Reads the rows; a row's line is that of its end.

        Raises:
            ConfigError: missing, not UTF-8, empty, or a row with too many or too few cells.
        """
        lines_of(name)  # says what is wrong with the file as text
        with Path(name).open(encoding="utf-8-sig", newline="") as file:
            try:
                reader = csv.DictReader(
                    file, delimiter="\t" if self.delimiter == "tab" else self.delimiter, strict=True
                )
                rows = [Row(reader.line_num, dict(record)) for record in reader]
            except (csv.Error, TypeError) as error:
                raise ConfigError(f"{name}: {error}", "a CSV file", "correct it") from error
        for row in rows:
            if None in row.values or None in row.values.values():
                raise ConfigError(
                    f"line {row.line} of {name} has not one cell for each column",
                    f"{len(reader.fieldnames or ())} cells",
                    "put texts that hold the delimiter into quotes",
                )
        if not rows:
            raise ConfigError(f"{name} has no row below its names", "one problem a row", "fill it")
        return rows

    def stamp(self) -> tuple[object, ...]:
        """Time and size of the files."""
        return file_stamp(self.name, self.test)
