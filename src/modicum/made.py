"""What a method says of how its nudge was made: an open table, and the parts of it that others read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from modicum.plain import thawed
from modicum.recipe import Recipe

__all__ = [
    "Budgeted",
    "Made",
    "Read",
    "curves_of",
    "frontier_of",
    "part_of",
    "picked_of",
    "recipe_of",
]

T = TypeVar("T")

Made = Mapping[str, object]
"""What a method says, as plain values by name."""


@dataclass(frozen=True)
class Read:
    """What answers to the shots were like."""

    accuracy: float
    tokens: float
    """Mean tokens an answer."""


@dataclass(frozen=True)
class Budgeted:
    """What one budget of divergence bought on the shots."""

    budget: float
    """Nats a token that were to be spent."""
    kl: float
    """Nats a token that were measured."""
    bound: float
    """What the closed form allows at most at that dose."""
    accuracy: float
    tokens: float
    """Mean tokens an answer."""


def part_of(made: Made, name: str, kind: type[T]) -> T | None:
    """Return a part of what a method says; None where it does not say.

    Raises:
        TypeError: it is of another kind.
    """
    return thawed(kind, made[name], name) if name in made else None


def recipe_of(made: Made) -> Recipe | None:
    """Return the recipe of training by reward.

    Raises:
        TypeError: something else stands there; the message names it.
    """
    return part_of(made, "recipe", Recipe)


def curves_of(made: Made) -> Sequence[Mapping[str, float]]:
    """Return the figures of each training step; nothing where nothing was trained."""
    return part_of(made, "curves", list[dict[str, float]]) or ()


def picked_of(made: Made) -> tuple[str, ...]:
    """Return the ids of the shots that were picked from a pool; nothing where none was."""
    return part_of(made, "picked", tuple[str, ...]) or ()


def frontier_of(made: Made) -> tuple[Read, Budgeted, tuple[Budgeted, ...]]:
    """Return the plain model's answers to the shots, the chosen budget and all that were tried.

    Raises:
        KeyError: one of them is missing.
        TypeError: something else stands there.
    """
    tried = thawed(list[dict[str, object]], made["frontier"], "frontier")
    chosen = thawed(dict[str, object], made["chosen"], "chosen")
    spent = tuple(map(_budgeted, tried))
    return thawed(Read, made["plain"], "plain"), _budgeted(chosen), spent


def _budgeted(step: Mapping[str, object]) -> Budgeted:
    """Return what one step of the search says; where it was tried stands beside it."""
    names = ("budget", "kl", "bound", "accuracy", "tokens")
    return Budgeted(*(float(thawed(float, step[name], name)) for name in names))
