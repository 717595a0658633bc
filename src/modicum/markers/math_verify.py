"""Math-verify: equal formulas, by the package math-verify (extra `math`) in a process of its own."""

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, final

from modicum.answers import Formulas, latex, same_text, value_of, words_of
from modicum.errors import ConfigError
from modicum.marker import Reader
from modicum.marking.killable import killable

__all__ = ["MathVerify"]

_MEMORY_MB = 4096
_LONGEST = 2000
"""Characters of the longest formula that is compared."""


@final
@dataclass(frozen=True)
class MathVerify(Reader):
    """Finds the answer as the other markers do; math-verify compares it with the gold."""

    version: ClassVar[int] = 2
    """2: rational numbers compare exactly, other values relatively, words as text."""

    timeout_s: float = 5.0
    """Seconds that one comparison may take."""

    def check(self) -> None:
        """Look whether the package is there.

        Raises:
            ConfigError: it is not.
        """
        if importlib.util.find_spec("math_verify") is None:
            raise ConfigError("no package math-verify", "it", "pip install 'modicum[math]'")

    @property
    def reading(self) -> Formulas:
        """Formulas as they stand."""
        return Formulas()

    def agrees(self, answer: str, gold: str) -> bool:
        """Compare as numbers or words where the gold is one, else as formulas."""
        if same_text(answer, gold, case=True):
            return True
        number = value_of(gold)
        said = None if number is None else value_of(answer)
        if said is not None:
            return said == number
        word = words_of(gold)
        if word is not None:
            return same_text((words_of(answer) or answer).strip("()[] "), word)
        if max(len(answer), len(gold)) > _LONGEST:
            return False
        return _equal(latex(answer), latex(gold), self.timeout_s)


@lru_cache(maxsize=65536)
def _equal(answer: str, gold: str, timeout_s: float) -> bool:
    worker = killable("modicum.marking.algebra:equal", timeout_s, _MEMORY_MB)
    return bool(worker.ask(answer=answer, gold=gold))
