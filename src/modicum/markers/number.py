"""Number: the same value; commas between thousands, currency and percent signs do not matter."""

from dataclasses import dataclass
from typing import final

from modicum.answers import NUMBER, equal_numbers, last_number, plain, plain_number
from modicum.marker import Reader

__all__ = ["Number"]

_SIGNS = " \t$€£¥%"


@final
@dataclass(frozen=True)
class Number(Reader):
    """Takes the last number where the answer is said, else the last number of all."""

    tolerance: float = 0.0
    """Largest difference, relative to the gold, that counts as equal."""

    def __post_init__(self) -> None:
        """Refuses a tolerance that cannot work."""
        if not 0 <= self.tolerance < 1:
            raise ValueError(f"found tolerance = {self.tolerance}; expected at least 0, below 1")

    def whole(self, found: str) -> str | None:
        """One number with its signs and nothing else.

        >>> Number().whole("$1,234.00"), Number().whole("5 apples")
        ('1234', None)
        """
        bare = plain(found)
        minus, bare = ("-", bare[1:]) if bare[:1] in ("-", "−") else ("", bare)
        bare = minus + bare.strip(_SIGNS)
        return plain_number(bare) if NUMBER.fullmatch(bare) else None

    def within(self, found: str) -> str | None:
        """The last number there."""
        number = last_number(found)
        return None if number is None else plain_number(number)

    def anywhere(self, text: str) -> str | None:
        """The last number of the text."""
        return self.within(text)

    def agrees(self, answer: str, gold: str) -> bool:
        """Compares values.

        >>> Number().agrees("0.5", "1/2"), Number(tolerance=0.01).agrees("100.4", "100")
        (True, True)
        """
        if equal_numbers(answer, gold):
            return True
        if not self.tolerance:
            return False
        try:
            near = abs(float(answer) - float(gold))
            return near <= self.tolerance * abs(float(gold))
        except (ValueError, OverflowError):
            return False
