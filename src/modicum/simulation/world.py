"""A world: what a model can do on which share of the problems, and which words are right of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["BUDGETS", "Part", "Tail", "World"]

BUDGETS = (1, 4, 8)
"""Labels of the tuned rung."""


@dataclass(frozen=True)
class Tail:
    """Chances of single problems that differ widely: the sampled chance w comes from Beta(a, b)."""

    a: float
    b: float
    greedy: float
    """Greedy decoding is right where w is above this."""
    free: float
    """The label-free rung is right where w is above this."""
    tuned: tuple[float, ...]
    """Tuning is right, with chance .97, where w is above this; one a budget."""


@dataclass(frozen=True)
class Part:
    """A share of the problems and the chance to be right by work there; who does no work guesses."""

    share: float
    sampled: float = 0.0
    """Of one sample."""
    greedy: float = 0.0
    """Of the default and of the floor."""
    free: float = 0.0
    """Of a label-free rung."""
    tuned: tuple[float, ...] = (0.0, 0.0, 0.0)
    """Of tuning, one a budget."""
    forced: float = 0.0
    """Of the forced worked form."""
    tail: Tail | None = None
    """In place of all chances."""


@dataclass(frozen=True)
class World:
    """One truth about a model and a task.

    Who does not work guesses: with half a chance the problem's own standing error, else a draw from
    the prior of the golds.
    """

    name: str
    parts: tuple[Part, ...]
    words: frozenset[str]
    """Words that are right."""
    named: str = ""
    """The word that is to be said of it at sizes that suffice; empty where none is asked."""
    golds: tuple[float, ...] = ()
    """Chances of the golds; a thousand equal ones where empty."""
    has_mode: bool = False
    """Whether greedy guesses are the commonest gold."""
    spread: float = 0.03
    """Standard deviation of the tuned chances between seeds."""
    seeds_that_work: float = 1.0
    """Share of the seeds in which tuning works at all."""
    clusters: int = 1
    """Problems that share their part, and their standing."""
    is_declared: bool = True
    """Whether the file names the clusters."""
    unreadable: tuple[float, float] = (0.0, 0.0)
    """Share of the answers that cannot be read: before a nudge, after one."""
    twin: Mapping[int, float] = field(default_factory=dict)
    """Chance of a twin without the ability, tuned on so many labels."""
    has_free: bool = True
    """Whether a label-free rung is in the ladder."""
    extra: int = 0
    """Further label-free rungs that do what the default does."""
    ships: frozenset[str] = frozenset()
    """Names that may be shipped; empty where none is asked."""

    def __post_init__(self) -> None:
        """Refuse shares that are not all of the problems.

        Raises:
            ValueError: they do not add up to 1.
        """
        if abs(sum(part.share for part in self.parts) - 1) > 1e-9:
            raise ValueError(f"parts of {self.name} add up to {sum(p.share for p in self.parts)}")
