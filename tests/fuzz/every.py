"""Every format by name, and how many of its inputs are drawn beside the listed ones."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from hypothesis import strategies as st

from tests.fuzz.bench import Input
from tests.fuzz.databases import Folders, Plans
from tests.fuzz.formats import Case, adapters, autoencoders, configurations, exports
from tests.fuzz.headers import Headers
from tests.fuzz.pages import Pages
from tests.fuzz.pantry import Pantry
from tests.fuzz.studies import Studies

__all__ = ["DRAWN", "FORMATS", "Kind"]


class Kind(Protocol):
    """A kind of file that strangers hand over."""

    def cases(self) -> st.SearchStrategy[Any]:
        """Return what hypothesis draws."""

    def listed(self) -> list[Case]:
        """Return what is always tried."""

    def unchanged(self, pantry: Pantry) -> Iterable[Input]:
        """Return inputs to which nothing was done: each command must end with 0."""

    def input_of(self, case: Case, pantry: Pantry) -> Input:
        """Return files and command of a case."""


FORMATS: Mapping[str, Kind] = {
    "exports": exports,
    "adapters": adapters,
    "configurations": configurations,
    "autoencoders": autoencoders,
    "studies": Studies(),
    "plans": Plans(),
    "folders": Folders(),
    "pages": Pages(),
    "headers": Headers(),
}
DRAWN: Mapping[str, int] = {
    "exports": 100,
    "adapters": 60,
    "configurations": 100,
    "autoencoders": 20,
    "studies": 150,
    "plans": 120,
    "folders": 40,
    "pages": 250,
    "headers": 160,
}
