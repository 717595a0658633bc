"""Your own problems, one JSON object a line: `jsonl:FILE`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from modicum.errors import ConfigError
from modicum.tasks._columns import Row
from modicum.tasks._files import file_stamp, flat, lines_of
from modicum.tasks._table import Table

__all__ = ["Jsonl"]


@final
@dataclass(frozen=True)
class Jsonl(Table):
    """The records of a JSONL file; GSM8K's and MATH's own form are known by sight."""

    powers: ClassVar[Mapping[str, str]] = {"marker": "markers"}

    def rows(self, name: str) -> list[Row]:
        """Reads one object a line; blank lines do not count.

        Raises:
            ConfigError: missing, not UTF-8, empty, or a line that is no JSON object.
        """
        return [Row(number, flat(_record(text, number, name))) for number, text in lines_of(name)]

    def stamp(self) -> tuple[object, ...]:
        """Time and size of the files."""
        return file_stamp(self.name, self.test)


def _record(text: str, number: int, name: str) -> dict[str, object]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"line {number} of {name} is not JSON: {error}",
            "one JSON object a line",
            "correct that line",
        ) from error
    if not isinstance(record, dict):
        raise ConfigError(
            f"line {number} of {name} is a {type(record).__name__}",
            "one JSON object a line",
            'write {"question": "…", "answer": "…"}',
        )
    return record
