"""Your own problems from a Parquet file: `parquet:FILE` (extra `data`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from modicum.errors import ConfigError
from modicum.tables.files import MOST_BYTES, file_stamp, needed_file
from modicum.tables.records import Records, class_names, numbered, with_class_names
from modicum.tables.table import Table

__all__ = ["Parquet"]


@final
@dataclass(frozen=True)
class Parquet(Table):
    """The records of a Parquet file; a record's line is its place, from 1."""

    powers: ClassVar[Mapping[str, str]] = {"marker": "markers"}

    def rows(self, name: str) -> Records:
        """Read the records; numbers that stand for classes are read as the classes' names.

        Raises:
            ConfigError: missing, broken, empty, too large, or pyarrow is not installed.
        """
        path = needed_file(name)
        try:
            from pyarrow import lib, parquet  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ConfigError("no package pyarrow", "it", "pip install 'modicum[data]'") from error
        try:
            # a file of its own: the dataset reader would take `name=value` folders for columns
            file = parquet.ParquetFile(path)
            size = sum(
                file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups)
            )
            if size > MOST_BYTES:
                raise ConfigError(
                    f"{name}: {size:,} bytes once read",
                    f"at most {MOST_BYTES:,} bytes of problems",
                    "take a sample of its records, or only the columns that are needed",
                )
            table = file.read()
            records = table.to_pylist()
        except (lib.ArrowException, OSError) as error:
            raise ConfigError(f"{name}: {error}", "a Parquet file", "check it") from error
        if not records:
            raise ConfigError(f"{name} is empty", "one problem per record", "add problems")
        features = class_names((table.schema.metadata or {}).get(b"huggingface"))
        return Records(numbered(with_class_names(records, features)))

    def stamp(self) -> tuple[object, ...]:
        """Time and size of the files."""
        return file_stamp(self.name, self.test)
