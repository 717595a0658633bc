"""Two studies or two methods side by side, as Python names them."""

from pathlib import Path
from typing import TypeAlias

from modicum.analysis.comparison import Comparison, Comparisons
from modicum.analysis.sides import PICK
from modicum.analysis.verdict import RungRow
from modicum.cli.compared import SideName, compared, read_sides, reference
from modicum.cli.told_study import ToldStudy
from modicum.running.spelling import python_words

__all__ = ["Compared", "compare"]

Compared: TypeAlias = ToldStudy | Path | str | tuple[ToldStudy | Path | str, str | RungRow]
"""What can be compared."""


def compare(
    first: Compared,
    second: Compared,
    *,
    model: str | None = None,
    task: str | None = None,
    trust: bool = False,
) -> Comparison | Comparisons:
    """Compare two methods, models or studies on the problems that both answered; draws nothing.

    The difference is the second's accuracy minus the first's, in pairs, with its 95 % interval; several
    tasks or models that both have give `Comparisons`.

    Args:
        first: A study or its folder, for what it recommends; or a pair of that and a method: a name such
            as "fine_tune n=1" or "floor", or a row of a verdict. A text may be "FOLDER:NAME" too.
        second: The other.
        model: Where a study has several.
        task: Where a study has several.
        trust: Follow the plans where they start code, ask servers or read keys.

    Raises:
        ConfigError: no study, no such method in it, or no task that both have.
    """
    with python_words():
        sides = [
            read_sides(_reference(one), task=task, model=model, trusted=trust, default=PICK)
            for one in (first, second)
        ]
        found = compared(*sides)
    return found[0] if len(found) == 1 else Comparisons(found)


def _reference(one: Compared) -> SideName:
    """Return what is compared as the command line would name it."""
    whole, method = one if isinstance(one, tuple) else (one, "")
    names = (method.name if isinstance(method, RungRow) else method,)
    if isinstance(whole, ToldStudy):
        return SideName(whole.folder, tuple(filter(None, names)))
    found = reference(str(whole))
    return SideName(found.folder, (*found.names, *filter(None, names)))
