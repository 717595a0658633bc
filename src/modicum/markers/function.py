"""Your own function, given in Python: `Study(marker=lambda text, answer: …)`; runs in this process."""

from dataclasses import dataclass
from typing import ClassVar, final

from modicum.answers import Form
from modicum.marker import Marker
from modicum.marking.own_function import LENDER, read_answer, said_mark
from modicum.types import Mark, Problem

__all__ = ["Function"]


@final
@dataclass(frozen=True)
class Function(Marker):
    """Asks a function that this process lent; it cannot be stopped while it looks at an answer."""

    is_verbatim: ClassVar[bool] = True

    name: str = ""
    """Its name and a hash of its code, or the name that it was given."""

    @property
    def fingerprint(self) -> str:
        """Its name, which says what it is."""
        return self.name

    def check(self) -> None:
        """Look whether the function is in this process.

        Raises:
            ConfigError: it is not.
        """
        LENDER.find(self.name)

    def gold(self, text: str) -> str | None:
        """A gold is any text that is not blank."""
        return text.strip() or None

    def read(self, text: str, form: Form) -> str | None:
        """Read as `exact` does: what is said to be the answer, else the last line."""
        return read_answer(text, form)

    def mark(self, problem: Problem, text: str, form: Form) -> Mark:
        """Take the function's word.

        Raises:
            JudgeError: it raises anything, or says what is no mark.
        """
        return said_mark(LENDER.find(self.name).ask(text, problem), text, form)
