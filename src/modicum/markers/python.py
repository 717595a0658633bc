"""Python: your own function, `python:FILE.py:FUNCTION`, in a process of its own."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, final

from modicum.answers import Form, tail
from modicum.errors import ConfigError, UnknownNameError
from modicum.files.sources import local_hashes, sources_stamp
from modicum.marker import Marker, text_hash
from modicum.marking.killable import killable
from modicum.marking.own_function import read_answer, said_mark
from modicum.types import Mark, Problem

__all__ = ["Python"]


@final
@dataclass(frozen=True)
class Python(Marker):
    """Asks your function about the whole text (its last `answers.KEPT` characters).

    The function takes by name `text` and `answer` (the gold), and `question` if it wants it. It
    gives True, False, or None where it finds no answer; a number counts as right from 1.0. For a
    strict reading of its own it gives a table: `{"correct": …, "strict": …, "answer": "…"}`, of
    which the last two may be left out; otherwise both readings are the same. It runs because your
    option names it, in a process that is killed when a call hangs.
    """

    version: ClassVar[int] = 2
    is_verbatim: ClassVar[bool] = True
    powers: ClassVar[Mapping[str, str]] = {"": "code"}

    name: str = ""
    """`FILE.py:FUNCTION`."""
    timeout_s: float = 5.0
    """Seconds that one call may take."""

    @property
    def fingerprint(self) -> str:
        """A hash of the file and of those beside it that it imports: other texts, another marker."""
        source = self._source()  # refuses what cannot be read
        others = local_hashes(self._path).items()
        return text_hash(source, *(part for pair in others for part in pair))

    @cached_property
    def stamp(self) -> tuple[object, ...]:
        """Times and sizes of these files."""
        return sources_stamp(self._path)

    def check(self) -> None:
        """Look for the file and the function; runs neither.

        Raises:
            ConfigError: no such file, or it is broken.
            UnknownNameError: no such function in it.
        """
        path, _, function = self.name.rpartition(":")
        try:
            tree = ast.parse(self._source())
        except (SyntaxError, ValueError) as error:
            raise ConfigError(f"{path}: {error}", "a Python file", "correct it") from error
        names = [n.name for n in tree.body if isinstance(n, ast.FunctionDef)]
        if function not in names:
            raise UnknownNameError(f"function of {path}", function, names)

    def gold(self, text: str) -> str | None:
        """A gold is any text that is not blank."""
        return text.strip() or None

    def read(self, text: str, form: Form) -> str | None:
        """Read as `exact` does: what is said to be the answer, else the last line."""
        return read_answer(text, form)

    def mark(self, problem: Problem, text: str, form: Form) -> Mark:
        """Take the function's word."""
        given = killable(self._target, self.timeout_s, stamp=self.stamp).ask(
            text=tail(text), answer=problem.answer, question=problem.question
        )
        return said_mark(given, text, form)

    @property
    def _target(self) -> str:
        return f"{self._path.resolve()}:{self.name.rpartition(':')[2]}"

    @property
    def _path(self) -> Path:
        return Path(self.name.rpartition(":")[0])

    def _source(self) -> str:
        path = self.name.rpartition(":")[0]
        try:
            return Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"marker {self.name!r}: {error}",
                "FILE.py:FUNCTION",
                "such as --mark-with my_marks.py:is_right",
            ) from error
