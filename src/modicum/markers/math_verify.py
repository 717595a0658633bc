"""Math-verify: equal formulas, by the package math-verify (extra `math`) in a process of its own."""

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from typing import final

from modicum.answers import equal_numbers, last_line, last_number, plain
from modicum.errors import ConfigError
from modicum.killable import killable
from modicum.marker import Reader

__all__ = ["MathVerify"]

_MEMORY_MB = 4096
_LONGEST = 2000
"""Characters of the longest formula that is compared."""


@final
@dataclass(frozen=True)
class MathVerify(Reader):
    """Finds the answer as the other markers do; math-verify compares it with the gold."""

    timeout_s: float = 5.0
    """Seconds that one comparison may take."""

    def check(self) -> None:
        """Looks whether the package is there.

        Raises:
            ConfigError: it is not.
        """
        if importlib.util.find_spec("math_verify") is None:
            raise ConfigError("no package math-verify", "it", "pip install 'modicum[math]'")

    def whole(self, found: str) -> str | None:
        """Any formula; without the signs that set it off."""
        return self.within(found)

    def within(self, found: str) -> str | None:
        r"""What is set off as a formula, else all of it.

        >>> MathVerify().within(r"\(\frac{1}{2}\).")
        '\\frac{1}{2}'
        """
        bare = plain(found)
        for start, end in ((r"\(", r"\)"), (r"\[", r"\]")):
            if bare.startswith(start) and bare.endswith(end):
                bare = plain(bare[2:-2])
        return bare or None

    def anywhere(self, text: str) -> str | None:
        """The last formula between dollars, else the last number, else the last line."""
        pieces = text.split("$")
        if len(pieces) > 2 and pieces[-2 if len(pieces) % 2 else -3].strip():
            return plain(pieces[-2 if len(pieces) % 2 else -3]) or None
        return last_number(text) or plain(last_line(text)) or None

    def agrees(self, answer: str, gold: str) -> bool:
        """Compares as text and number first, then as formulas."""
        if equal_numbers(answer, gold):
            return True
        if max(len(answer), len(gold)) > _LONGEST:
            return False
        return _equal(answer, gold, self.timeout_s)


@lru_cache(maxsize=65536)
def _equal(answer: str, gold: str, timeout_s: float) -> bool:
    worker = killable("modicum.markers._algebra:equal", timeout_s, _MEMORY_MB)
    return bool(worker.ask(answer=answer, gold=gold))
