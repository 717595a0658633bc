"""Number: the same value; units, thousands signs, currency and percent signs do not matter."""

from dataclasses import dataclass
from typing import ClassVar, final

from modicum.answers import Numbers, equal_numbers
from modicum.marker import Reader

__all__ = ["Number"]


@final
@dataclass(frozen=True)
class Number(Reader):
    """Takes the first number where the answer is said, else the last number of all."""

    version: ClassVar[int] = 2
    """2: the last place that says an answer counts, and its first number in any spelling."""

    tolerance: float = 0.0
    """Largest difference, relative to the gold, that counts as equal."""

    def __post_init__(self) -> None:
        """Refuse a tolerance that cannot work."""
        if not 0 <= self.tolerance < 1:
            raise ValueError(f"found tolerance = {self.tolerance}; expected at least 0, below 1")

    @property
    def reading(self) -> Numbers:
        """Numbers, exactly."""
        return Numbers()

    def agrees(self, answer: str, gold: str) -> bool:
        """Compare values.

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
