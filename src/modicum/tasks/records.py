"""Your own problems as Python holds them: `Study(task=rows)` names them `records:NAME`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from modicum.tables.lent_rows import LENDER
from modicum.tables.records import Records, numbered
from modicum.tables.table import Table

__all__ = ["RecordRows"]


@final
@dataclass(frozen=True)
class RecordRows(Table):
    """Records that this process lent; the name holds a hash of them and of how they are read."""

    powers: ClassVar[Mapping[str, str]] = {"marker": "markers"}

    def __post_init__(self) -> None:
        """Take the settings that the records were lent with.

        Raises:
            ConfigError: they are not in this process.
        """
        if self.name:
            for name, value in LENDER.find(self.name).settings.items():
                object.__setattr__(self, name, value)

    def rows(self, name: str) -> Records:
        """Return the records; the first one is record 1.

        Raises:
            ConfigError: they are not in this process.
        """
        return Records(numbered(LENDER.find(name).rows))

    def stamp(self) -> tuple[object, ...]:
        """Return nothing: the name says all that they hold."""
        return ()
