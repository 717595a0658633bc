"""Regex: what your pattern finds, `regex:PATTERN`; its first group where it has one."""

import re
from dataclasses import dataclass
from typing import ClassVar, final

from modicum.answers import Form, plain, tail
from modicum.errors import ConfigError, JudgeError
from modicum.marker import Marker, grade_of
from modicum.marking.killable import killable
from modicum.types import Grade, Mark, Problem

__all__ = ["Regex"]


@final
@dataclass(frozen=True)
class Regex(Marker):
    """Takes the last match; strictly, nothing may follow it. The pattern is the asked form.

    The pattern runs in a process of its own, for one that backtracks may take for ever.
    """

    is_verbatim: ClassVar[bool] = True
    is_form: ClassVar[bool] = True

    name: str = ""
    """The pattern, in Python's syntax."""
    timeout_s: float = 5.0
    """Seconds that one search may take."""

    def check(self) -> None:
        """Refuse what is no pattern.

        Raises:
            ConfigError: no pattern, or a broken one.
        """
        try:
            pattern = re.compile(self.name)
        except re.error as error:
            raise ConfigError(
                f"marker pattern {self.name!r}: {error}", "a Python regex", "correct it"
            ) from error
        if not self.name or pattern.fullmatch(""):
            raise ConfigError(
                f"marker pattern {self.name!r}, which finds nothing in particular",
                "regex:PATTERN",
                r"such as 'regex:total: (\d+)'",
            )

    def gold(self, text: str) -> str | None:
        """A gold is any text that is not blank."""
        return plain(text) or None

    def stated(self, gold: str, form: Form) -> str:
        """Put the gold into the pattern's group, where the words around it are plain."""
        del form
        before, opened, rest = self.name.partition("(")
        after = rest.rpartition(")")[2]
        around = before + after
        if not opened or re.escape(around).replace("\\ ", " ") != around:
            return ""
        return before + gold + after

    def read(self, text: str, form: Form) -> str | None:
        """The last match."""
        del form
        return self._search(text)[0]

    def mark(self, problem: Problem, text: str, form: Form) -> Mark:
        """Compare the last match with the gold."""
        del form
        answer, is_last = self._search(text)
        if answer is None:
            return Mark(None, Grade.UNREADABLE, Grade.UNREADABLE)
        grade = grade_of(is_right=answer.casefold() == problem.answer.casefold())
        return Mark(answer, grade, grade if is_last else Grade.UNREADABLE)

    def _search(self, text: str) -> tuple[str | None, bool]:
        worker = killable("modicum.marking.search:search", self.timeout_s)
        found = worker.ask(pattern=self.name, text=tail(text))
        if not isinstance(found, list):
            raise JudgeError(f"the search for {self.name!r} gave no match or miss")
        answer = None if found[0] is None else plain(str(found[0])) or None
        return answer, bool(found[1])
