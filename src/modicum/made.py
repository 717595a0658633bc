"""What a method says of how its nudge was made: an open table, and the parts of it that others read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from modicum.plain import JsonObject, JsonValue, thawed

__all__ = [
    "Average",
    "Budgeted",
    "Made",
    "Policy",
    "Read",
    "Recipe",
    "Scale",
    "curves_of",
    "frontier_of",
    "part_of",
    "picked_of",
    "recipe_of",
]

Average = Literal["grpo", "dr_grpo", "dapo"]
"""Mean of the sequences' token means; sum over a constant length; mean of all tokens."""
Scale = Literal["group", "batch", "none"]
"""Whether advantages are divided by the rewards' standard deviation, within a group or the batch."""


@dataclass(frozen=True)
class Policy:
    """How rewards become a loss; every choice is stated and logged."""

    average: Average = "dr_grpo"
    """How terms of tokens become one number."""
    scale: Scale = "none"
    """What advantages are divided by."""
    clip: float = 0.2
    """The ratio of new to old probability counts down to 1 - clip; 0 turns clipping off."""
    clip_high: float = 0.0
    """It counts up to 1 + clip_high; `clip` where 0."""
    kl: float = 0.0
    """Weight of the divergence from the initial model (k3 estimate)."""
    entropy: float = 0.0
    """Weight of the bonus for the mean entropy of a token."""

    @property
    def high(self) -> float:
        """Upper half-width of the clip range."""
        return self.clip_high or self.clip


@dataclass(frozen=True)
class Recipe:
    """How long, how fast, and on what."""

    steps: int
    """Batches of rollouts, at least 1."""
    groups: int
    """Groups of rollouts a step; with fewer shots than groups each shot comes several times."""
    rollouts: int
    """Rollouts a group, at least 2."""
    updates: int
    """Optimiser steps a batch of rollouts; with one, ratios are 1 and clipping is inert."""
    learning_rate: float
    """AdamW's, constant."""
    longest: int
    """Length limit of a rollout, in tokens."""
    policy: Policy = field(default_factory=Policy)
    temperature: float = 1.0
    """Of the rollouts, and of the probabilities that are trained."""
    clip_norm: float = 1.0
    """Largest norm of a gradient."""
    most_tokens: int = 0
    """Tokens, padding included, that go through the model at once; 0 chooses from the memory. It
    changes no figure."""


T = TypeVar("T")

Made = JsonObject
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
    tried = thawed(list[dict[str, JsonValue]], made["frontier"], "frontier")
    chosen = thawed(dict[str, JsonValue], made["chosen"], "chosen")
    spent = tuple(map(_budgeted, tried))
    return thawed(Read, made["plain"], "plain"), _budgeted(chosen), spent


def _budgeted(step: JsonObject) -> Budgeted:
    """Return what one step of the search says; where it was tried stands beside it."""
    names = ("budget", "kl", "bound", "accuracy", "tokens")
    return Budgeted(*(float(thawed(float, step[name], name)) for name in names))
