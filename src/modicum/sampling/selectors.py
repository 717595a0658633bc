"""Which of several trajectories stands: by order, by vote, by what the net says, or by the exact checker."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self, get_args

__all__ = [
    "CHECKED",
    "ENERGY_SELECTORS",
    "SELECTORS",
    "AnySelector",
    "EnergySelector",
    "Selector",
    "Trajectory",
    "chosen",
]

Selector = Literal["first", "majority", "halt", "value", "residual", "checker", "oracle"]
"""The first one; the commonest answer; the highest halt logit or value; the least last movement; the
first that the puzzle's checker accepts, none being rolled out after it; the commonest of those that it
accepts."""
EnergySelector = Literal["energy", "first", "majority", "checker", "oracle"]
"""The least energy; the others as of trajectories."""
AnySelector = Selector | EnergySelector
SELECTORS: tuple[Selector, ...] = get_args(Selector)
ENERGY_SELECTORS: tuple[EnergySelector, ...] = get_args(EnergySelector)
CHECKED: tuple[AnySelector, ...] = ("checker", "oracle")
"""Those that know the rules."""


@dataclass(frozen=True)
class Trajectory:
    """Where one trajectory ended."""

    text: str
    """Its answer; equal texts are equal answers."""
    halt: float
    value: float
    residual: float
    is_valid: bool = False
    """Whether the puzzle's checker accepts it; asked only of selectors that know it."""
    energy: float = 0.0
    """Of its final state, of nets that have energies."""

    def accepted(self) -> Self:
        """Return the same one, accepted by the checker."""
        return replace(self, is_valid=True)


def chosen(selector: AnySelector, drawn: Sequence[Trajectory]) -> int:
    """Return the place of the trajectory that stands; of equal ones the first.

    Args:
        selector: How it is chosen; where a checker accepts none, the first trajectory stands.
        drawn: Trajectories in their order, at least one.

    >>> drawn = [Trajectory("a", 0, 0.9, 1), Trajectory("b", 2, 0.1, 1), Trajectory("b", 1, 0.5, 1)]
    >>> [chosen(name, drawn) for name in ("first", "majority", "halt", "value")]
    [0, 1, 1, 0]
    """
    return _RULES[selector](drawn)


def _first(drawn: Sequence[Trajectory]) -> int:
    del drawn
    return 0


def _vote(drawn: Sequence[Trajectory]) -> int:
    counts = Counter(one.text for one in drawn)
    return max(range(len(drawn)), key=lambda i: (counts[drawn[i].text], -i))


def _checked(drawn: Sequence[Trajectory]) -> int:
    return next((i for i, one in enumerate(drawn) if one.is_valid), 0)


def _oracle(drawn: Sequence[Trajectory]) -> int:
    valid = [i for i, one in enumerate(drawn) if one.is_valid]
    return valid[_vote([drawn[i] for i in valid])] if valid else 0


def _highest(of: Callable[[Trajectory], float]) -> Callable[[Sequence[Trajectory]], int]:
    return lambda drawn: max(range(len(drawn)), key=lambda i: (of(drawn[i]), -i))


_RULES: dict[AnySelector, Callable[[Sequence[Trajectory]], int]] = {
    "first": _first,
    "majority": _vote,
    "halt": _highest(lambda one: one.halt),
    "value": _highest(lambda one: one.value),
    "residual": _highest(lambda one: -one.residual),
    "energy": _highest(lambda one: -one.energy),
    "checker": _checked,
    "oracle": _oracle,
}
