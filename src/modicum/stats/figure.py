"""A figure: one number with its interval and the count behind it."""

import math
from dataclasses import asdict, dataclass

__all__ = [
    "Figure",
]


@dataclass(frozen=True)
class Figure:
    """One number with its interval and the count of problems behind it."""

    value: float
    """The estimate, in the unit of what was measured (shares in [0, 1] mostly)."""
    low: float
    """Lower end of the interval, same unit; `-inf` where nothing bounds it."""
    high: float
    """Upper end of the interval, same unit; `inf` where nothing bounds it (censored)."""
    n: int
    """Problems (or seeds, where it says so) that the estimate rests on."""

    def as_dict(self) -> dict[str, float | int | None]:
        """Return the JSON form, in which a number that is not finite becomes null."""
        record: dict[str, float | int | None] = asdict(self)
        return {
            name: None if isinstance(number, float) and not math.isfinite(number) else number
            for name, number in record.items()
        }

    def __str__(self) -> str:
        """Return the reading form, such as `.41 [.22, .63]`."""
        return f"{_short(self.value)} [{_short(self.low)}, {_short(self.high)}]"


def _short(number: float) -> str:
    """Write a number with two decimals and no leading zero."""
    text = f"{number:.2f}"
    if text.startswith("0."):
        return text[1:]
    if text.startswith("-0."):
        return "−" + text[2:] if float(text) else text[2:]
    return text.replace("-", "−")
