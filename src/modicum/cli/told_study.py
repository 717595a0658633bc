"""What a study's folder says to Python: verdicts, report, tables; nothing is drawn for it."""

import contextlib
import webbrowser
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from modicum.analysis.shown import lay_out
from modicum.analysis.verdict import Verdict
from modicum.analysis.verdicts import Verdicts
from modicum.cli.folder import reading
from modicum.cli.report_file import stands, write
from modicum.cli.verdict_card import PrintedLayout
from modicum.errors import ConfigError
from modicum.running.data_files import frame
from modicum.running.data_out import (
    ANSWERS,
    METHOD_ROWS,
    PROBLEM_ROWS,
    answer_rows,
    method_rows,
    problem_rows,
)
from modicum.running.kept_verdicts import recalled
from modicum.running.spelling import python_words
from modicum.store.database import Store
from modicum.study.plan import Plan

if TYPE_CHECKING:
    import pandas

__all__ = ["ToldStudy"]

REPORT = "report.html"
"""Name of the report in a study's folder."""

lay_out(PrintedLayout())


class ToldStudy(ABC):
    """A study as it lies in its folder."""

    _trusted: bool
    """Whether the plan there may start code, ask servers and read keys."""

    @property
    @abstractmethod
    def folder(self) -> Path:
        """The study's folder."""

    @property
    def verdict(self) -> Verdict | Verdicts:
        """What the stored trials say now; runs nothing.

        Raises:
            ConfigError: no study in the folder, or none of its measures.
        """
        return self._told()

    def report(self, path: Path | str | None = None, *, open: bool = False) -> Path:
        """Write the report and return its place.

        Args:
            path: Where; `report.html` in the study's folder where None.
            open: Show it in the browser.

        Raises:
            ConfigError: no study in the folder, or none of its measures.
        """
        place = Path(path) if path is not None else self.folder / REPORT
        with self._read() as (store, plan):
            if not stands(place, plan, store):
                write(place, recalled(plan, store), plan, store)
        if open:
            webbrowser.open(place.resolve().as_uri())
        return place

    def methods_df(self) -> "pandas.DataFrame":
        """Return a data frame with one row a method; its columns are those of `METHOD_ROWS`.

        Raises:
            ConfigError: no study in the folder, or pandas is not installed.
        """
        with self._read() as (store, plan):
            return frame(method_rows(recalled(plan, store)), METHOD_ROWS)

    def answers_df(self, method: str = "", *, standing: bool = False) -> "pandas.DataFrame":
        """Return a data frame with one row an answer; its columns are those of `ANSWERS`.

        A large study fits into a file better than into memory: `modicum answers DIR --out FILE`.

        Args:
            method: Only those of a method, with or without its shots.
            standing: Only the answers that count, one a problem.

        Raises:
            ConfigError: no study in the folder, or pandas is not installed.
        """
        with self._read() as (store, _):
            return frame(answer_rows(store, standing=standing, method=method), ANSWERS)

    def problems_df(self) -> "pandas.DataFrame":
        """Return a data frame with one row a test problem; its columns are those of `PROBLEM_ROWS`.

        Raises:
            ConfigError: no study in the folder, or pandas is not installed.
        """
        with self._read() as (_, plan):
            return frame(problem_rows(plan), PROBLEM_ROWS)

    def _told(self) -> Verdict | Verdicts:
        """Return what the study says, and write its report where that does not stand."""
        with self._read() as (store, plan):
            verdicts, path = recalled(plan, store), self.folder / REPORT
            why = "; ".join(dict.fromkeys(store.failed().values()))
            if verdicts and not store.is_read_only and not stands(path, plan, store):
                write(path, verdicts, plan, store)
        own, wanted = self._own(verdicts, plan)
        if not own:
            raise ConfigError(
                why or "no measure finished",
                "floor, default and samples",
                "fix the cause and run again: what is finished is kept",
            )
        return own[0] if wanted == 1 else Verdicts(own)

    def _own(self, verdicts: list[Verdict], whole: Plan) -> tuple[list[Verdict], int]:
        """Return those of a folder's verdicts that it is about, and the number of its subjects."""
        return verdicts, max(len(whole.subjects()), len(verdicts))

    @contextlib.contextmanager
    def _read(self) -> Iterator[tuple[Store, Plan]]:
        """Open the folder with the tasks that it keeps; nothing is drawn and no marker runs."""
        with python_words(), reading(self.folder, trusted=self._trusted) as (store, plan):
            yield store, plan
