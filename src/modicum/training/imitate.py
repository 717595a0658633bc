"""From texts to imitate to a nudge: what every method that tunes on texts shares."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from modicum.bench import Bench
from modicum.nudge import Nudge
from modicum.training.adapters import AdapterShape, Parameters, default_rate
from modicum.training.loop import Example, Schedule, tune
from modicum.whitebox import WhiteBox

__all__ = ["Tuning", "imitated"]


@runtime_checkable
class Tuning(Protocol):
    """The settings of a method that tunes."""

    @property
    def parameters(self) -> Parameters:
        """What is trained."""

    @property
    def rank(self) -> int:
        """LoRA rank."""

    @property
    def learning_rate(self) -> float:
        """Peak rate; 0 takes the default."""

    @property
    def steps(self) -> int:
        """Least updates."""

    @property
    def passes(self) -> int:
        """Time each example is seen at least."""

    @property
    def batch(self) -> int:
        """Examples an update."""


def imitated(settings: Tuning, bench: Bench[WhiteBox], texts: Sequence[tuple[str, str]]) -> Nudge:
    """Tune a copy of the model on (prompt, completion) texts; it answers greedily.

    Raises:
        TrialError: no texts, or a loss that is not finite.
    """
    whitebox = bench.model
    examples = [
        Example(tuple(whitebox.encode(prompt)), tuple(whitebox.encode_completion(text)))
        for prompt, text in texts
    ]
    rate = settings.learning_rate or default_rate(settings.parameters, whitebox.card.parameters)
    shape = AdapterShape(settings.parameters, settings.rank, 2.0 * settings.rank)
    schedule = Schedule(rate, settings.steps, settings.passes, settings.batch)
    tuned = tune(whitebox, examples, shape, schedule, bench.rng, bench.ledger)
    return Nudge(bench.style, changes=(tuned.change,))
