"""A data set of the Hugging Face hub, or a folder of its form: `hub:NAME` (extra `data`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, final

from modicum.errors import ConfigError
from modicum.tables.records import Records, Row, numbered, with_class_names
from modicum.tables.table import Table

__all__ = ["Hub"]


@final
@dataclass(frozen=True)
class Hub(Table):
    """The records of one split; `test` names another split (not a file) for the test."""

    powers: ClassVar[Mapping[str, str]] = {"marker": "markers"}

    config: str = ""
    """Configuration of the data set; its default where empty."""
    split: str = "train"
    """Split that the problems come from."""
    revision: str = ""
    """Commit, tag or branch; name a commit to pin the data."""

    def rows(self, name: str) -> Records:
        """Read the records of `split`, or of the split that `test` names.

        Raises:
            ConfigError: no such data set, configuration or split, or the package is not there.
        """
        split = self.split if name == self.name else name
        return Records(list(_records(self.name, self.config, split, self.revision)))

    def stamp(self) -> tuple[object, ...]:
        """Nothing changes while this process lives."""
        return ()


@lru_cache(maxsize=8)
def _records(name: str, config: str, split: str, revision: str) -> tuple[Row, ...]:
    where = f"hub:{name} ({config or 'default'}, split {split!r}, {revision or 'newest'})"
    try:
        import datasets  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigError("no package datasets", "it", "pip install 'modicum[data]'") from error
    try:
        table = datasets.load_dataset(name, config or None, split=split, revision=revision or None)
        records = [dict(record) for record in table]
        names = {k: f.names for k, f in table.features.items() if hasattr(f, "names")}
    except Exception as error:
        first = str(error).partition("\n")[0]
        raise ConfigError(
            f"{where}: {type(error).__name__}: {first}",
            "a data set that can be read",
            "check name, ?config=, ?split= and the network; or download it and use parquet:FILE",
        ) from error
    if not records:
        raise ConfigError(f"{where} is empty", "one problem per record", "name another split")
    return tuple(numbered(with_class_names(records, names)))
