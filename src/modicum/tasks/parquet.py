"""Your own problems from a Parquet file: `parquet:FILE` (extra `data`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from modicum.errors import ConfigError
from modicum.tasks._columns import Row
from modicum.tasks._files import file_stamp, flat, needed_file
from modicum.tasks._table import Table

__all__ = ["Parquet"]


@final
@dataclass(frozen=True)
class Parquet(Table):
    """The records of a Parquet file; a record's line is its place, from 1."""

    powers: ClassVar[Mapping[str, str]] = {"marker": "markers"}

    def rows(self, name: str) -> list[Row]:
        """Reads the records.

        Raises:
            ConfigError: missing, broken, empty, or pyarrow is not installed.
        """
        path = needed_file(name)
        try:
            from pyarrow import lib, parquet  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ConfigError("no package pyarrow", "it", "pip install 'modicum[data]'") from error
        try:
            # a file of its own: the dataset reader would take `name=value` folders for columns
            records = parquet.ParquetFile(path).read().to_pylist()
        except (lib.ArrowException, OSError) as error:
            raise ConfigError(f"{name}: {error}", "a Parquet file", "check it") from error
        if not records:
            raise ConfigError(f"{name} is empty", "one problem a record", "fill it")
        return [Row(i, flat(record)) for i, record in enumerate(records, start=1)]

    def stamp(self) -> tuple[object, ...]:
        """Time and size of the files."""
        return file_stamp(self.name, self.test)
